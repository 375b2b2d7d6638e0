"""Inference statistics, as Triton counts them: for each version, over all processes.

They are told where the Open Inference Protocol asks for them, and Prometheus is not told of them.
"""

import time
from typing import NamedTuple

from vitrine_serving.gateway.telemetry.metrics.families import Family
from vitrine_serving.gateway.telemetry.metrics.ledger import Ledger, Series
from vitrine_serving.gateway.telemetry.metrics.shared_series import SharedSeries

_LABELS = ("model", "version")
_COUNTS = Family("inference_statistics", "Counts and seconds.", _LABELS, kind="counter")
_LAST = Family("last_inference", "Milliseconds since 1970.", _LABELS, kind="gauge", worst=True)

_MOST_VERSIONS = 1024


class Took(NamedTuple):
    """Durations of a request in seconds: waiting, making the message, the call, and in all."""

    queue_s: float
    input_s: float
    infer_s: float
    whole_s: float


class Totals(NamedTuple):
    """Totals of a version: rows, calls, and requests that were answered, with the seconds that
    these took and those of their stages, and that failed. `last_ms` is since 1970, 0 for never."""

    rows: float = 0.0
    calls: float = 0.0
    answered: float = 0.0
    answered_s: float = 0.0
    queue_s: float = 0.0
    input_s: float = 0.0
    infer_s: float = 0.0
    failed: float = 0.0
    failed_s: float = 0.0
    last_ms: float = 0.0


_COUNTED = len(Totals()) - 1


class _Version(Series):
    """Series of a version: the numbers of its totals."""

    __slots__ = ("last", "values")

    def __init__(self, labels: tuple[str, str], last: Series) -> None:
        super().__init__(_COUNTS, labels)
        self.values = [0.0] * _COUNTED
        self.last = last

    def numbers(self) -> list[float]:
        """Returns all totals but the last moment."""
        return [*self.values]


class InferenceStatistics:
    """Statistics of one process, and `totals` of all."""

    def __init__(self, ledger: Ledger, shared: SharedSeries) -> None:
        self._ledger = ledger
        self._shared = shared
        self._versions: dict[tuple[str, int], _Version] = {}

    def note(self, model: str, version: int, rows: int, calls: float, took: Took) -> None:
        """Notes a request that was answered, by its share of `calls`."""
        if known := self._version(model, version):
            values = known.values
            values[0] += rows
            values[1] += calls
            values[2] += 1
            values[3] += took.whole_s
            values[4] += took.queue_s
            values[5] += took.input_s
            values[6] += took.infer_s
            known.last.value = 1e3 * time.time()

    def note_failure(self, model: str, version: int, took_s: float) -> None:
        """Notes a request that failed."""
        if known := self._version(model, version):
            known.values[-2] += 1
            known.values[-1] += took_s

    def totals(self) -> dict[tuple[str, int], Totals]:
        """Returns the totals by model and version; from any thread."""
        self._ledger.flush()
        last = self._shared.merged(_LAST)
        return {
            (labels[0], int(labels[1])): Totals(*numbers, *last.get(labels, (0.0,)))
            for labels, numbers in self._shared.merged(_COUNTS).items()
        }

    def _version(self, model: str, version: int) -> _Version | None:
        """Returns the series of a version; None of one too many."""
        known = self._versions.get((model, version))
        if known is None and len(self._versions) < _MOST_VERSIONS:
            labels = model, str(version)
            known = _Version(labels, self._ledger.single(_LAST, *labels))
            self._versions[model, version] = self._ledger.add(known)
        return known
