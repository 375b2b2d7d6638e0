"""Percentiles of an open and a closed loop, beside those that the server was programmed to have."""

from dataclasses import asdict
from typing import Any

from benchmarks.load_lab.part import Part, Say, at_most, target
from harness.programmed_latency import Behaviour, Latency, closed_loop_s, open_loop_s
from harness.programmed_server import programmed_server
from vitrine_client.loadtest.plan import Closed, Load, Open, Phase, Plan, Workload
from vitrine_client.loadtest.results.result import Result
from vitrine_client.loadtest.run import run

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
SERVERS = {
    "exponential": Behaviour(Latency("exponential", 0.02)),
    "lognormal": Behaviour(Latency("lognormal", 0.02)),
    "bimodal": Behaviour(Latency("bimodal", 0.02)),
    "stalls": Behaviour(Latency("constant", 0.015), period_s=2, stall_s=0.1),
}
TITLES = {"stalls": "15 ms, stalls for 100 ms every 2 s"}
_RATE, _IN_FLIGHT, _WARM_UP_S = 1000, 16, 2
_OPEN_S, _CLOSED_S = 30, 10
_WITHIN = 0.05


def measure(say: Say) -> Part:
    """Loads each server by both loops."""
    figures: dict[str, dict[str, Any]] = {}
    rows, worst = [], {}
    for name, behaviour in SERVERS.items():
        title = TITLES.get(name, f"{name}, mean 20 ms")
        with programmed_server(behaviour) as server:
            say(f"{title}: open loop")
            opened = _run(target(server), Open((Phase(_OPEN_S + _WARM_UP_S, _RATE, _RATE),)))
            say(f"{title}: closed loop")
            closed = _run(target(server), Closed(_IN_FLIGHT, _CLOSED_S + _WARM_UP_S))
        expected_ms = _ms(open_loop_s(behaviour, PERCENTILES))
        closed_ms = _ms(closed_loop_s(behaviour, PERCENTILES))
        found_ms = [opened.latency.percentile_ms(percent) for percent in PERCENTILES]
        blind_ms = [closed.latency.percentile_ms(percent) for percent in PERCENTILES]
        worst[title] = max(_off(found_ms, expected_ms))
        figures[name] = {
            "behaviour": asdict(behaviour),
            "percentiles": PERCENTILES,
            "open": {"expected_ms": expected_ms, "found_ms": found_ms, **_about(opened)},
            "closed": {"expected_ms": closed_ms, "found_ms": blind_ms, **_about(closed)},
        }
        rows += [
            (title, *_row("open, by formula", expected_ms)),
            ("", *_row("open, measured", found_ms)),
            ("", *_row("closed, by formula", closed_ms)),
            ("", *_row("closed, measured", blind_ms)),
        ]
    verdicts = [
        at_most(f"open loop, {title}: furthest percentile from its formula", value, _WITHIN)
        for title, value in worst.items()
    ]
    headings = ("", "ms", *(f"p{percent:g}" for percent in PERCENTILES))
    return Part(figures, headings, rows, verdicts)


def _run(whom: Workload, load: Load) -> Result:
    return run(Plan(whom, load, warm_up_s=_WARM_UP_S))


def _ms(values_s: list[float]) -> list[float]:
    return [1e3 * value for value in values_s]


def _off(found: list[float], expected: list[float]) -> list[float]:
    return [abs(one / other - 1) for one, other in zip(found, expected, strict=True)]


def _about(result: Result) -> dict[str, Any]:
    return {
        "answered": result.answered,
        "errors": dict(result.errors),
        "lag_p99_ms": result.generator.lag_p99_ms,
        "warnings": result.warnings,
    }


def _row(name: str, values_ms: list[float]) -> tuple[str, ...]:
    return name, *(f"{value:.1f}" for value in values_ms)
