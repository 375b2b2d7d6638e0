"""Search for the highest rate, on servers whose capacity is known."""

from itertools import count
from typing import Any

import numpy as np

from benchmarks.load_lab.part import Part, Say, at_most, target
from harness.programmed_latency import Behaviour, Latency, line_rate
from harness.programmed_server import Running, programmed_server
from vitrine_client.loadtest.analysis import probes, search
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.plan import Closed, Plan
from vitrine_client.loadtest.results.result import Result
from vitrine_client.loadtest.run import run

SLO = Slo.parse("p99=50ms,errors=0.1%")
_PERCENT, _LIMIT_S = 99, 0.05
_WITHIN, _LONGEST_S = 0.05, 120


def measure(seeds: int, say: Say) -> Part:
    """Searches one server for each seed, with one line to wait in and 0.9 to 2 ms a request."""
    searches: list[dict[str, Any]] = []
    for seed in range(seeds):
        service_s = float(np.random.default_rng(seed).uniform(0.0009, 0.002))
        behaviour = Behaviour(Latency("constant", service_s), servers=1, seed=seed)
        say(f"server {seed + 1} of {seeds}, which takes {behaviour.capacity:,.0f} requests/s")
        with programmed_server(behaviour) as server:
            found, load_s = _searched(server, seed)
        right = line_rate(service_s, _PERCENT, _LIMIT_S)
        searches.append(
            {
                "capacity": behaviour.capacity,
                "right": right,
                "found": found.rate,
                "low": found.low,
                "high": found.high,
                "confirmed": f"{found.confirmed} of {found.confirmations}",
                "probes": len(found.probes),
                "load_s": load_s,
                "error": found.rate / right - 1,
                "warnings": found.warnings,
            }
        )
    rows = [
        (
            *(f"{each[name]:,.0f}" for name in ("capacity", "right", "found")),
            f"{each['low']:,.0f} to {each['high']:,.0f}",
            f"{100 * each['error']:+.1f} %",
            *(each["confirmed"], f"{each['probes']}", f"{each['load_s']:.0f}"),
        )
        for each in searches
    ]
    headings = ("capacity", str(SLO), "found", "interval", "off", "held", "probes", "load, s")
    furthest = max(abs(each["error"]) for each in searches)
    longest_s = max(each["load_s"] for each in searches)
    verdicts = [
        at_most("found rate, furthest from the right one", furthest, _WITHIN),
        at_most("load of the longest search, s", longest_s, _LONGEST_S),
    ]
    return Part({"slo": str(SLO), "searches": searches}, headings, rows, verdicts)


def _searched(server: Running, seed: int) -> tuple[probes.RateFound, float]:
    closed = Plan(target(server), Closed(16, 2.0), warm_up_s=0.5)
    first = run(closed)
    load_s = closed.load.duration_s
    numbers, longer = count(1000 * seed), count()

    def probe(rate: float, probe_s: float = probes.PROBE_S) -> Result:
        nonlocal load_s
        plan = probes.probing(closed, rate, next(numbers), probe_s=probe_s)
        load_s += plan.load.duration_s
        return run(plan)

    found = search.find_rate(
        probe,
        SLO,
        start_rate=first.throughput / 2,
        confirm=lambda rate: probe(rate, probes.long_s(next(longer))),
    )
    return found, load_s
