"""The rate limiter: GCRA by table, and one table for all processes."""

import multiprocessing
import time

import pytest

from tests.serving.clock import Clock
from vitrine_serving.gateway.access.rate_limit import RateLimiter

# Rate and burst, then requests: at which second, and whether it passes, what remains, when the
# whole burst is there again, when one may be tried.
TABLE = {
    "a burst, then the rate": (
        (10, 3),
        [
            (0, True, 2, 0.1, 0),
            (0, True, 1, 0.2, 0),
            (0, True, 0, 0.3, 0),
            (0, False, 0, 0.3, 0.1),
            (0.05, False, 0, 0.25, 0.05),
            (0.1, True, 0, 0.3, 0),
            (0.1, False, 0, 0.3, 0.1),
            (0.3, True, 1, 0.2, 0),
        ],
    ),
    "no burst given: a second's worth": (
        (2, 0),
        [(0, True, 1, 0.5, 0), (0, True, 0, 1, 0), (0, False, 0, 1, 0.5), (5, True, 1, 0.5, 0)],
    ),
    "less than one a second": (
        (0.1, 0),
        [(0, True, 0, 10, 0), (9, False, 0, 1, 1), (10, True, 0, 10, 0)],
    ),
    "idle time saves up no more than the burst": (
        (1, 2),
        [(0, True, 1, 1, 0), (99, True, 1, 1, 0), (99, True, 0, 2, 0), (99, False, 0, 2, 1)],
    ),
    "refusals cost nothing": (
        (1, 1),
        [(0, True, 0, 1, 0), *[(0.5, False, 0, 0.5, 0.5)] * 50, (1, True, 0, 1, 0)],
    ),
}


@pytest.mark.parametrize(("limits", "requests"), TABLE.values(), ids=TABLE)
def test_requests_by_table(limits, requests):
    """Which requests pass, and what the client is told, request by request."""
    clock = Clock()
    limiter = RateLimiter(*limits, now=clock)
    for at, allowed, remaining, reset_s, retry_after_s in requests:
        clock.s = 1000 + at
        decision = limiter.take("somebody")
        assert (decision.allowed, decision.remaining) == (allowed, remaining), at
        assert decision.reset_s == pytest.approx(reset_s)
        assert decision.retry_after_s == pytest.approx(retry_after_s)


@pytest.mark.parametrize("rate", [0.3, 3, 7, 1000 / 3, 5000])
@pytest.mark.parametrize("started", [0.0, 123456.789, 3e7])
def test_rounding_costs_no_request(rate, started):
    """Whoever keeps to the rate is not refused, after a year's uptime either; bursts pass whole."""
    clock = Clock(started)
    limiter = RateLimiter(rate, 10, now=clock)
    assert [limiter.take("x").allowed for _ in range(11)] == [True] * 10 + [False]
    for n in range(1, 500):
        clock.s = started + n / rate
        assert limiter.take("x").allowed, n
    assert not limiter.take("x").allowed


def test_identities_do_not_share():
    """One client's flood leaves the others their whole limit."""
    # So many slots that two of these hardly ever share one: where, nobody can choose.
    limiter = RateLimiter(1, 5, slots=2**22, now=Clock())
    for _ in range(50):
        limiter.take("flood")
    assert [limiter.take(f"client {n}").remaining for n in range(10)] == [4] * 10


def test_a_shared_slot_is_stricter_only():
    """Where two have to share a slot, they get together what one would get."""
    limiter = RateLimiter(1, 5, slots=1, now=Clock())
    passed = sum(limiter.take(f"client {n % 2}").allowed for n in range(50))
    assert passed == 5


def _flood(limiter, barrier, seconds, passed):
    barrier.wait()
    began = now = last = time.monotonic()
    count = 0
    while now < began + seconds:
        last = now
        count += limiter.take("one for all").allowed
        now = time.monotonic()
    passed.put((count, began, last))


def test_processes_count_together():
    """Four forked processes that do nothing but ask get through what one would, not four times."""
    fork = multiprocessing.get_context("fork")
    # A burst of seconds: a machine that stalls for less than that loses none of the rate.
    rate, burst, seconds, processes = 200, 2000, 1.0, 4
    limiter = RateLimiter(rate, burst)
    barrier, passed = fork.Barrier(processes), fork.Queue()
    children = [
        fork.Process(target=_flood, args=(limiter, barrier, seconds, passed))
        for _ in range(processes)
    ]
    started = time.monotonic()
    for child in children:
        child.start()
    counts, began, last = zip(*(passed.get(timeout=60) for _ in children), strict=True)
    elapsed, lasted = time.monotonic() - started, max(last) - min(began)
    for child in children:
        child.join(30)
    # Of two that write a slot in the same microsecond one is forgotten, at hundreds of thousands a
    # second now and then; each for itself would let through four times as many.
    assert burst + rate * lasted * 0.9 <= sum(counts) <= (burst + rate * elapsed) * 2
    assert limiter.take("one for all").remaining < burst - 1  # the parent sees what they did
