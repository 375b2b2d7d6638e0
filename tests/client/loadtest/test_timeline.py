"""Records become intervals, and none is lost or counted twice."""

import math
from collections import Counter

import numpy as np
import pytest

from tests.client.loadtest.made_results import TARGET
from vitrine_client.loadtest.generator.loop import OUTCOMES
from vitrine_client.loadtest.generator.worker import Seen
from vitrine_client.loadtest.plan import Open, Phase, Plan
from vitrine_client.loadtest.results.histogram import LatencyHistogram
from vitrine_client.loadtest.results.result import Interval
from vitrine_client.loadtest.results.timeline import Timeline

START_S = 1000.0


def timeline(duration_s: float = 4, warm_up_s: float = 1, processes: int = 1) -> Timeline:
    load = Open((Phase(duration_s, 10, 10),))
    return Timeline(Plan(TARGET, load, warm_up_s), START_S, processes)


def seen(*records: tuple[float, ...], outcomes: tuple[str, ...] = (), settled_s=math.inf) -> Seen:
    """What a process says: due, free, sent, done since the start of the load, and the outcome."""
    rows = np.array(records, np.float64).reshape(-1, 5)
    rows[:, :4] += START_S
    return Seen(rows.tobytes(), (*OUTCOMES, *outcomes), settled_s + START_S)


def right(due_s: float, latency_s: float = 0.01, sent_s: float | None = None) -> tuple[float, ...]:
    sent_s = due_s if sent_s is None else sent_s
    return due_s, sent_s, sent_s, due_s + latency_s, 0


def test_seconds_begin_after_the_warm_up():
    """What belongs to the warm-up is told, with a time below 0; the last second may be short."""
    line = timeline(duration_s=3.8, warm_up_s=1.5)
    line.add(0, seen(*(right(at_s) for at_s in (0.1, 0.6, 1.4, 1.6, 2.6, 2.7, 3.7))))
    intervals = list(line.finished())
    assert [interval.start_s for interval in intervals] == [-1.5, -1, 0, 1, 2]
    assert [interval.duration_s for interval in intervals] == pytest.approx([0.5, 1, 1, 1, 0.3])
    assert [interval.due for interval in intervals] == [1, 2, 1, 2, 1]


def test_a_second_is_told_when_all_of_it_is_known():
    """By every process, and not before the last answer to what was due in it."""
    line = timeline(processes=2)
    line.add(0, seen(right(1.5), settled_s=2.9))
    assert len(list(line.finished())) == 0
    line.add(1, seen(right(1.6, latency_s=0.8), settled_s=2.2))
    (warm_up, first) = line.finished()
    assert (warm_up.due, first.due) == (0, 2)
    line.add(1, seen(settled_s=math.inf))
    assert len(list(line.finished())) == 0
    line.add(0, seen(settled_s=math.inf))
    assert len(list(line.finished())) == 2


def test_processes_are_merged_exactly():
    """Three processes' latencies together have the histogram of all of them at once."""
    random = np.random.default_rng(5)
    due_s, latencies_s = random.uniform(1, 2, 3000), random.lognormal(-4, 1, 3000)
    line = timeline(processes=3)
    for process in range(3):
        mine = zip(due_s[process::3], latencies_s[process::3], strict=True)
        line.add(process, seen(*(right(*each) for each in mine)))
    interval = list(line.finished())[1]
    assert np.array_equal(
        interval.latency.recorded(), LatencyHistogram.of((due_s + latencies_s) - due_s).recorded()
    )


def test_what_is_no_right_answer_is_counted_by_kind():
    """Processes number their outcomes as they meet them; latencies are of right answers only."""
    nan = math.nan
    line = timeline(processes=2)
    line.add(
        0,
        seen(
            (1.1, 1.1, 1.1, nan, 2),
            (1.2, 1.2, 1.2, nan, 3),
            (1.3, nan, nan, nan, 1),
            right(1.4),
            outcomes=("reset", "timeout"),
        ),
    )
    line.add(1, seen((1.1, 1.1, 1.1, nan, 2), outcomes=("timeout",)))
    interval = list(line.finished())[1]
    assert interval.errors == Counter({"timeout": 2, "reset": 1})
    assert (interval.due, interval.answered, interval.dropped) == (5, 1, 1)


def test_latency_counts_from_when_it_was_due_and_service_from_when_it_was_sent():
    """Over a millisecond between the two is late."""
    line = timeline()
    line.add(0, seen(right(1.5, 0.1, sent_s=1.54), right(1.6, 0.1, sent_s=1.6005)))
    interval = list(line.finished())[1]
    assert interval.latency.percentile_ms(100) == pytest.approx(100, rel=2e-3)
    assert interval.service.percentile_ms(50) == pytest.approx(60, rel=2e-3)
    assert interval.late == 1


def test_an_early_end_leaves_out_what_was_due_later():
    """And the second in which it was is a short one."""
    line = timeline()
    line.add(0, seen(right(1.5), right(2.2), right(2.4), right(2.6), settled_s=2.7))
    line.cut(START_S + 2.5)
    intervals = list(line.finished())
    assert [interval.due for interval in intervals] == [0, 1, 2]
    assert intervals[-1].duration_s == pytest.approx(0.5)
    assert not list(line.finished())


def test_a_process_that_is_lost_ends_it_with_its_last_report():
    """What all had told until then counts, and what the others told since does not: a part of the
    load is missing from it."""
    line = timeline(processes=2)
    line.add(0, seen(right(1.5), right(2.2), settled_s=2.4))
    line.add(1, seen(right(1.6), right(2.3), right(2.6), settled_s=2.7))
    line.lose(0)
    line.close(1, START_S + 2.7)
    assert [interval.due for interval in line.finished()] == [0, 2, 2]
    alone = timeline()
    alone.add(0, seen(right(1.5), settled_s=2.0))
    alone.lose(0)
    assert [interval.due for interval in alone.finished()] == [0, 1]


def test_a_server_that_hangs_is_gone():
    """Since the first request that waits, and not only once that is given up; who waits where
    others are answered, or was not asked, tells nothing."""
    line = timeline(processes=2)
    line.add(1, seen(settled_s=9.9))
    line.add(0, seen(right(1.5), settled_s=2.0))
    assert line.gone_for_s(START_S + 5) == pytest.approx(3)
    line.add(1, seen(right(4.0)))
    assert line.gone_for_s(START_S + 5) == pytest.approx(0.99)
    line.add(0, seen(settled_s=4.95))
    assert line.gone_for_s(START_S + 5) == pytest.approx(0.05)


def test_an_end_within_the_warm_up_leaves_nothing():
    """Nothing was measured then."""
    line = timeline()
    line.add(0, seen(right(0.3)))
    line.cut(START_S + 0.5)
    assert all(interval.start_s < 0 for interval in line.finished())


def test_the_lag_is_the_generators_own():
    """Not what a request waited for a connection, nor the warm-up's."""
    line = timeline()
    assert line.lag_ms(99) is None
    lags = [(at_s, at_s + 0.5, at_s + 0.502, at_s + 0.6, 0.0) for at_s in (1.1, 1.2, 2.3)]
    line.add(0, seen((0.5, 0.5, 0.9, 0.9, 0), *lags))
    list[Interval](line.finished())
    assert line.lag_ms(99) == pytest.approx(2, abs=0.02)


def test_answers_are_completed_in_the_second_in_which_they_come():
    """Whenever they were due; after the end they are no throughput."""
    line = timeline()
    line.add(0, seen(right(1.5, 0.1), right(1.6, 0.9), right(3.9, 0.5)))
    assert [interval.completed for interval in line.finished()] == [0, 1, 1, 0]
