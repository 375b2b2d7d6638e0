"""Results of load tests that never ran: latencies from a seed, for what shows results."""

from collections import Counter

import numpy as np

from vitrine_client.loadtest.analysis.compare import Comparison, Row
from vitrine_client.loadtest.analysis.probes import Found, Probe
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.analysis.sweep import Curve, Point
from vitrine_client.loadtest.plan import Closed, Open, Phase, Plan, Target
from vitrine_client.loadtest.results.histogram import Histogram
from vitrine_client.loadtest.results.outcome import Outcome
from vitrine_client.loadtest.results.parts import Generator, Interval
from vitrine_client.loadtest.results.result import Result

TARGET = Target("raw", "http://127.0.0.1:8080", "mlp", (b"a", b"b"))


def plan_of(load: Open | Closed) -> Plan:
    return Plan(TARGET, load)


def made(
    *,
    seconds: int = 20,
    rate: float = 200,
    median_ms: float = 4.0,
    stalls: tuple[int, ...] = (),
    errors: dict[int, Counter[str]] | None = None,
    loop: str = "open",
    seed: int = 0,
    **members,
) -> Result:
    """An open loop by default: `rate` a second, log-normal service times; `errors` are by second.

    In the second of a stall a tenth of the requests wait up to half a second, which their service
    times do not show."""
    random = np.random.default_rng(seed)
    intervals = []
    for second in range(seconds):
        failed = (errors or {}).get(second, Counter())
        due = max(int(random.poisson(rate)), failed.total())
        answered = due - failed.total()
        service = random.lognormal(np.log(median_ms / 1e3), 0.35, answered)
        waited = np.zeros(answered)
        if second in stalls:
            waited[: answered // 10] = np.linspace(0.5, 0, answered // 10)
        latency = Histogram.of(service + waited)
        intervals.append(
            Interval(
                start_s=float(second),
                duration_s=1.0,
                due=due,
                latency=latency,
                service=latency if loop == "closed" else Histogram.of(service),
                completed=answered,
                errors=failed,
                late=int((waited > 0.001).sum()),
            )
        )
    open_loop = Open((Phase(seconds + 1, rate, rate),))
    plan = plan_of(open_loop if loop == "open" else Closed(8, seconds + 1))
    return Result(
        about={"plan": plan.described(), "started_at": "2026-11-24T08:06:07+00:00"},
        intervals=tuple(intervals),
        generator=Generator(4.2, 0.31, 0.42 if loop == "open" else None),
        **members,
    )


def searched(rates: tuple[float, ...] = (100, 200, 400, 300, 250)) -> Outcome:
    """A search that found 250/s; above that, latency is a second."""
    slo = Slo.parse("p50=10ms,p99=20ms,errors=0.1%")
    probes = []
    for rate in rates:
        result = made(seconds=2, rate=rate, median_ms=4 if rate <= 250 else 1000)
        probes.append(Probe(rate, result, tuple(slo.violations(result))))
    found = Found(250.0, 245.0, 260.0, 3, 4, tuple(probes))
    return Outcome(probes[-1].result, tuple(one.result for one in probes), slo, found)


def swept() -> Outcome:
    """A sweep of three rates, of which nothing was answered at the last."""
    results = [made(seconds=2, rate=rate, median_ms=rate / 50) for rate in (100, 1200)]
    errors = {second: Counter(timeout=999) for second in (0, 1)}
    results.append(made(seconds=2, rate=500, errors=errors))
    rates = (100.0, 1200.0, 1300.0)
    curve = Curve(tuple(map(Point.of, rates, results)))
    return Outcome(results[1], tuple(results), curve=curve)


def compared() -> Outcome:
    """A comparison in which the p50 got worse, and nobody can say anything of the p99."""
    before, after = made(seconds=9, seed=1), made(seconds=9, seed=2, median_ms=5)
    rows = (
        Row("p50", 4.01, 5.02, 0.25, 0.2, 0.3, "worse", "worse: 25 % higher"),
        Row("p99", 9.0, 11.5, None, None, None, None, "too little data"),
        Row("throughput", 1234.0, 987.0, -0.2, -0.3, -0.1, "worse", "worse: 20 % lower"),
        Row("errors", 0.0, 0.0, 0.0, 0.0, 0.0, "the same", "the same"),
    )
    warnings = ("p99: too little data", "after: it was busy", "not the same test: seats")
    comparison = Comparison("worse", rows, warnings, 0.05)
    return Outcome(after, (after,), before=before, comparison=comparison)
