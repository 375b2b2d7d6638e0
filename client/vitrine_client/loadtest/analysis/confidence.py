"""Between what the figures of a load test are, as far as its seconds tell.

Requests of the same moment resemble each other: they wait in the same line. So what is taken for
independent is not requests but intervals, of about a second each (batch means). For a share of
requests, such as of errors, that gives a standard error: that of a ratio of two sums over intervals
(Cochran, Sampling Techniques, chapter 6). For a percentile it is that of the share of requests
below it, and the percentiles a few such errors lower and higher are its bounds (Woodruff 1952,
https://doi.org/10.1080/01621459.1952.10483443). The bounds of a difference come from those of both
figures, each uncertain to either side by its own (Zou and Donner 2008,
https://doi.org/10.1002/sim.3095).
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from vitrine_client.loadtest.results.result import Result

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A figure, and between what it is."""

    value: float
    low: float
    high: float

    @property
    def logarithm(self) -> "Estimate":
        """Of each; their differences are ratios."""
        return Estimate(*(math.log(max(each, 1e-9)) for each in (self.value, self.low, self.high)))


class Estimates:
    """A result's figures with a confidence of 0..1; it needs two intervals, and an answer."""

    def __init__(self, result: Result, confidence: float) -> None:
        self._result, self._intervals = result, result.intervals
        self._errors = _student((1 + confidence) / 2, len(self._intervals) - 1)
        recorded = [interval.latency.recorded() for interval in self._intervals]
        self._values_ms = np.unique(np.concatenate([values for values, _ in recorded]))
        self._counts = np.zeros((len(recorded), len(self._values_ms)))
        for row, (values, times) in zip(self._counts, recorded, strict=True):
            row[np.searchsorted(self._values_ms, values)] = times
        self._shares = self._counts.sum(axis=0).cumsum() / self._counts.sum()

    def percentile_ms(self, percent: float) -> Estimate:
        """A percentile of the latency."""
        place = self._place(percent / 100)
        below = self._counts[:, : place + 1].sum(axis=1)
        share = _ratio(below, self._counts.sum(axis=1), self._errors)
        half = (share.high - share.low) / 2
        low, high = (self._place(percent / 100 + way * half) for way in (-1, 1))
        return Estimate(*(float(self._values_ms[each]) for each in (place, low, high)))

    def throughput(self) -> Estimate:
        """Right answers a second, by when they came."""
        came = [interval.completed for interval in self._intervals]
        lasted_s = [each.duration_s for each in self._intervals]
        return _ratio(np.array(came, float), np.array(lasted_s), self._errors)

    def error_share(self) -> Estimate:
        """The share of requests without a right answer."""
        failed = [interval.errors.total() + interval.dropped for interval in self._intervals]
        due = [interval.due - interval.unsent.total() for interval in self._intervals]
        return _ratio(np.array(failed, float), np.array(due, float), self._errors)

    def _place(self, share: float) -> int:
        return min(int(np.searchsorted(self._shares, share - 1e-12)), len(self._values_ms) - 1)


def difference(before: Estimate, after: Estimate) -> Estimate:
    """Returns after - before, and between what that is."""
    change = after.value - before.value
    down = math.hypot(after.value - after.low, before.high - before.value)
    up = math.hypot(after.high - after.value, before.value - before.low)
    return Estimate(change, change - down, change + up)


def _ratio(above: Floats, below: Floats, errors: float) -> Estimate:
    """The sum of one over that of the other, and so many standard errors to either side."""
    ratio, count = above.sum() / below.sum(), len(above)
    rest = above - ratio * below
    half = errors * math.sqrt(count / (count - 1) * (rest @ rest)) / below.sum()
    return Estimate(float(ratio), float(ratio - half), float(ratio + half))


def _student(share: float, freedom: float) -> float:
    """A quantile of Student's t (Abramowitz and Stegun 26.7.5; to 0.1 % from 7 degrees on)."""
    z = NormalDist().inv_cdf(share)
    terms = (
        z,
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return sum(term / freedom**power for power, term in enumerate(terms))
