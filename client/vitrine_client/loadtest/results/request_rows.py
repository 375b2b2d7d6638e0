"""Each request of a load as a row."""

import csv
from typing import TYPE_CHECKING, TextIO

import numpy as np

from vitrine_client.loadtest.generator.loop import FIELDS
from vitrine_client.loadtest.generator.worker import Seen

if TYPE_CHECKING:
    from _csv import Writer

HEADING = ("run", "process", "due_s", "sent_s", "done_s", "latency_ms", "service_ms", "outcome")
RIGHT = "ok"


class RequestRows:
    """The records of one load, as they come from its processes."""

    def __init__(self) -> None:
        self._parts: list[tuple[int, Seen]] = []
        self._zero_s = 0.0

    def begin(self, zero_s: float) -> None:
        """Is told when the measurement begins, by `time.monotonic`."""
        self._zero_s = zero_s

    def add(self, process: int, seen: Seen) -> None:
        """Takes what a process has seen."""
        if seen.records:
            self._parts.append((process, seen))

    def write(self, run: int, rows: "Writer") -> None:
        """Writes them by when they were due: times in seconds of the measurement, below 0 in the
        warm-up; `outcome` is "ok" or the fault. What was never sent has no times but that, and what
        had no answer is done when it was given up."""
        outcomes: dict[str, int] = {}
        parts = []
        for process, seen in self._parts:
            records = np.frombuffer(seen.records, np.float64).reshape(-1, FIELDS)
            places = [outcomes.setdefault(name, len(outcomes)) for name in seen.outcomes]
            numbers = np.array(places)[records[:, -1].astype(np.int64)]
            parts.append(np.column_stack([np.full(len(records), process), records, numbers]))
        names = [name or RIGHT for name in outcomes]
        every = np.concatenate(parts) if parts else np.empty((0, FIELDS + 2))
        for process, due_s, _, sent_s, done_s, _, number in every[every[:, 1].argsort()].tolist():
            rows.writerow(
                (
                    run,
                    int(process),
                    *(_cell(value - self._zero_s, 6) for value in (due_s, sent_s, done_s)),
                    *(_cell(1e3 * (done_s - since_s), 3) for since_s in (due_s, sent_s)),
                    names[int(number)],
                )
            )


def write_all(loads: dict[int, RequestRows], file: TextIO) -> None:
    """Writes the requests of loads, by their numbers."""
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(HEADING)
    for run, requests in loads.items():
        requests.write(run, rows)


def _cell(value: float, digits: int) -> str:
    return "" if value != value else f"{value:.{digits}f}"
