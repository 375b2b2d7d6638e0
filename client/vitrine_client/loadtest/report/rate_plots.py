"""The report's pictures of several load tests, each an SVG: latency against rate."""

import math
from collections.abc import Iterable

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from vitrine_client.loadtest.analysis.probes import Found
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.analysis.sweep import Curve
from vitrine_client.loadtest.report.axes import drawn, log_axis, number
from vitrine_client.loadtest.report.wording import per_second
from vitrine_client.look import svg


def searched(found: Found, slo: Slo) -> str:
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
            chosen = [(rate, latency_ms) for rate, latency_ms, met in probes if met is held]
            axes.plot(*_columns(chosen), marker, color=colour, markersize=6, markeredgewidth=1.6)
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


def _columns(points: Iterable[tuple[float, float]]) -> tuple[list[float], list[float]]:
    chosen = list(points)
    return [x for x, _ in chosen], [y for _, y in chosen]
