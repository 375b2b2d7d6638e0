"""The search for the highest rate, on a queue whose capacity is known by a formula."""

import itertools
from collections import Counter

import pytest

from tests.client.loadtest.made_results import TARGET, made
from tests.client.loadtest.simulated_queue import SimulatedQueue, StallingServer
from vitrine_client.loadtest.analysis import probes, search
from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.plan import Closed, Open, Phase, Plan

SLO = Slo.parse("p99=50ms")
SEEDS = range(8)


def find(queue: SimulatedQueue, start_rate: float = 200, **options) -> probes.RateFound:
    return search.find_rate(queue, SLO, start_rate=start_rate, **options)


def error(found: probes.RateFound, queue: SimulatedQueue) -> float:
    return abs(found.rate / queue.capacity(99, 0.05) - 1)


def test_it_finds_the_capacity_within_five_per_cent():
    """Of eight searches one may be further off, for lack of luck, and none by much."""
    errors = []
    for seed in SEEDS:
        queue = SimulatedQueue(0.001, seed)
        errors.append(error(find(queue), queue))
    assert sorted(errors)[-2] < 0.05
    assert max(errors) < 0.08


def test_unlucky_probes_do_not_throw_it_off():
    """Where every twentieth probe meets a pause, the capacity is found all the same."""
    errors = []
    for seed in SEEDS:
        queue = SimulatedQueue(0.001, seed, unlucky=0.05)
        errors.append(error(find(queue), queue))
    assert sorted(errors)[-2] < 0.05
    assert max(errors) < 0.08


@pytest.mark.parametrize("start_rate", [20, 5000])
def test_it_does_not_depend_on_where_it_begins(start_rate: float):
    """From far below and from far above it comes to the same, within the same number of probes."""
    queue = SimulatedQueue(0.001, 1)
    found = find(queue, start_rate)
    assert error(found, queue) < 0.05
    assert len(found.probes) == queue.calls <= search.MOST_PROBES


def test_what_is_found_is_confirmed():
    """The last probes are at the rate, most held, and it is inside its interval."""
    found = find(SimulatedQueue(0.001, 3))
    assert found.confirmations == search.CONFIRMATIONS
    assert found.confirmed > found.confirmations / 2
    assert found.confidence == found.confirmed / found.confirmations
    assert found.low <= found.rate <= found.high < 1.15 * found.low
    assert len(found.at_rate) == found.confirmations
    at_rate = [probe.held for probe in found.probes if probe.rate == found.rate]
    assert sum(at_rate) == found.confirmed
    assert len(at_rate) == found.confirmations


@pytest.mark.parametrize("unlucky", [0.0, 0.05])
def test_a_quick_look_does_with_few_probes(unlucky: float):
    """Without confirmation half of the probes do, from a start that is not far off."""
    errors = []
    for seed in SEEDS:
        queue = SimulatedQueue(0.001, seed, unlucky=unlucky)
        found = find(queue, 500, most_probes=14, confirmations=0)
        errors.append(error(found, queue))
        assert len(found.probes) == queue.calls <= 14
        assert (found.confirmed, found.confirmations, found.confidence) == (0, 0, 0)
    assert sorted(errors)[-2] < 0.08


def test_every_probe_is_seen_as_it_is_done():
    """Who watches sees all probes, in turn, and why they were no good."""
    seen: list[probes.Probe] = []
    found = find(SimulatedQueue(0.001, 3), watch=seen.append)
    assert tuple(seen) == found.probes
    assert all(probe.held is not bool(probe.violations) for probe in seen)
    assert any("p99 is" in text for probe in seen for text in probe.violations)


def test_a_server_that_never_meets_the_objective_has_no_rate():
    """Where a service takes longer than the objective, there is nothing to find."""
    found = find(SimulatedQueue(0.06, 1), start_rate=30)
    assert (found.rate, found.low, found.confirmed, found.confidence) == (0, 0, 0, 0)


def test_warnings_of_probes_are_told_once():
    """That the generator was too slow is said, and not twenty times."""
    queue = SimulatedQueue(0.001, 3)
    warned = made(seconds=3, warnings=("The generator was late",))
    found = search.find_rate(lambda rate: warned if rate < 300 else queue(rate), SLO)
    assert found.warnings == ("The generator was late",)


def test_a_probe_is_the_users_own_load_at_a_rate():
    """It differs from the plan in how long it takes, how fast it is, and when requests arrive."""
    closed = probes.probing(Plan(TARGET, Closed(4, 60), processes=2), 250, 1)
    assert closed.load == Open((Phase(probes.WARM_UP_S + probes.PROBE_S, 250, 250),), seed=1)
    assert (closed.processes, closed.warm_up_s) == (2, probes.WARM_UP_S)
    kept = probes.probing(Plan(TARGET, Open((), "constant", 8, seed=3)), 100, 5).load
    assert (kept.arrivals, kept.connections, kept.seed) == ("constant", 8, 8)


STALLED = Slo.parse("p99=100ms")


@pytest.mark.parametrize(
    "seed", [*SEEDS[:3], *(pytest.param(seed, marks=pytest.mark.wide) for seed in SEEDS[3:])]
)
def test_what_recurs_is_seen(seed: int):
    """A second of standing still in ten is in half of the probes and makes a p99 of 0.9 s at every
    rate: none is found, however many probes held, and it says why."""
    server = StallingServer(seed)

    def probe(rate: float):
        return server(min(rate, 2000))  # as a server that takes no more

    found = search.find_rate(probe, STALLED, start_rate=175, confirm=server.longer)
    assert any(probe.held for probe in found.probes)
    assert (found.rate, found.complete) == (0, True)
    assert "p99 is" in found.why
    assert "not 100ms" in found.why
    assert server.took_s < 240


def test_where_the_rate_decides_a_lower_one_is_found():
    """A server that stands still a second in ten, but only at 50 requests/s and more."""
    server, quick = StallingServer(1), SimulatedQueue(0.001, 1)

    def longer(rate: float):
        return server.longer(rate) if rate >= 50 else quick.longer(rate)

    def probe(rate: float):
        return server(min(rate, 2000)) if rate >= 50 else quick(rate)

    found = search.find_rate(probe, STALLED, start_rate=175, confirm=longer)
    assert 20 < found.rate < 50 <= found.high * 1.01
    assert found.confirmed > found.confirmations / 2


@pytest.mark.parametrize(("start_rate", "probed"), [(8, 2), (2000, 8)])
def test_the_least_latency_tells_that_nothing_can_meet_it(start_rate: float, probed: int):
    """Two probes do: at a rate that is answered, and at one where nobody waits."""
    found = find(SimulatedQueue(0.06, 1), start_rate)
    assert found.rate == 0
    assert "the fastest of" in found.why
    assert "took 60" in found.why
    assert len(found.probes) <= probed


def test_errors_at_every_rate_are_soon_known():
    """A server with 5 % of errors is not asked at each half of a rate."""
    errors = {second: Counter({"HTTP 500": 10}) for second in range(4)}
    failing = lambda rate: made(seconds=4, rate=max(rate, 200), errors=errors)  # noqa: E731
    found = search.find_rate(failing, Slo.parse("p99=1s,errors=1%"), start_rate=400)
    assert found.rate == 0
    assert "had no right answer" in found.why
    assert len(found.probes) <= 10


def test_a_rate_where_most_probes_fail_is_not_found():
    """Whatever their sum says."""
    slow, fast = (made(seconds=2, median_ms=median_ms, rate=900) for median_ms in (30, 4))
    quick = made(seconds=40, median_ms=1, rate=2000)
    confirm = itertools.cycle([quick, slow, slow, slow])
    found = search.find_rate(
        lambda rate: fast if rate < 300 else slow,
        Slo.parse("p95=20ms"),
        confirm=lambda _: next(confirm),
    )
    assert found.rate == 0
