"""Closed loop and wrk on the same gateway, in turn."""

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.gateway import wrk
from benchmarks.gateway.bodies import PICTURES, png
from benchmarks.gateway.figures import Verdict
from benchmarks.gateway.vitrine import vitrines
from benchmarks.load_lab.part import Part, Say
from vitrine_client.loadtest.plan import Closed, Plan, Workload
from vitrine_client.loadtest.run import run

_ROUNDS, _IN_FLIGHT, _DURATION_S, _WARM_UP_S = 5, 16, 5, 1
_WITHIN = 0.1


def measure(version: Path, say: Say) -> Part:
    """Loads a gateway before an embedded model server with 16 requests in flight."""
    (gateway, *_) = vitrines(None)
    rounds = []
    with TemporaryDirectory() as name:
        folder = Path(name)
        say("starting a gateway")
        with gateway.start(folder, version, folder) as running:
            script = wrk.script(png(PICTURES[0]), folder, "picture")
            base = running.url.partition("/v1/")[0]
            target = Workload("raw", base, "mlp", (PICTURES[0],))
            plan = Plan(target, Closed(_IN_FLIGHT, _WARM_UP_S + _DURATION_S), _WARM_UP_S)
            for number in range(1, _ROUNDS + 1):
                say(f"round {number} of {_ROUNDS}: wrk")
                wrk.run(running.url, script, in_flight=_IN_FLIGHT, duration_s=_WARM_UP_S)
                other = wrk.run(running.url, script, in_flight=_IN_FLIGHT, duration_s=_DURATION_S)
                say(f"round {number} of {_ROUNDS}: the load lab")
                ours = run(plan)
                rounds.append(
                    {
                        "wrk_rate": other.rate,
                        "rate": ours.throughput,
                        "errors": ours.errors.total() + other.errors,
                    }
                )
    ratio = statistics.median(each["rate"] / each["wrk_rate"] for each in rounds)
    aim = "closed loop, 16 in flight on a gateway, of wrk's requests/s: 0.9 to 1.1"
    verdicts = [Verdict(aim, ratio, abs(ratio - 1) <= _WITHIN)]
    rows = [_row("wrk", "wrk_rate", rounds), _row("the load lab", "rate", rounds)]
    headings = ("median of the rounds", "requests/s")
    return Part({"rounds": rounds, "ratio": ratio}, headings, rows, verdicts)


def _row(title: str, figure: str, rounds: Sequence[Mapping[str, float]]) -> tuple[str, ...]:
    return title, f"{statistics.median(each[figure] for each in rounds):,.2f}"
