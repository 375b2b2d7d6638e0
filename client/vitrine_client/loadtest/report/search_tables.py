"""What a search for a rate and a sweep found, as tables for a terminal."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vitrine_client.loadtest.analysis.probes import Found, Probe
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.analysis.sweep import Curve, Point
from vitrine_client.loadtest.report.wording import ms, per_second, share


def plain(*headings: str) -> Table:
    """A table without lines, its first column to the left, the others to the right."""
    table = Table(box=None, pad_edge=False, header_style="dim", show_header=any(headings))
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=bool(number))
    return table


def searched(found: Found, slo: Slo) -> RenderableType:
    """Lays out a search: the rate that it found, how sure that is, and every probe."""
    table = plain("requests/s", *(f"p{percent:g}" for percent in slo.latency_s), "failed", "")
    table.columns[-1].justify = "left"
    for probe in found.probes:
        table.add_row(*probe_cells(probe, slo), Text(verdict(probe), style=_COLOUR[probe.held]))
    style = "bold green" if found.rate else "bold red"
    return Group(table, Text(), Text(rate_found(found, slo), style=style))


_COLOUR = {True: "green", False: "red"}


def rate_found(found: Found, slo: Slo) -> str:
    """Says in one sentence what a search found."""
    if not found.complete:
        held = f"{per_second(found.rate)} requests/s held" if found.rate else "no rate held"
        return f"The highest rate that meets {slo} is not known yet: {held} so far"
    if not found.rate:
        why = f" ({found.why})" if found.why else ""
        return f"No rate meets {slo}: not even {per_second(found.high)} requests/s{why}"
    lasted_s = sum(result.duration_s for result in found.at_rate)
    return (
        f"{per_second(found.rate)} requests/s is the highest rate that meets {slo}: the boundary "
        f"is between {per_second(found.low)} and {per_second(found.high)} (90 %), and "
        f"{found.confirmed} of {found.confirmations} more probes at the rate held, as do all of "
        f"them together, over {lasted_s:.0f} s"
    )


def probe_cells(probe: Probe, slo: Slo) -> list[str]:
    """Rate, latency at each of the objective's percentiles, and share that failed."""
    latency = probe.result.latency
    reached = [f"{ms(latency.percentile_ms(percent))} ms" for percent in slo.latency_s]
    return [per_second(probe.rate), *reached, share(probe.result.error_share)]


def verdict(probe: Probe) -> str:
    """Says of a probe that it held, or why not."""
    return "; ".join(probe.violations) or "held"


def swept(curve: Curve) -> RenderableType:
    """Lays out a sweep, a row for each rate."""
    table = plain("requests/s", "answered/s", "p50", "p90", "p99", "p99.9", "failed")
    for point in curve.points:
        table.add_row(*point_cells(point))
    return table


def point_cells(point: Point) -> list[str]:
    """Rate, right answers a second, four percentiles, and share that failed."""
    latencies_ms = (point.p50_ms, point.p90_ms, point.p99_ms, point.p999_ms)
    shown = ["–" if value is None else f"{ms(value)} ms" for value in latencies_ms]
    return [per_second(point.rate), per_second(point.throughput), *shown, share(point.error_share)]
