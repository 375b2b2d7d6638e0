"""Table "Who tells the truth": each tool's figures, beside those of the server's log."""

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from benchmarks.load_lab.part import Part, Say
from benchmarks.load_truth import scenarios
from benchmarks.load_truth.scenarios import HIGH_RATE, RATE, Outcome
from benchmarks.load_truth.tool import Run, Tool

HEADINGS = (
    "tool",
    "p50, ms",
    "p99, ms",
    "max, ms",
    f"of {RATE}/s",
    f"of {HIGH_RATE:,}/s",
    "only 503: exit",
    "in latencies",
    "server gone",
)


def measure(tools: Sequence[Tool], say: Say) -> Part:
    """Runs each tool in each scenario."""
    figures: dict[str, Any] = {}
    rows = []
    for tool in tools:
        say(f"{tool.name}: the server stalls")
        stalled = scenarios.stalls(tool)
        say(f"{tool.name}: a high rate")
        high = scenarios.high_rate(tool) if tool.keeps_rates else None
        say(f"{tool.name}: only errors")
        failed = scenarios.only_errors(tool)
        say(f"{tool.name}: the server is killed")
        gone = scenarios.gone(tool)
        version = tool.version()
        figures[tool.name] = {
            "version": version,
            "stalls": _figures(stalled),
            "high_rate": high and _figures(high),
            "only_errors": _figures(failed),
            "gone": {**asdict(gone.report), "exit_code": gone.exit_code, "took_s": gone.took_s},
        }
        rows.append((f"{tool.name} {version}", *_row(stalled, high, failed.run, gone)))
    return Part(figures, HEADINGS, rows, [])


def _row(stalled: Outcome, high: Outcome | None, failed: Run, gone: Run) -> tuple[str, ...]:
    said, true = stalled.run.report, stalled.truth
    counted = "yes" if failed.report.p50_ms == failed.report.p50_ms else "no"
    ended = "never ended" if gone.exit_code is None else f"exit {gone.exit_code}"
    return (
        _beside(said.p50_ms, true.p50_ms),
        _beside(said.p99_ms, true.p99_ms),
        _beside(said.max_ms, true.max_ms),
        _number(true.rate) if high else "no rate",
        _number(high.truth.rate) if high else "no rate",
        str(failed.exit_code),
        counted,
        f"{ended} after {gone.took_s:.0f} s",
    )


def _beside(said: float, true: float) -> str:
    return f"{_number(said)} ({_number(true)})"


def _number(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def _figures(outcome: Outcome) -> dict[str, Any]:
    run = outcome.run
    said = {**asdict(run.report), "exit_code": run.exit_code, "took_s": run.took_s}
    return {"said": said, "log": asdict(outcome.truth)}
