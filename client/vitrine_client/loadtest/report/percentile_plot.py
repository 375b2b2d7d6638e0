"""The report's picture of latency by percentile, an SVG."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from vitrine_client.loadtest.report.axes import drawn, log_axis
from vitrine_client.loadtest.results.histogram import Histogram
from vitrine_client.look import svg

_POINTS = 300


@dataclass(frozen=True)
class Trace:
    """A curve of `by_percentile`: what was counted, and how it is drawn."""

    counts: Histogram
    colour: str
    dashed: bool = False


def by_percentile(traces: Iterable[Trace], alt: str, name: str = "percentiles") -> str:
    """Draws latency against the share of requests that were faster, so that each further nine has
    as much room as the one before."""
    filled = [trace for trace in traces if trace.counts.count]
    most = max(np.log10(trace.counts.count) for trace in filled)

    def draw(axes: Axes) -> None:
        ends: list[float] = []
        for trace in filled:
            x, latency_ms = _quantiles(trace.counts)
            line = svg.DASHES if trace.dashed else "-"
            axes.plot(x, latency_ms, color=trace.colour, linestyle=line)
            axes.plot(x[-1], latency_ms[-1], ".", color=trace.colour, clip_on=False)
            ends += [latency_ms[0], latency_ms[-1]]
        nines = [nine for nine in range(1, 9) if nine <= most + 0.05]
        labels = [f"{100 - 10 ** (2 - nine):.12g} %" for nine in nines]
        axes.set_xticks([np.log10(2), *nines], ["50 %", *labels])
        axes.set_xlim(0, max(most, 1) * 1.02)
        log_axis(axes, "y", ends)
        axes.grid(axis="x", color=svg.LINE, linewidth=0.8)

    return drawn(draw, name, alt, x="share of requests", y="latency, ms")


def _quantiles(counts: Histogram) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Points of a curve, evenly spaced in nines, as far as there are requests to tell."""
    values, times = counts.recorded()
    x = np.linspace(0, np.log10(counts.count), _POINTS) if counts.count > 1 else np.zeros(1)
    rank = (1 - 10**-x) * counts.count
    return x, values[np.searchsorted(times.cumsum(), rank, side="right").clip(max=len(values) - 1)]
