"""When a result is not to be believed, it says so."""

import dataclasses

import pytest

from tests.client.loadtest.made_results import made, plan_of
from vitrine_client.loadtest.doubts import Processors, doubts
from vitrine_client.loadtest.plan import Closed, Open, Phase, Plan
from vitrine_client.loadtest.result import Generator, Result

PLAN = plan_of(Open((Phase(21, 200, 200),)))


def of(
    result: Result, *, plan: Plan = PLAN, busy: float | None = 0.5, **generator: float | None
) -> list[str]:
    """The doubts about a result, with another generator."""
    members = {"cpu_s": 1.0, "busiest": 0.2, "lag_p99_ms": 0.1} | generator
    return list(doubts(plan, dataclasses.replace(result, generator=Generator(**members)), busy))


RESULT = made(seconds=20, median_ms=4)


def test_a_good_run_leaves_no_doubt():
    """An idle generator that was in time, on a machine with room."""
    assert of(RESULT) == []
    assert of(RESULT, busy=None) == []
    assert of(RESULT, plan=plan_of(Closed(8, 21)), lag_p99_ms=None) == []


@pytest.mark.parametrize(
    ("words", "members"),
    [
        ("--processes 2", {"busiest": 0.81}),
        ("generator was late: 1 % of requests were sent 1.1 ms", {"lag_p99_ms": 1.1}),
        ("processors were all busy", {"busy": 0.97}),
        ("2.0 s early", {"plan": plan_of(Open((Phase(23, 200, 200),)))}),
    ],
)
def test_what_casts_doubt(words, members):
    """Each by itself, and it says what to do or what it means."""
    (doubt,) = of(RESULT, **members)
    assert words in doubt


def test_a_lag_that_is_small_beside_the_latency_is_none():
    """2 ms of 100 are no matter; of 4 they are."""
    assert of(made(seconds=20, median_ms=100), lag_p99_ms=2.0) == []
    assert of(RESULT, lag_p99_ms=2.0)


def test_what_was_never_sent_is_told():
    """How many of how many, and why."""
    first, *others = RESULT.intervals
    dropped = dataclasses.replace(
        RESULT, intervals=(dataclasses.replace(first, dropped=7), *others)
    )
    (doubt,) = of(dropped)
    assert f"7 of {RESULT.due:,} requests" in doubt
    assert "all 256 connections" in doubt


def test_processors_are_watched_where_that_can_be():
    """Between idle and busy; unknown within the same moment."""
    processors = Processors()
    sum(range(1_000_000))
    busy = processors.busy()
    assert busy is None or 0 <= busy <= 1
