"""The circuit breaker and the retry budget, at times of our choosing."""

import pytest

from vitrine_serving.gateway.upstream.breaker import Breaker
from vitrine_serving.gateway.upstream.retries import RetryBudget, pause_s

FAILS, ANSWERS, TELLS_NOTHING = False, True, None
OPEN_S = 2.0


def called(breaker: Breaker, now_s: float, *outcomes: bool | None) -> Breaker:
    """Lets calls through, one after the other."""
    for ok in outcomes:
        assert breaker.wait_s(now_s) == 0
        breaker.leave(now_s, decides=breaker.enter(), ok=ok)
    return breaker


def opened(at_s: float = 0.0) -> Breaker:
    return called(Breaker(3, OPEN_S), at_s, FAILS, FAILS, FAILS)


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([], "closed"),
        ([FAILS, FAILS], "closed"),
        ([FAILS, FAILS, FAILS], "open"),
        ([FAILS, FAILS, ANSWERS, FAILS, FAILS], "closed"),
        ([FAILS, FAILS, ANSWERS, FAILS, FAILS, FAILS], "open"),
        ([FAILS, FAILS, TELLS_NOTHING, FAILS], "open"),
        ([TELLS_NOTHING] * 9, "closed"),
    ],
)
def test_it_opens_after_failures_in_a_row(outcomes, state):
    """Only an answer interrupts a row; what tells nothing neither counts nor interrupts."""
    assert called(Breaker(3, OPEN_S), 0.0, *outcomes).state(0.0) == state


@pytest.mark.parametrize(
    ("now_s", "state", "wait_s"),
    [(5.0, "open", 2.0), (6.5, "open", 0.5), (7.0, "half-open", 0.0), (99.0, "half-open", 0.0)],
)
def test_it_is_open_for_its_time(now_s, state, wait_s):
    """Nobody may call until the time is over, and it says how long that is."""
    breaker = opened(at_s=5.0)
    assert (breaker.state(now_s), breaker.wait_s(now_s)) == (state, wait_s)


@pytest.mark.parametrize(
    ("ok", "state", "wait_s"),
    [(ANSWERS, "closed", 0.0), (FAILS, "open", OPEN_S), (TELLS_NOTHING, "half-open", 0.0)],
)
def test_one_call_decides(ok, state, wait_s):
    """Half-open, one call goes at a time; its outcome closes, opens, or leaves it to the next."""
    breaker = opened()
    decides = breaker.enter()
    assert decides
    assert breaker.wait_s(2.5) > 0
    breaker.leave(3.0, decides=decides, ok=ok)
    assert (breaker.state(3.0), breaker.wait_s(3.0)) == (state, wait_s)


def test_old_calls_do_not_decide():
    """What was out when it opened neither prolongs that nor lets a second call through."""
    breaker = Breaker(1, OPEN_S)
    old = [breaker.enter() for _ in range(3)]
    breaker.leave(0.0, decides=old[0], ok=FAILS)
    breaker.leave(1.5, decides=old[1], ok=FAILS)
    assert breaker.wait_s(1.5) == 0.5
    assert breaker.enter()
    breaker.leave(2.5, decides=old[2], ok=TELLS_NOTHING)
    assert breaker.wait_s(2.5) > 0


def test_an_old_answer_closes_it():
    """An answer is an answer, whenever its call went out."""
    breaker = Breaker(1, OPEN_S)
    old = breaker.enter()
    called(breaker, 0.0, FAILS)
    breaker.leave(1.0, decides=old, ok=ANSWERS)
    assert breaker.state(1.0) == "closed"


def test_it_can_be_closed_early():
    """Whoever knows that the reason is gone need not wait, also while a call is out that decides;
    failures in a row open it as before."""
    breaker = opened()
    assert breaker.enter()
    assert breaker.wait_s(0.5) > 0
    breaker.close()
    assert breaker.state(0.5) == "closed"
    assert breaker.wait_s(0.5) == 0
    for _ in range(2):
        breaker.leave(0.5, decides=breaker.enter(), ok=False)
        assert breaker.state(0.5) == "closed"
    breaker.leave(0.5, decides=breaker.enter(), ok=False)
    assert breaker.state(0.5) == "open"


@pytest.mark.parametrize(
    ("ratio", "calls", "retries"),
    [(0.0, 500, 0), (0.1, 1, 100), (0.1, 500, 100), (1.0, 500, 100)],
)
def test_a_full_budget_has_its_reserve(ratio, calls, retries):
    """At first, and however many calls went well, the reserve is all that there is."""
    budget = RetryBudget(ratio)
    for _ in range(calls):
        budget.deposit()
    assert sum(budget.withdraw() for _ in range(1000)) == retries


@pytest.mark.parametrize(("ratio", "share"), [(0.25, 0.25), (0.5, 0.5), (2.0, 1.0)])
def test_an_empty_budget_grants_a_share(ratio, share):
    """Without the reserve, retries are that share of calls (here: of those that all fail once)."""
    budget = RetryBudget(ratio)
    while budget.withdraw():
        pass
    granted = 0
    for _ in range(1000):
        budget.deposit()
        granted += budget.withdraw()
    assert granted == 1000 * share


@pytest.mark.parametrize(
    ("attempts", "longest_s"), [(1, 0.05), (2, 0.1), (3, 0.2), (4, 0.4), (5, 0.5), (50, 0.5)]
)
def test_pauses_are_spread(attempts, longest_s):
    """A pause is any time up to the longest, so that those who failed together come back apart."""
    pauses = [pause_s(attempts) for _ in range(1000)]
    assert 0 <= min(pauses) < 0.1 * longest_s
    assert 0.9 * longest_s < max(pauses) <= longest_s
