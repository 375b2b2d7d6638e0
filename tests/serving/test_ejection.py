"""Outlier ejection, in simulated time: who is left alone, when, for how long, and who never is."""

import asyncio
from itertools import count

import pytest

from tests.serving.simulated_pool import SimulatedPool, heavy_tailed
from vitrine_serving.gateway.upstream import outliers
from vitrine_serving.gateway.upstream.ejection import (
    EjectionSettings,
    EjectionWatch,
    OutlierEjection,
    ServerStanding,
)

ILL_FROM_S = 60.0
LONG_S = 1000.0


def every_third():
    """Every third call to the first server fails, from a time on."""
    number = count()

    def outcome(server, kind, now_s, chance):
        if server or now_s < ILL_FROM_S:
            return outliers.OK
        return outliers.FAILED if next(number) % 3 == 2 else outliers.OK

    return {"outcome": outcome}


def slow_down(times, servers=1):
    """The first servers are so many times as slow, from a time on."""

    def took_s(server, kind, now_s, chance):
        factor = times if server < servers and now_s >= ILL_FROM_S else 1
        return factor * heavy_tailed(server, kind, now_s, chance)

    return {"took_s": took_s}


@pytest.mark.parametrize("illness", ["failures", "latency"])
@pytest.mark.parametrize(("servers", "rate"), [(2, 5), (2, 150), (3, 30), (10, 10), (3, 0.1)])
def test_a_half_ill_server_is_out_within_100_calls(servers, rate, illness):
    """One that was well, with few servers and many, at any load; nobody else is."""
    ill = every_third() if illness == "failures" else slow_down(10)
    pool = SimulatedPool(servers, rate, **ill)
    pool.run(ILL_FROM_S)
    assert not any(pool.states)
    before = pool.calls[0]
    pool.run(LONG_S / rate, stop=lambda: any(pool.states))
    assert pool.states == ["ejected", *[""] * (servers - 1)]
    assert pool.standings[0].finding.reason == illness
    assert pool.calls[0] - before <= 100


@pytest.mark.parametrize(
    "ill", [every_third(), slow_down(10)], ids=["every third fails", "ten times as slow"]
)
def test_it_is_tried_a_little_less_often_each_time_and_back_when_well(ill):
    """After 10, 20, 30 s, by ten calls at most each time; then it is as the others again."""
    pool = SimulatedPool(3, 20, **ill)
    first = pool.standings[0]
    pool.run(LONG_S, stop=lambda: first.state == "ejected")
    lengths, calls = [], []
    for _ in range(4):
        before = pool.calls[0]
        lengths.append(round(first.until_s - pool.now_s))
        pool.run(LONG_S, stop=lambda: first.state == "trial")
        pool.run(LONG_S, stop=lambda: first.state == "ejected")
        calls.append(pool.calls[0] - before)
    assert lengths == [10, 20, 30, 40]
    assert max(calls) <= 12 + 10  # those that it had in hand at first
    pool.outcome, pool.took_s = lambda *_: outliers.OK, heavy_tailed
    pool.run(LONG_S, stop=lambda: not first.state)
    assert pool.states == ["", "", ""]
    pool.run(60)
    assert pool.states == ["", "", ""]


def test_the_time_falls_again():
    """Each ten seconds for which a server is well take one time off."""
    finding = outliers.Outlier("failures", "", 1.0)
    ejection = OutlierEjection(EjectionSettings())
    ejection.note_servers(2)
    one, other = ServerStanding("one", ejection), ServerStanding("other", ejection)
    one.times, one.back_s = 4, 100.0
    ejection.leave_alone(one, finding, 125.0)  # well for two times ten seconds
    assert (one.times, one.until_s) == (3, 155.0)
    one.state, one.back_s = "", 200.0
    ejection.leave_alone(one, finding, 1000.0)
    assert (one.times, one.until_s) == (1, 1010.0)
    one.times = 500
    ejection.leave_alone(one, finding, 1000.0)  # on trial, say
    assert one.until_s == 1300.0  # five minutes at most
    ejection.judge([one, other], 1001.0)
    assert (one.state, other.state) == ("ejected", "")


def pareto(server, kind, now_s, chance):
    """Has no variance: one call in a hundred takes 60 times as long as the median."""
    return 0.005 * (1 + kind) * chance.paretovariate(1.1)


def stalls(server, kind, now_s, chance):
    """Each server stands still for a second each minute."""
    into_s = (now_s + 7 * server) % 60
    return 0.01 * chance.lognormvariate(0, 0.5) + max(0.0, 1 - into_s)


def chance_of(share, outcome):
    def outcome_of(server, kind, now_s, chance):
        return outcome if chance.random() < share else outliers.OK

    return outcome_of


WELL = {
    "lognormal": {},
    "no variance": {"took_s": pareto},
    "stalls": {"took_s": stalls},
    "one in twenty fails": {"outcome": chance_of(0.05, outliers.FAILED)},
    "every second one fails": {"outcome": chance_of(0.5, outliers.FAULT)},
    "one model fails": {"outcome": lambda server, kind, *_: outliers.FAULT if kind else 0},
}


@pytest.mark.parametrize("name", WELL)
@pytest.mark.parametrize(
    ("servers", "rate", "hours"),
    [
        (2, 20, 0.1),
        (8, 5, 0.1),
        (3, 0.02, 24),
        pytest.param(2, 20, 6, marks=pytest.mark.wide),
        pytest.param(8, 8, 3, marks=pytest.mark.wide),
        pytest.param(3, 0.02, 1000, marks=pytest.mark.wide),
    ],
)
def test_servers_that_are_alike_are_never_left_alone(name, servers, rate, hours):
    """For hours, and at low traffic for weeks."""
    pool = SimulatedPool(servers, rate, **WELL[name])
    pool.run(hours * 3600)
    assert sum(pool.calls) > 4000
    assert pool.most_out == 0


def test_larger_batches_do_not_make_a_server_slow():
    """One gets nearly all of the large ones, which take thirty times as long; of like ones it is
    as quick as the other."""
    ejection = OutlierEjection(EjectionSettings())
    ejection.note_servers(2)
    one, other = ServerStanding("one", ejection), ServerStanding("other", ejection)
    for n in range(600):
        for each, large_ones in ((one, 9), (other, 1)):
            is_large = n % 10 < large_ones
            kind = outliers.kind_of("Predict", b"x" * (100_000 if is_large else 3000))
            took_s = 0.3 if is_large else 0.01
            each.note_call((kind, float(n), n + took_s, outliers.OK))
        ejection.judge([one, other], n + 1.0)
        assert not ejection.is_any_out


def test_a_model_that_fails_everywhere_is_no_servers_fault():
    """Also where one server gets all of its calls, by turns with those of another model."""
    ejection = OutlierEjection(EjectionSettings())
    ejection.note_servers(2)
    one, other = ServerStanding("one", ejection), ServerStanding("other", ejection)
    for n in range(300):
        one.note_call((("Predict", b"broken", 12), n, n + 0.01, outliers.FAULT))
        other.note_call((("Predict", b"well", 12), n, n + 0.01, outliers.OK))
        ejection.judge([one, other], n + 1.0)
        assert not ejection.is_any_out


def test_a_start_is_one_failure():
    """A server that is started again fails all that it had in hand, and the breaker's probes."""
    ejection = OutlierEjection(EjectionSettings())
    ejection.note_servers(2)
    one, other = ServerStanding("one", ejection), ServerStanding("other", ejection)
    for n in range(100):
        outcome = outliers.FAILED if n < 40 else outliers.OK
        one.note_call((("Predict", b"mlp", 12), n, n + 0.01, outcome))
        other.note_call((("Predict", b"mlp", 12), n, n + 0.01, outliers.OK))
        ejection.judge([one, other], n + 1.0)
        assert not ejection.is_any_out


def test_of_two_the_worse_one_is_out():
    """Both fail, one of them more often."""

    def outcome(server, kind, now_s, chance):
        return outliers.FAULT if chance.random() < (0.7, 0.2)[server] else outliers.OK

    pool = SimulatedPool(2, 20, outcome=outcome)
    pool.run(60, stop=lambda: any(pool.states))
    assert pool.states == ["ejected", ""]


@pytest.mark.parametrize(("servers", "ill"), [(1, 1), (2, 2), (3, 2), (5, 3), (8, 4), (9, 6)])
def test_never_more_than_half(servers, ill):
    """However many are ill; of one, none."""
    pool = SimulatedPool(servers, 20, **slow_down(10, servers=ill))
    pool.run(ILL_FROM_S + 60)
    assert pool.most_out <= servers // 2
    if ill < servers / 2 or (servers, ill) == (8, 4):
        assert all(pool.states[:ill])
        assert not any(pool.states[ill:])


def test_it_is_asked_again_where_others_are_lost():
    """Of four, one is left alone; it is no longer once two of the others are gone. So is the last
    one."""
    pool = SimulatedPool(4, 50, **every_third())
    pool.run(LONG_S, stop=lambda: any(pool.states))
    pool.ejection.judge(pool.standings[:2], pool.now_s)
    assert pool.states[0] == "ejected"
    pool.ejection.judge(pool.standings[:1], pool.now_s)
    assert pool.states[0] == ""


def test_one_that_nobody_asks_is_not_on_trial_for_ever():
    """As where those of a nearer zone are preferred: it would be one of the half that may be out,
    and somebody be called for it. Nor does one stay out that was lost meanwhile."""
    ejection = OutlierEjection(EjectionSettings())
    ejection.note_servers(2)
    one, other = ServerStanding("one", ejection), ServerStanding("other", ejection)
    ejection.leave_alone(one, outliers.Outlier("failures", "", 1.0), 100.0)
    ejection.judge([other], 105.0)
    assert not ejection.is_any_out
    ejection.judge([one, other], 111.0)
    assert (one.state, ejection.is_any_out) == ("trial", True)
    ejection.judge([one, other], 400.0)
    assert one.state == "trial"
    one.note_call((("Predict", b"mlp", 12), 404.0, 405.0, outliers.OK))
    ejection.judge([one, other], 704.0)
    assert one.state == "trial"
    ejection.judge([one, other], 705.0)
    assert (one.state, ejection.is_any_out) == ("", False)


def test_zero_seconds_are_none():
    """Nothing is noted, and nobody left alone."""
    ejection = OutlierEjection(EjectionSettings(ejection_s=0))
    pool = SimulatedPool(2, 50, ejection=ejection, **every_third())
    pool.run(ILL_FROM_S + 60)
    assert pool.most_out == 0
    assert not ejection.is_on


def test_kinds_of_calls():
    """By the model's specification that a message begins with, and its size in powers of two."""
    spec = b"\n\x05mlp:1"
    kind = outliers.kind_of("Predict", spec + b"rows" * 10)
    assert kind == outliers.kind_of("Predict", spec + b"else" * 10)
    assert kind[1] == spec
    assert kind != outliers.kind_of("Predict", spec + b"rows" * 40)
    assert kind != outliers.kind_of("Explain", spec + b"rows" * 10)
    assert kind != outliers.kind_of("Predict", b"\n\x05mlp:2" + b"rows" * 10)
    long_name = b"\n\xc8\x01" + b"m" * 200
    assert outliers.kind_of("Predict", long_name + b"a" * 9) == outliers.kind_of(
        "Predict", long_name + b"b" * 9
    )
    for empty in (b"", b"\n", b"\n\x00", b"\x12\x03abc"):
        assert outliers.kind_of("Predict", empty)[1] in (b"", b"\n\x00")


def test_a_comparison_that_fails_is_not_the_last(caplog):
    """It is logged, and another follows: without any, who is out would stay out."""

    async def main():
        due, again = asyncio.Event(), asyncio.Event()
        bugs = [RuntimeError("a bug")]

        def judge():
            due.set()
            if bugs:
                raise bugs.pop()
            again.set()
            return 2

        due.set()
        watch = EjectionWatch(due, judge)
        await asyncio.wait_for(again.wait(), 30)
        await watch.close()

    asyncio.run(main())
    assert "a bug" in caplog.text
