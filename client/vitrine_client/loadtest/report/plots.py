"""Plots of a load test's report, each an SVG: latency, throughput, errors, and latency by rate."""

import dataclasses
import math
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from vitrine_client.loadtest.analysis.probes import RateFound
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.analysis.sweep import Curve
from vitrine_client.loadtest.results.histogram import LatencyHistogram
from vitrine_client.loadtest.results.result import Result
from vitrine_client.loadtest.wording import per_second
from vitrine_client.look import svg

COLUMNS = 120
"""At most so many points of time; in a longer test, each stands for several seconds."""

ERROR_COLOURS = (svg.RED, svg.VIOLET, svg.GOLD, svg.GREEN, svg.QUIET)
"""Of the most frequent kinds of errors; the last one is for all others together."""

_ROWS = 40
_NEAR = 0.03
"""Share of the plot's width that a number needs."""


def columns(result: Result) -> list[Result]:
    """Cuts a result into parts of equal numbers of intervals, at most `COLUMNS`."""
    size = max(1, -(-len(result.intervals) // COLUMNS))
    starts = range(0, len(result.intervals), size)
    return [
        dataclasses.replace(result, intervals=result.intervals[start : start + size])
        for start in starts
    ]


def over_time(result: Result) -> str:
    """Draws median, 99th percentile and maximum of each second, and marks the events."""
    parts = columns(result)
    middles = _middles(parts)
    lines = (
        (100, svg.QUIET, "-", 0.9, "maximum"),
        (99, svg.VIOLET, "-", 1.5, "99th percentile"),
        (50, svg.ACCENT, "-", 1.5, "median"),
    )

    def draw(axes: Axes) -> None:
        marker = "." if len(parts) <= COLUMNS // 2 else ""
        for percent, colour, line, width, _ in lines:
            values = [part.latency.percentile_ms(percent) for part in parts]
            axes.plot(
                middles,
                values,
                color=colour,
                linestyle=line,
                linewidth=width,
                marker=marker,
                markersize=4,
            )
        medians = [part.latency.percentile_ms(50) for part in parts]
        log_axis(axes, "y", [*medians, result.latency.max_ms])
        _time(axes, result)

    worst = max(parts, key=lambda part: np.nan_to_num(part.latency.max_ms))
    alt = (
        "Latency over time: median, 99th percentile and maximum. The longest, "
        f"{worst.latency.max_ms:,.3g} ms, is from second {worst.intervals[0].start_s:.0f}."
    )
    return drawn(draw, "over-time", alt, x="time, s", y="latency, ms")


def heat_map(result: Result) -> str:
    """Draws how many requests had which latency when; opacity is the logarithm of their number."""
    parts = columns(result)
    low, high = np.log10(result.latency.percentile_ms(0)), np.log10(result.latency.max_ms)
    low, high = low - 0.05, high + 0.05
    edges = np.linspace(low, high, _ROWS + 1)
    counts = np.stack([_histogram(part.latency, edges) for part in parts], axis=1)
    shade = np.log1p(counts) / np.log1p(counts.max())
    pixels = np.empty((*counts.shape, 4), np.uint8)
    pixels[..., :3] = svg.AREA
    pixels[..., 3] = np.where(counts, 25 + 230 * shade, 0)

    def draw(axes: Axes) -> None:
        end_s = parts[-1].intervals[0].start_s + parts[0].duration_s
        axes.imshow(
            pixels,
            extent=(parts[0].intervals[0].start_s, end_s, low, high),
            origin="lower",
            aspect="auto",
            interpolation="none",
            zorder=1,
        )
        places = ticks(10**low, 10**high)
        axes.set_yticks(np.log10(places), [number(place) for place in places])
        _time(axes, result)

    alt = "Heat map of latency over time: the stronger the colour, the more requests."
    return drawn(draw, "heat-map", alt, x="time, s", y="latency, ms")


def _histogram(counts: LatencyHistogram, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    values, times = counts.recorded()
    return np.histogram(np.log10(values), edges, weights=times)[0].astype(np.float64)


def throughput(result: Result) -> str:
    """Draws right answers a second, and requests that were due (or sent) a second."""
    parts = columns(result)
    middles = _middles(parts)

    def draw(axes: Axes) -> None:
        due = [part.due / part.duration_s for part in parts]
        answered = [part.throughput for part in parts]
        axes.fill_between(middles, answered, color=svg.ACCENT, alpha=0.12, linewidth=0)
        axes.plot(middles, due, color=svg.QUIET, linestyle=svg.DASHES)
        axes.plot(middles, answered, color=svg.ACCENT)
        axes.set_ylim(top=1.1 * max(*due, *answered, 1))
        thousands(axes)
        _time(axes, result)

    alt = f"Throughput over time; on average {result.throughput:,.0f} right answers a second."
    return drawn(draw, "throughput", alt, x="time, s", y="requests/s")


def failures(result: Result) -> Counter[str]:
    """Counts requests without a right answer by kind, those never sent among them."""
    dropped = Counter({"dropped": result.dropped} if result.dropped else {})
    return result.errors + dropped


def shown_failures(result: Result) -> list[tuple[str, int, str]]:
    """Kind, number and colour of the bars of `errors`, most frequent first; the rest in one."""
    all_kinds = failures(result).most_common()
    room = len(ERROR_COLOURS)
    if len(all_kinds) > room:
        rest = sum(count for _, count in all_kinds[room - 1 :])
        all_kinds = [*all_kinds[: room - 1], ("others", rest)]
    return [(*kind, colour) for kind, colour in zip(all_kinds, ERROR_COLOURS, strict=False)]


def errors(result: Result) -> str:
    """Draws requests without a right answer in each second, by kind, one above the other."""
    parts = columns(result)
    shown = shown_failures(result)
    named = {kind for kind, _, _ in shown}

    def draw(axes: Axes) -> None:
        starts = [part.intervals[0].start_s for part in parts]
        widths = [part.duration_s for part in parts]
        below = np.zeros(len(parts))
        for kind, _, colour in shown:
            counts = np.array([_count(failures(part), kind, named) for part in parts])
            axes.bar(starts, counts, widths, below, align="edge", color=colour, linewidth=0)
            below += counts
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6, steps=(1, 2, 5, 10)))
        thousands(axes)
        _time(axes, result)

    kinds = ", ".join(f"{count:,} {kind}" for kind, count, _ in shown)
    return drawn(draw, "errors", f"Errors over time: {kinds}.", x="time, s", y="requests")


def _count(found: Counter[str], kind: str, named: set[str]) -> int:
    if kind != "others":
        return found[kind]
    return sum(count for name, count in found.items() if name not in named)


def _middles(parts: Sequence[Result]) -> list[float]:
    return [part.intervals[0].start_s + part.duration_s / 2 for part in parts]


def _time(axes: Axes, result: Result) -> None:
    """From the first second to the last, with the events as dotted lines."""
    first, last = result.intervals[0], result.intervals[-1]
    start_s, end_s = first.start_s, last.start_s + last.duration_s
    axes.set_xlim(start_s, end_s)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, min_n_ticks=2, steps=(1, 2, 5, 10)))
    for at_s, _ in result.events:
        axes.axvline(at_s, color=svg.INK, linewidth=1, linestyle=svg.DOTS)
    for at_s, text in event_labels(result, _NEAR * (end_s - start_s)):
        axes.annotate(
            text,
            (at_s, 1),
            (0, 2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            color=svg.INK,
            fontsize=9,
            ha="center",
        )


def event_labels(result: Result, near_s: float) -> list[tuple[float, str]]:
    """Returns where to write the numbers of the events; those that are near each other go together,
    as "2, 3" in the place of the first."""
    labels: list[tuple[float, str]] = []
    for count, (at_s, _) in enumerate(result.events, start=1):
        if labels and at_s - labels[-1][0] < near_s:
            labels[-1] = (labels[-1][0], f"{labels[-1][1]}, {count}")
        else:
            labels.append((at_s, str(count)))
    return labels


_HEIGHT = 3.5
"""Of a plot, in inches of 72 units."""

Draw = Callable[[Axes], None]


def drawn(draw: Draw, name: str, alt: str, *, x: str, y: str) -> str:
    """Returns the drawing of `draw` as inline SVG; `x` and `y` name the axes, `alt` describes the
    picture, `name` is the picture's own."""

    def on_figure(figure: Figure) -> None:
        axes = figure.add_subplot()
        svg.style(axes, x, y)
        draw(axes)

    return svg.inline(on_figure, _HEIGHT, name, alt)


def log_axis(axes: Axes, which: Literal["x", "y"], values: Iterable[float]) -> None:
    """Makes an axis logarithmic, with room for `values` above zero."""
    known = [value for value in values if value == value]
    low, high = min(known, default=1.0) / 1.15, max(known, default=1.0) * 1.15
    places = ticks(low, high)
    axis = {"x": axes.xaxis, "y": axes.yaxis}[which]
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    axis.set_ticks(places, [number(place) for place in places])
    axis.set_ticks([], minor=True)


def ticks(low: float, high: float) -> list[float]:
    """Returns round numbers within `low`..`high` that lie well on a logarithmic axis."""
    if high / low < 5:
        found: Any = MaxNLocator(nbins=5, steps=(1, 2, 5, 10)).tick_values(low, high)
    else:
        found = LogLocator(subs=(1, 2, 5) if high / low < 1000 else (1,)).tick_values(low, high)
    return [tick for tick in map(float, found) if low <= tick <= high]


def number(value: float) -> str:
    """A tick's label."""
    return f"{value:,.6g}" if value < 1e5 else f"{value:,.0f}"


def thousands(axes: Axes) -> None:
    """Makes y begin at zero, with commas in its numbers."""
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


_POINTS = 300


@dataclass(frozen=True)
class Trace:
    """Trace of `by_percentile`: a histogram and its style."""

    counts: LatencyHistogram
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


def _quantiles(counts: LatencyHistogram) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Points of a curve, evenly spaced in nines, as far as there are requests to tell."""
    values, times = counts.recorded()
    x = np.linspace(0, np.log10(counts.count), _POINTS) if counts.count > 1 else np.zeros(1)
    rank = (1 - 10**-x) * counts.count
    return x, values[np.searchsorted(times.cumsum(), rank, side="right").clip(max=len(values) - 1)]


def searched(found: RateFound, slo: Slo) -> str:
    """Draws the probes of a search: rate, and latency at the objective's highest percentile."""
    percent, limit_s = list(slo.latency_s.items())[-1]
    probes = [
        (probe.rate, probe.result.latency.percentile_ms(percent), probe.held)
        for probe in found.probes
        if probe.result.answered
    ]

    def draw(axes: Axes) -> None:
        axes.axhline(1e3 * limit_s, color=svg.INK, linewidth=1, linestyle=svg.DASHES)
        if found.rate:
            axes.axvspan(found.low, found.high, color=svg.GREEN, alpha=0.15, linewidth=0)
            axes.axvline(found.rate, color=svg.GREEN, linewidth=1.2)
        for held, marker, colour in ((True, "o", svg.GREEN), (False, "x", svg.RED)):
            chosen = np.array([probe[:2] for probe in probes if probe[2] is held]).reshape(-1, 2)
            axes.plot(*chosen.T, marker, color=colour, markersize=6, markeredgewidth=1.6)
        log_axis(axes, "x", [probe.rate for probe in found.probes])
        log_axis(axes, "y", [1e3 * limit_s, *(latency_ms for _, latency_ms, _ in probes)])

    alt = (
        f"Probes of the search: {sum(probe.held for probe in found.probes)} of "
        f"{len(found.probes)} met the objective; the highest rate is "
        f"{per_second(found.rate)} requests a second."
    )
    return drawn(draw, "search-plot", alt, x="due, requests/s", y=f"p{percent:g}, ms")


def swept(curve: Curve) -> str:
    """Draws a sweep: right answers a second, and the latencies that they had."""
    lines = (
        ([point.p999_ms for point in curve.points], svg.QUIET, 0.9),
        ([point.p99_ms for point in curve.points], svg.VIOLET, 1.5),
        ([point.p50_ms for point in curve.points], svg.ACCENT, 1.5),
    )

    def draw(axes: Axes) -> None:
        answered = [point.throughput for point in curve.points]
        for values, colour, width in lines:
            known = [math.nan if value is None else value for value in values]
            axes.plot(answered, known, ".-", color=colour, linewidth=width, markersize=6)
        log_axis(axes, "y", [one for values, *_ in lines for one in values if one is not None])
        axes.set_xlim(0, 1.05 * max(curve.highest_throughput, 1))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=(1, 2, 5, 10)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))

    most = per_second(curve.highest_throughput)
    alt = f"Latency by throughput, which reached {most} right answers a second."
    return drawn(draw, "sweep-plot", alt, x="right answers a second", y="latency, ms")
