"""How the numbers of several processes become one sum, and stay when processes end."""

import multiprocessing
import threading

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from tests.monitoring.scraped import Scraped
from vitrine_serving.gateway.telemetry.metrics.families import (
    BREAKER,
    EJECTIONS,
    IN_FLIGHT,
    REQUESTS,
    STAGE_SECONDS,
)
from vitrine_serving.gateway.telemetry.metrics.ledger import Ledger
from vitrine_serving.gateway.telemetry.metrics.shared_series import SharedSeries

REQUEST = ("predict", "mlp", "200")
STAGE = ("mlp", "3", "rpc")


@pytest.fixture
def shared() -> SharedSeries:
    """The series of a gateway of its own."""
    return SharedSeries()


def read(shared: SharedSeries) -> Scraped:
    registry = CollectorRegistry()
    registry.register(shared)
    return Scraped(generate_latest(registry).decode())


def test_processes_count_together(shared):
    """Counters and histograms are summed over processes, a bound belongs to its own bucket."""
    for slot, seconds in ((0, 0.001), (1, 0.0011)):
        ledger = Ledger(shared, slot)
        ledger.single(REQUESTS, *REQUEST).value += 2
        ledger.histogram(STAGE_SECONDS, *STAGE).observe(seconds)
        ledger.flush()
    found = read(shared)
    assert found.total("vitrine_requests_total", endpoint="predict", status="200") == 4
    assert found.total("vitrine_stage_seconds_bucket", le="0.001") == 1
    assert found.total("vitrine_stage_seconds_bucket", le="0.002") == 2
    assert found.total("vitrine_stage_seconds_bucket", le="+Inf") == 2
    assert found.total("vitrine_stage_seconds_count") == 2
    assert found.total("vitrine_stage_seconds_sum") == pytest.approx(0.0021)


def test_gauges_become_their_sum_or_their_worst(shared):
    """Calls in flight add up, and of breakers the worst counts."""
    for slot, breaker in ((0, 2), (1, 0)):
        ledger = Ledger(shared, slot)
        ledger.single(IN_FLIGHT, "a:1").value = 3
        ledger.single(BREAKER, "a:1").value = breaker
        ledger.flush()
    found = read(shared)
    assert found.total("vitrine_model_server_calls_in_flight") == 6
    assert found.total("vitrine_breaker_state") == 2


def test_gauges_that_are_followed_no_more_are_dropped(shared):
    """In each process once it is flushed; they come back if they are read again, and counters stay,
    which would begin at 0 again."""
    found = {("a:1",): 2.0, ("b:1",): 0.0}
    ledgers = [Ledger(shared, slot) for slot in range(2)]
    for each in ledgers:
        each.follow(BREAKER, lambda: found)
        each.follow(EJECTIONS, lambda: dict.fromkeys(found, 1.0))
        each.flush()
    assert len(read(shared).labels("vitrine_breaker_state")) == 2
    gone = found.pop(("a:1",))
    ledgers[0].flush()
    assert read(shared).total("vitrine_breaker_state") == 2  # the other has still to tell
    ledgers[1].flush()
    assert read(shared).labels("vitrine_breaker_state") == [{"address": "b:1"}]
    assert read(shared).total("vitrine_ejections_total", reason="a:1") == 2
    found["a:1",] = gone
    ledgers[0].flush()
    assert read(shared).total("vitrine_breaker_state", address="a:1") == 2


def test_who_comes_next_goes_on_counting(shared):
    """A process that ends leaves its counts to the next with its slot, and no gauge; counts stay
    that the next one adds nothing to."""
    first = Ledger(shared, 0)
    first.single(REQUESTS, "docs", "", "200").value += 7
    first.flush()
    for generation in range(1, 6):
        ledger = Ledger(shared, 0)
        ledger.single(REQUESTS, *REQUEST).value += 1
        ledger.histogram(STAGE_SECONDS, *STAGE).observe(0.5)
        ledger.single(IN_FLIGHT, "a:1").value = 1
        ledger.flush()
        assert read(shared).total("vitrine_model_server_calls_in_flight") == 1
        shared.forget_gauges(0)
        found = read(shared)
        assert found.total("vitrine_requests_total", endpoint="predict") == generation
        assert found.total("vitrine_requests_total", endpoint="docs") == 7
        assert found.total("vitrine_stage_seconds_count") == generation
        assert found.total("vitrine_stage_seconds_sum") == generation / 2
        assert found.labels("vitrine_model_server_calls_in_flight") == []


def test_forks_count_into_what_their_parent_made(shared):
    """Each into its slot; whoever has the memory tells the sum."""

    def work(slot: int) -> None:
        ledger = Ledger(shared, slot)
        ledger.single(REQUESTS, *REQUEST).value += 1 + slot
        ledger.flush()

    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=work, args=(slot,)) for slot in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(30)
    assert read(shared).total("vitrine_requests_total") == 1 + 2 + 3


def test_nothing_is_lost_where_threads_flush(shared):
    """Scrapes flush in threads of their own while the event loop counts."""
    ledger = Ledger(shared, 0)
    done = threading.Event()

    def flush() -> None:
        while not done.is_set():
            ledger.flush()

    threads = [threading.Thread(target=flush) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(300):
        series = ledger.single(REQUESTS, "predict", f"model {number}", "200")
        series.value += 1
        series.value += 1
    done.set()
    for thread in threads:
        thread.join()
    ledger.flush()
    assert read(shared).total("vitrine_requests_total") == 600
