"""Latencies as an HdrHistogram: three significant digits, and merged without any loss."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from hdrh.histogram import HdrHistogram

_LOWEST_US, _HIGHEST_US, _DIGITS = 1, 3_600_000_000, 3


@dataclass(frozen=True)
class Histogram:
    """How many requests had which latency. `blob` is the V2 encoding that HdrHistogram's tools read
    (base64 of zlib, in microseconds)."""

    blob: str

    @classmethod
    def of(cls, latencies_s: npt.ArrayLike) -> Self:
        """Counts latencies, float64 [n], in seconds; an hour and more counts as an hour."""
        histogram = _empty()
        in_us = np.rint(np.asarray(latencies_s, np.float64) * 1e6).astype(np.int64)
        values, counts = np.unique(in_us.clip(_LOWEST_US, _HIGHEST_US), return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            histogram.record_value(value, count)
        return cls(histogram.encode().decode())

    @classmethod
    def merged(cls, histograms: Iterable["Histogram"]) -> Self:
        """Returns the sum: its counts are exactly theirs together."""
        total = _empty()
        for histogram in histograms:
            total.decode_and_add(histogram.blob)
        return cls(total.encode().decode())

    @cached_property
    def _decoded(self) -> Any:
        return HdrHistogram.decode(self.blob)

    def check(self) -> None:
        """Raises `ValueError` where `blob` is not what `of` makes: the decoder has many ways to
        fail, in Python and in C."""
        try:
            sound = self.count >= 0 and self._decoded.counts_len == _empty().counts_len
        except Exception as error:
            raise ValueError(
                f"no result of a load test (a histogram is damaged: {error!r})"
            ) from error
        if not sound:
            raise ValueError("no result of a load test (a histogram is not one of ours)")

    @property
    def count(self) -> int:
        """How many latencies were counted."""
        return int(self._decoded.get_total_count())

    @property
    def mean_ms(self) -> float:
        """The mean, in milliseconds; NaN without any."""
        return self._decoded.get_mean_value() / 1e3 if self.count else float("nan")

    @property
    def least_ms(self) -> float:
        """The shortest, in milliseconds; NaN without any."""
        return float(self.recorded()[0][0]) if self.count else float("nan")

    @property
    def max_ms(self) -> float:
        """The longest, in milliseconds; NaN without any."""
        return self.percentile_ms(100)

    def percentile_ms(self, percent: float) -> float:
        """Returns the latency, in milliseconds, that `percent` stayed within; NaN without any."""
        if not self.count:
            return float("nan")
        return float(self._decoded.get_value_at_percentile(percent)) / 1e3

    def recorded(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Returns the latencies that occurred, in milliseconds, ascending, and how often each."""
        every = np.ctypeslib.as_array(self._decoded.counts)
        occurred = np.flatnonzero(every)
        return _values_ms()[occurred], every[occurred].astype(np.int64)


@lru_cache
def _values_ms() -> npt.NDArray[np.float64]:
    """The highest latency that each place of a histogram counts, in milliseconds."""
    empty = _empty()
    starts_us = [empty.get_value_from_index(place) for place in range(empty.counts_len + 1)]
    return (np.array(starts_us[1:], np.float64) - 1) / 1e3


def _empty() -> Any:
    return HdrHistogram(_LOWEST_US, _HIGHEST_US, _DIGITS)
