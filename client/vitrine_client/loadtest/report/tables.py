"""Tables of a load test, a search and a sweep for a terminal."""

from collections.abc import Iterable

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from vitrine_client.loadtest.analysis import swap_effect
from vitrine_client.loadtest.analysis.compare import ComparedMeasure, Comparison
from vitrine_client.loadtest.analysis.outcome import LoadTestOutcome
from vitrine_client.loadtest.analysis.probes import Probe, RateFound
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.analysis.sweep import Curve, Point
from vitrine_client.loadtest.results.histogram import LatencyHistogram
from vitrine_client.loadtest.results.result import FEWEST_BEYOND, PERCENTILES, Connecting, Result
from vitrine_client.loadtest.wording import (
    asked,
    batch_size,
    is_open,
    load,
    ms,
    per_second,
    share,
)

BUSY = 0.8
"""Share of a core from which the generator's figure is shown in yellow."""


def outcome(outcome: LoadTestOutcome) -> RenderableType:
    """Lays out the outcome of a load test: first the measurements, last the verdict."""
    parts: list[RenderableType] = []
    if outcome.curve:
        parts += [swept(outcome.curve), Text()]
    if outcome.found and outcome.slo:
        parts += [searched(outcome.found, outcome.slo)]
    elif not outcome.curve:
        parts += [_measured(outcome.result)]
    parts += _warnings(outcome.warnings)
    if outcome.slo and not outcome.found:
        parts += [Text(), checked(outcome)]
    if outcome.comparison:
        parts += [Text(), compared(outcome.comparison), *_warnings(outcome.doubts)]
    return Group(*parts)


def _warnings(texts: Iterable[str]) -> list[Text]:
    return [Text(f"Warning: {text}", style="yellow") for text in texts]


def _measured(result: Result) -> RenderableType:
    events = [Text(f"At {at_s:.1f} s: {text}", style="cyan") for at_s, text in result.events]
    swap = swap_effect.effect(result)
    told = [Text(str(swap), style="cyan")] if swap else events
    if not result.answered:
        return Group(_counts(result), *told)
    few = [Text(FEW, style="dim")] if any(map(result.few_beyond, PERCENTILES)) else []
    return Group(_counts(result), Text(), _latencies(result), *few, *told)


def _counts(result: Result) -> Table:
    table = Table("", "", box=None, pad_edge=False, show_header=False)
    table.add_row("target", Text(asked(result.about)))
    table.add_row("load", load(result.about))
    table.add_row(
        "answered", f"{result.answered:,} of {result.due:,} in {result.duration_s:,.1f} s"
    )
    table.add_row("throughput", f"{per_second(result.throughput)} requests/s{images(result)}")
    if result.error_share:
        table.add_row("failed", Text(share(result.error_share), style="red"))
    for kind, count in result.errors.most_common():
        table.add_row("", Text(f"{count:,} {kind}", style="red"))
    if is_open(result.about):
        table.add_row("late", f"{result.late:,} sent over 1 ms after they were due")
        dropped = Text(f"{result.dropped:,} never sent", style="red" if result.dropped else "")
        table.add_row("dropped", dropped)
    for kind, count in result.unsent.most_common():
        table.add_row("unsent", Text(f"{count:,} {kind}", style="red"))
    if made := connecting(result.connecting):
        table.add_row("connecting", made)
    table.add_row("generator", _generator(result))
    return table


def images(result: Result) -> str:
    """Says how many images a second that is, where a request has several."""
    size = batch_size(result.about)
    return f", {per_second(size * result.throughput)} images/s" if size > 1 else ""


def _generator(result: Result) -> Text:
    used = result.generator
    lag = "" if used.lag_p99_ms is None else f", sends within {ms(used.lag_p99_ms)} ms (p99)"
    busiest = "" if used.busiest is None else f"{share(used.busiest)} of a core, "
    return Text(
        f"{busiest}{used.cpu_s:,.1f} s of processor time{lag}",
        style="yellow" if used.busiest is not None and used.busiest >= BUSY else "",
    )


FEW = f"* fewer than {FEWEST_BEYOND} requests were slower: chance"
"""Legend of the mark of a percentile."""


def connecting(made: Connecting | None) -> str:
    """Says how long it took to make connections; "" where none was made while it was measured."""
    if made is None or not made.connect.count:
        return ""

    def within(counts: LatencyHistogram) -> str:
        return " and ".join(f"{ms(counts.percentile_ms(each))} ms (p{each})" for each in (50, 99))

    tls = f", TLS {within(made.tls)}" if made.tls.count else ""
    return f"{made.connect.count:,} new connections in {within(made.connect)}{tls}"


def latencies(result: Result) -> list[tuple[str, float, float]]:
    """Percentile, mean and maximum by name: latency and service time, in ms. The name of a
    percentile that is chance is marked, as `FEW` explains."""

    def figures(counts: LatencyHistogram) -> list[float]:
        found = [counts.percentile_ms(percent) for percent in PERCENTILES]
        return [*found, counts.max_ms, counts.mean_ms]

    names = [
        *(f"p{each:g}{' *' if result.few_beyond(each) else ''}" for each in PERCENTILES),
        *("max", "mean"),
    ]
    return list(zip(names, figures(result.latency), figures(result.service), strict=True))


def _latencies(result: Result) -> Table:
    headings = ("latency", "service time") if is_open(result.about) else ("latency",)
    table = plain("", *headings)
    for name, *both_ms in latencies(result):
        table.add_row(name, *(f"{ms(each)} ms" for each in both_ms[: len(headings)]))
    return table


def checked(outcome: LoadTestOutcome) -> Text:
    """Says whether the result meets the objective."""
    if not outcome.slo:
        return Text()
    if outcome.violations:
        return Text(f"Misses {outcome.slo}: {'; '.join(outcome.violations)}", style="bold red")
    few = [f"p{each:g}" for each in outcome.slo.latency_s if outcome.result.few_beyond(each)]
    chance = f", but fewer than {FEWEST_BEYOND} requests were slower than {' and '.join(few)}"
    return Text(f"Meets {outcome.slo}{chance if few else ''}", style="bold green")


def compared(comparison: Comparison) -> RenderableType:
    """Lays out a comparison: a row for each measure, and the verdict."""
    table = plain("", "before", "after", "")
    table.columns[-1].justify, table.columns[-1].no_wrap = "left", False
    for row in comparison.rows:
        table.add_row(*row_cells(row), Text(row.text, style=VERDICTS[row.verdict]))
    style = f"bold {VERDICTS[comparison.verdict]}"
    return Group(table, Text(), Text(verdict_of(comparison), style=style))


VERDICTS = {
    "better": "green",
    "worse": "red",
    "the same": "default",
    "cannot tell": "yellow",
    None: "yellow",
}


def verdict_of(comparison: Comparison) -> str:
    """Says the verdict, and the margin that it overlooks."""
    if all(row.verdict is None for row in comparison.rows):
        return "There is too little data to tell"
    open_ = [row.measure for row in comparison.rows if row.verdict == "cannot tell"]
    word = comparison.verdict.capitalize()
    if comparison.verdict == "the same" and open_:
        word += f", but for {' and '.join(open_)}, of which these runs cannot tell"
    return f"{word} (changes of up to {share(comparison.margin)} are overlooked)"


def row_cells(row: ComparedMeasure) -> list[str]:
    """Measure, and its value before and after, with units."""

    def value(of: float) -> str:
        if row.measure.startswith("p"):
            return f"{ms(of)} ms"
        return share(of) if row.measure == "errors" else f"{per_second(of)}/s"

    return [row.measure, value(row.before), value(row.after)]


def plain(*headings: str) -> Table:
    """A table without lines, its first column to the left, the others to the right."""
    table = Table(box=None, pad_edge=False, header_style="dim", show_header=any(headings))
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=bool(number))
    return table


def searched(found: RateFound, slo: Slo) -> RenderableType:
    """Lays out a search: the rate that it found, how sure that is, and every probe."""
    table = plain("requests/s", *(f"p{percent:g}" for percent in slo.latency_s), "failed", "")
    table.columns[-1].justify = "left"
    for probe in found.probes:
        table.add_row(*probe_cells(probe, slo), Text(verdict(probe), style=_COLOUR[probe.held]))
    style = "bold green" if found.rate else "bold red"
    return Group(table, Text(), Text(rate_found(found, slo), style=style))


_COLOUR = {True: "green", False: "red"}


def rate_found(found: RateFound, slo: Slo) -> str:
    """Says the result of a search in one sentence."""
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
