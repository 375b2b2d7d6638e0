"""The search for the highest rate, on a queue whose capacity is known by a formula."""

import pytest

from tests.client.loadtest.made_results import TARGET, made
from tests.client.loadtest.simulated_queue import SimulatedQueue
from vitrine_client.loadtest import search
from vitrine_client.loadtest.plan import Closed, Open, Phase, Plan
from vitrine_client.loadtest.slo import Slo

SLO = Slo.parse("p99=50ms")
SEEDS = range(8)


def find(queue: SimulatedQueue, start_rate: float = 200, **options) -> search.Found:
    return search.find_rate(queue, SLO, start_rate=start_rate, **options)


def error(found: search.Found, queue: SimulatedQueue) -> float:
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
    seen: list[search.Probe] = []
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
    closed = search.probing(Plan(TARGET, Closed(4, 60), processes=2), 250, 1)
    assert closed.load == Open((Phase(search.WARM_UP_S + search.PROBE_S, 250, 250),), seed=1)
    assert (closed.processes, closed.warm_up_s) == (2, search.WARM_UP_S)
    kept = search.probing(Plan(TARGET, Open((), "constant", 8, seed=3)), 100, 5).load
    assert (kept.arrivals, kept.connections, kept.seed) == ("constant", 8, 8)
