"""What has ended, or is asked nothing, is not told of, by any process."""

import asyncio

import numpy as np
import pytest

from tests.serving.clock import Clock
from tests.serving.drift.asked import FakeFleet, inverted
from vitrine_serving.gateway.telemetry.drift import Watch, Windows


@pytest.fixture
def clock():
    return Clock(1_000_000_000)


class Shared(Windows):
    """Windows that another process changes while they are `taken`."""

    taken = False

    def drop(self, model, version):
        if not self.taken:
            super().drop(model, version)


@pytest.fixture
def windows(clock):
    return Shared(100, now=clock)


@pytest.fixture
def processes(windows):
    """Two that share their windows."""
    return [Watch(windows), Watch(windows)]


@pytest.fixture
def told(processes):
    """What a process tells after it has asked the servers, by model and version."""

    def told(*says, process=0):
        watch = processes[process]
        asyncio.run(watch.forget_ended(FakeFleet(*says)))
        return {(state.model, state.version): state.alarm for state in watch.states()}

    return told


@pytest.fixture
def show(processes, asked):
    """Shows images to a version, in both processes."""

    def show(count, change=None, **which):
        async def work():
            for each in processes:
                asked.show(each, count // 2, change, **which)
                each.flush()

        asyncio.run(work())

    return show


SERVED = {"m": {1: "AVAILABLE"}}
GONE = [
    {"m": {1: "END", 2: "AVAILABLE"}},
    {"m": {1: "UNLOADING", 2: "AVAILABLE"}},
    {"m": {2: "AVAILABLE"}},
    {"other": {1: "AVAILABLE"}},
    {},
]


@pytest.mark.parametrize("says", GONE, ids=["end", "unloading", "not there", "no model", "nothing"])
def test_a_version_that_has_ended_is_forgotten(show, told, says):
    """Its alarm goes at once, in all processes; if it is served again, nothing of it is left."""
    show(40, inverted)
    assert told(SERVED) == {("m", 1): "covariate"}
    assert told(says) == {}
    assert told(SERVED) == told(SERVED, process=1) == {}
    show(10)
    assert told(SERVED, process=1) == {("m", 1): ""}


def test_the_others_are_told_of(show, told):
    """Other versions of the model, and the same version of other models."""
    for which in ({"version": 1}, {"version": 2}, {"model": "other"}):
        show(10, **which)
    says = {"m": {1: "END", 2: "AVAILABLE"}, "other": {1: "AVAILABLE"}}
    assert told(says).keys() == {("m", 2), ("other", 1)}


@pytest.mark.parametrize(
    "says",
    [
        [{"m": {1: "LOADING"}}],
        [{"m": {1: "START"}}],
        [None],
        [{"m": {1: "END"}}, None],
        [{"m": {1: "END"}}, SERVED],
        [{}, SERVED],
    ],
    ids=["loading", "starting", "silent", "one is silent", "another has it", "another knows it"],
)
def test_what_may_be_served_is_kept(show, told, says):
    """A server that restarts costs no alarm, and servers need not have the same versions."""
    show(40, inverted)
    assert told(*says) == {("m", 1): "covariate"}
    assert told(SERVED) == {("m", 1): "covariate"}


def test_late_images_of_a_version_that_has_ended(show, told):
    """Other processes had them in hand: they are not told of, either."""
    show(40, inverted)
    assert told(GONE[0]) == {}
    show(20, inverted)
    assert told(GONE[0]) == told(GONE[0], process=1) == {}


def test_a_window_that_another_process_changes(show, told, windows):
    """It is not told of meanwhile, and dropped by the next who asks."""
    show(40, inverted)
    windows.taken = True
    assert told(GONE[0]) == {}
    windows.taken = False
    assert told(SERVED) == {("m", 1): "covariate"}, "it was not dropped"
    assert told(GONE[0], process=1) == told(SERVED) == {}


def test_a_version_that_is_asked_nothing(show, told, clock):
    """After a quarter of an hour it is left out, although it is AVAILABLE, as after a version label
    went back to another; its next image has it told of again."""
    both = {"m": {1: "AVAILABLE", 2: "AVAILABLE"}}
    show(40, inverted, version=2)
    clock.s += 899
    show(40, version=1)
    assert told(both) == {("m", 1): "", ("m", 2): "covariate"}
    clock.s += 2
    assert told(both) == told(both, process=1) == {("m", 1): ""}
    show(2, inverted, version=2)
    assert told(both) == {("m", 1): "", ("m", 2): "covariate"}


def test_a_window_that_was_dropped_makes_room_first(clock):
    """However lately it was used."""
    windows = Windows(100, slots=2, now=clock)
    for version in (1, 2, 3):
        if version == 3:
            windows.drop("m", 2)
            windows.drop("m", 7)
        clock.s += 1
        with windows.change("m", version, 3) as window:
            window.add(_row(), clock.s)
    assert sorted(window.key[1] for window in windows.all()) == [1, 3]


def _row():
    return np.array([[0.0] * 6 + [1.0, 0.0, 0.0]])
