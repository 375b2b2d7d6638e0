"""Verdict on pairs of runs: of the same server, and of one that is 10 % slower."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

from benchmarks.gateway.figures import Verdict
from benchmarks.load_lab.part import Part, Say, at_least, target
from harness.programmed_latency import Behaviour, Latency
from harness.programmed_server import Running, programmed_server
from vitrine_client.loadtest.analysis.compare import MARGIN, Comparison, compare
from vitrine_client.loadtest.plan import Closed, Plan
from vitrine_client.loadtest.results.result import Result
from vitrine_client.loadtest.run import run

_SERVER = Behaviour(Latency("lognormal", 0.02))
_SLOWER = 1.1
_IN_FLIGHT, _DURATION_S, _WARM_UP_S = 16, 10, 1


def measure(pairs: int, say: Say) -> Part:
    """Loads both servers in turn, `pairs` times; each run is compared with the next of the same
    server, and with that of the slower one."""
    before, slower = [], []
    with (
        programmed_server(_SERVER) as server,
        programmed_server(replace(_SERVER, slow_down=_SLOWER, seed=1)) as slow,
    ):
        for number in range(pairs):
            say(f"pair {number + 1} of {pairs}")
            before.append(_run(server))
            slower.append(_run(slow))
        before.append(_run(server))
    same = [compare(*both) for both in pairwise(before)]
    worse = [compare(*both) for both in zip(before, slower, strict=False)]
    verdicts = [
        _judged("pairs of the same server that are the same", same, "the same"),
        _judged("pairs with a 10 % slower server that are worse", worse, "worse"),
    ]
    figures = {
        "duration_s": _DURATION_S,
        "margin": MARGIN,
        "same": [_told(each) for each in same],
        "slower": [_told(each) for each in worse],
    }
    rows = [
        (title, *_counted(each))
        for title, each in (("the same server", same), ("10 % slower", worse))
    ]
    return Part(figures, ("second run", "better", "the same", "worse"), rows, verdicts)


def _run(server: Running) -> Result:
    load = Closed(_IN_FLIGHT, _WARM_UP_S + _DURATION_S)
    return run(Plan(target(server), load, warm_up_s=_WARM_UP_S))


def _judged(aim: str, comparisons: list[Comparison], verdict: str) -> Verdict:
    right = sum(each.verdict == verdict for each in comparisons)
    return at_least(f"{aim}, of {len(comparisons)}", right, 0.95 * len(comparisons))


def _counted(comparisons: list[Comparison]) -> tuple[str, ...]:
    verdicts = Counter(each.verdict for each in comparisons)
    return tuple(str(verdicts[name]) for name in ("better", "the same", "worse"))


def _told(comparison: Comparison) -> dict[str, object]:
    rows = {row.measure: [row.change, row.low, row.high] for row in comparison.rows}
    return {"verdict": comparison.verdict, **rows}
