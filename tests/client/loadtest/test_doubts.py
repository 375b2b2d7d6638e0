"""When a result is not to be believed, it says so."""

import dataclasses
from collections import Counter

import pytest

from tests.client.loadtest.made_results import made, plan_of
from vitrine_client.loadtest.analysis.doubts import Processors, doubts
from vitrine_client.loadtest.plan import Closed, Open, Phase, Plan
from vitrine_client.loadtest.results.histogram import LatencyHistogram
from vitrine_client.loadtest.results.result import Connecting, Generator, Interval, Result

PLAN = plan_of(Open((Phase(21, 200, 200),)))


def of(
    result: Result, *, plan: Plan = PLAN, busy: float | None = 0.5, **generator: float | None
) -> list[str]:
    """The doubts about a result, with another generator."""
    members = {"cpu_s": 1.0, "busiest": 0.2, "lag_p99_ms": 0.1} | generator
    return list(doubts(plan, dataclasses.replace(result, generator=Generator(**members)), busy))


EMPTY = LatencyHistogram.of([])
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


def test_a_lag_is_held_against_the_latency_that_it_is_in():
    """1 ms for one request in a hundred is nothing where the p99 is 900 ms; half of them late by
    0.5 ms are where the median is 4."""
    stalled = made(seconds=20, median_ms=5, stalls=tuple(range(20)))
    assert stalled.latency.percentile_ms(99) > 300
    assert of(stalled, lag_p99_ms=1.2) == []
    (doubt,) = of(RESULT, lag_p50_ms=0.5)
    assert "half of requests were sent 0.5 ms" in doubt


NOTHING = Result({}, (Interval(0.0, 1.0, 0, EMPTY, EMPTY, 0),), Generator(0.1, None, None))


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Open((Phase(2, 0.2, 0.2),)), "due about every 5 s, and 1 s were measured"),
        (Closed(8, 1.001), "Nothing was sent in the 0.001 s"),
        (Closed(8, 1.0), "the warm-up is as long as the load"),
    ],
)
def test_nothing_sent_is_told_and_why(plan, words):
    """And nothing is said of a generator that had nothing to do, nor of the processors."""
    found = list(doubts(plan_of(plan), NOTHING, 1.0))
    assert words in found[0]
    assert not [text for text in found if "generator" in text or "processors" in text]


def test_nothing_answered_is_told_and_why():
    """With the kinds of errors; that the generator was late by a millisecond is not."""
    errors = {second: Counter({"HTTP 500": 300}) for second in range(20)}
    (doubt,) = of(made(seconds=20, errors=errors), lag_p99_ms=1.2)
    assert "No request had a right answer (6,000 HTTP 500)" in doubt


def test_a_short_load_says_nothing_of_how_busy_it_was():
    """Start and end of a process are most of it."""
    short = dataclasses.replace(plan_of(Closed(8, 0.5)), warm_up_s=0)
    half = dataclasses.replace(RESULT.intervals[0], duration_s=0.5)
    result = dataclasses.replace(RESULT, intervals=(half,))
    assert of(result, plan=short, busiest=None, busy=1.0, lag_p99_ms=None) == []


def test_what_the_machine_could_not_send_is_told_with_what_it_lacks():
    """It is no error of the service."""
    first, *others = RESULT.intervals
    first = dataclasses.replace(first, unsent=Counter(EMFILE=3))
    (doubt,) = of(dataclasses.replace(RESULT, intervals=(first, *others)))
    assert "3 of " in doubt
    assert "ulimit -n" in doubt
    assert "no errors of the service" in doubt


@pytest.mark.parametrize(
    ("connecting", "words"),
    [
        (Connecting(EMPTY, EMPTY, 9, (5, 5)), "closes connections after 5 answers"),
        (Connecting(EMPTY, EMPTY, 9, (5, 9)), "closes connections after 5 to 9 answers"),
        (Connecting(EMPTY, EMPTY, 900), "900 were made anew for"),
    ],
)
def test_a_server_that_does_not_keep_connections(connecting, words):
    """Silently, or by saying so: connecting is in the latency."""
    (doubt,) = of(dataclasses.replace(RESULT, connecting=connecting))
    assert words in doubt


def test_a_server_that_goes_away_is_not_told_to_close_connections():
    """It ended under its kept connections, and took no others: that is no limit of its own."""
    errors = {3: Counter({"closed while kept": 8, "refused": 40})}
    gone = dataclasses.replace(
        made(seconds=20, median_ms=4, errors=errors), connecting=Connecting(EMPTY, EMPTY, 0, (5, 9))
    )
    (doubt,) = of(gone)
    assert "went away: 8 of its connections" in doubt
    assert "40 requests were refused" in doubt


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
