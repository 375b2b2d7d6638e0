"""HTML page about a load test: its speed, its steadiness, and its errors.

The page is one file that asks nothing of any other host and runs no script.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from vitrine_client.loadtest import wording
from vitrine_client.loadtest.analysis import swap_effect
from vitrine_client.loadtest.analysis.outcome import LoadTestOutcome
from vitrine_client.loadtest.plan import V2_KINDS
from vitrine_client.loadtest.report import plots, tables
from vitrine_client.loadtest.report.plots import Trace, by_percentile
from vitrine_client.loadtest.results.result import Result
from vitrine_client.look import reports, svg


def write(path: Path, outcome: LoadTestOutcome) -> Path:
    """Writes the page about `outcome` to `path`, whole or not at all, and returns `path`.

    Raises `OSError` where that can't be written.
    """
    indexed = reports.has_index(path.parent)
    reports.write(path, render(outcome, indexed=indexed))
    if indexed:
        reports.write_index(path.parent)
    return path


def render(outcome: LoadTestOutcome, *, indexed: bool = False) -> str:
    """Returns the page; where it is `indexed`, with a link to the index beside it."""
    result, headline = outcome.result, _headline(outcome)
    environment = reports.environment("vitrine_client.loadtest.report")
    environment.filters |= {"ms": wording.ms, "share": wording.share, "rate": wording.per_second}
    environment.filters["css"] = svg.css
    return environment.get_template("report.html").render(
        about=reports.About(
            "load test",
            wording.asked(result.about),
            f"{wording.per_second(headline.number)} {headline.unit}",
            str(result.about.get("started_at", "")),
        ),
        indexed=indexed,
        gateway=_gateway(result.about),
        outcome=outcome,
        headline=headline,
        percent=max(outcome.slo.latency_s) if outcome.slo else 99.0,
        result=result,
        swap=swap_effect.effect(result),
        asked=wording.asked(result.about),
        load=wording.load(result.about),
        is_open=wording.is_open(result.about),
        tables=tables,
        plots=plots,
        percentiles=_percentiles,
        compared=_compared,
        settings=settings(result.about),
        started_at=_moment(str(result.about.get("started_at", ""))),
    )


def _gateway(about: Mapping[str, Any]) -> str:
    """Returns the address of the gateway that was asked, "" where that was a model server."""
    target = about.get("plan", {}).get("target", {})
    address = str(target.get("address", ""))
    is_gateway = target.get("kind") not in ("grpc", "rest", *V2_KINDS)
    return address.rstrip("/") if is_gateway and address.startswith(("http:", "https:")) else ""


@dataclass(frozen=True)
class _Headline:
    number: float
    unit: str
    word: str
    good: bool


def _headline(outcome: LoadTestOutcome) -> _Headline:
    """The one number of the page, and the one word about it."""
    result, found, comparison = outcome.result, outcome.found, outcome.comparison
    if found:
        if not found.complete:
            return _Headline(found.rate, "requests a second held so far", "cut short", good=False)
        word = f"{found.confirmed} of {found.confirmations} held" if found.rate else "out of reach"
        good = outcome.well and found.confidence > 0.5
        return _Headline(found.rate, f"requests a second meet {outcome.slo}", word, good)
    if outcome.curve:
        most, rates = outcome.curve.highest_throughput, len(outcome.curve.points)
        return _Headline(most, "right answers a second at most", f"{rates} rates", outcome.well)
    if comparison:
        word = comparison.verdict
    elif not result.answered:
        word = "nothing answered"
    elif outcome.slo:
        word = "objective missed" if outcome.violations else "objective met"
    else:
        word = f"{wording.share(result.error_share)} failed" if result.error_share else "no errors"
    unit = f"right answers a second{tables.images(result)}"
    return _Headline(result.throughput, unit, word, outcome.well)


def _percentiles(result: Result) -> str:
    traces = [Trace(result.latency, svg.ACCENT)]
    if wording.is_open(result.about):
        traces.append(Trace(result.service, svg.VIOLET, dashed=True))
    p50, p99 = (wording.ms(result.latency.percentile_ms(percent)) for percent in (50, 99))
    return by_percentile(
        traces, f"Latency by percentile: half of the requests within {p50} ms, 99 % in {p99} ms."
    )


def _compared(before: Result, after: Result) -> str:
    traces = [
        Trace(before.latency, svg.QUIET, dashed=True),
        Trace(after.latency, svg.ACCENT),
    ]
    p99s = " and ".join(wording.ms(each.latency.percentile_ms(99)) for each in (before, after))
    return by_percentile(
        traces, f"Latency by percentile of both runs: 99 % within {p99s} ms.", "comparison-plot"
    )


def settings(about: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    """Name and value of all that `about` says and is not None; members of members by both names."""
    found = []
    for name, value in about.items():
        title = f"{above} {name}".strip().replace("_", " ")
        if isinstance(value, Mapping):
            found += settings(value, "" if name == "plan" else title)
        elif value is not None:
            found.append((title, _spelt(value)))
    return found


def _spelt(value: Any) -> str:
    if isinstance(value, list | tuple):
        return "; ".join(map(_spelt, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_spelt(one)}" for name, one in value.items())
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:,.6g}"
    return str(value)


def _moment(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return text
