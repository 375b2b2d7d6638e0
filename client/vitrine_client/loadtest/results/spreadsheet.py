"""What a load test saw, second by second, for a spreadsheet."""

import csv
from collections.abc import Iterable
from typing import TextIO

from vitrine_client.loadtest.results.histogram import Histogram
from vitrine_client.loadtest.results.result import PERCENTILES, Result


def write_csv(results: Iterable[Result], file: TextIO) -> None:
    """Writes one row for each interval of each result, latencies in milliseconds.

    `run` numbers the results, `errors` is their total; what was not answered has empty cells.
    """
    names = [f"p{percent:g}" for percent in PERCENTILES] + ["max"]
    heading = [
        "run",
        "start_s",
        "duration_s",
        "due",
        "answered",
        "errors",
        "late",
        "dropped",
        "unsent",
    ]
    latency = [f"{kind}_{name}_ms" for kind in ("latency", "service") for name in names]
    rows = csv.writer(file, lineterminator="\n")
    rows.writerow(heading + latency)
    for number, result in enumerate(results, start=1):
        for one in result.intervals:
            counts = [one.due, one.answered, one.errors.total(), one.late, one.dropped]
            counts.append(one.unsent.total())
            times = [f"{one.start_s:.3f}", f"{one.duration_s:.3f}"]
            rows.writerow([number, *times, *counts, *_cells(one.latency), *_cells(one.service)])


def _cells(counts: Histogram) -> list[str]:
    if not counts.count:
        return [""] * (len(PERCENTILES) + 1)
    found = [counts.percentile_ms(percent) for percent in PERCENTILES]
    return [f"{value:.3f}" for value in [*found, counts.max_ms]]
