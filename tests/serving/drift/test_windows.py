"""The windows that processes share: what is in them, who has one, what a killed writer leaves."""

import multiprocessing
import os
import signal

import numpy as np
import pytest

from tests.serving.clock import Clock
from vitrine_serving.gateway.telemetry.drift import Windows

CLASSES = 3
FORK = multiprocessing.get_context("fork")


def rows(*values, answer=0):
    """A row for each value, which is its brightness, all with one answer."""
    found = np.zeros((len(values), 6 + CLASSES))
    found[:, 0] = values
    found[:, 6 + answer] = 1
    return found


def put(windows, *values, model="m", version=1, answer=0):
    """Adds images, unless another process is about to."""
    with windows.change(model, version, CLASSES) as window:
        if window is None:
            return False
        window.add(rows(*values, answer=answer), windows.now())
    return True


def brightness(windows, model="m", version=1):
    return windows.find(model, version).sample().sums[0]


@pytest.mark.parametrize("size", [50, 99, 500, 1000])
@pytest.mark.parametrize("batch", [1, 7, 40, 256])
def test_it_has_the_last_images(size, batch):
    """However they come, a full window has the last 90 % of `size` or more, and never more than
    `size`; none is lost or counted twice."""
    windows, seen = Windows(size), 0
    while seen < 3 * size:
        put(windows, *range(seen, seen + batch))
        seen += batch
        window = windows.find("m", 1)
        assert min(seen, 0.9 * size) <= window.images <= min(seen, size)
        last = range(seen - window.images, seen)
        assert window.sample().sums[0] == sum(last)
        assert window.sample().answered.tolist() == [window.images, 0, 0]


def test_answers_are_counted():
    """By class, and dropped with their images."""
    windows = Windows(100)
    put(windows, *[1] * 60, answer=1)
    put(windows, *[1] * 20, answer=2)
    assert windows.find("m", 1).sample().answered.tolist() == [0, 60, 20]
    put(windows, *[1] * 100, answer=0)
    assert windows.find("m", 1).sample().answered.tolist() == [100, 0, 0]


def test_since_when():
    """The oldest image's time moves on as the window slides."""
    clock = Clock(1000)
    windows = Windows(100, now=clock)
    for clock.s in range(1000, 1100):
        put(windows, 1)
    assert windows.find("m", 1).since == 1000
    for clock.s in range(1100, 1150):
        put(windows, 1)
    assert 1045 <= windows.find("m", 1).since <= 1055


def test_versions_have_windows_of_their_own():
    """So have models, and a version that has other classes than before starts again."""
    windows = Windows(100)
    put(windows, 1, model="a")
    put(windows, 2, 2, model="b")
    put(windows, 3, 3, 3, model="b", version=2)
    found = {window.key: window.images for window in windows.all()}
    assert found == {("a", 1): 1, ("b", 1): 2, ("b", 2): 3}
    with windows.change("b", 2, CLASSES + 1) as window:
        assert (window.images, window.classes) == (0, CLASSES + 1)


def test_the_slot_that_was_used_longest_ago_is_used_again():
    """What was in it does not show in the other's window."""
    clock = Clock()
    windows = Windows(100, slots=3, now=clock)
    for version in (1, 2, 3, 1, 4):
        clock.s += 1
        put(windows, version, version=version)
    assert sorted(window.key[1] for window in windows.all()) == [1, 3, 4]
    assert windows.find("m", 2) is None
    assert brightness(windows, version=4) == 4
    assert brightness(windows, version=1) == 2


def test_a_change_that_fails_does_not_count():
    """The window is as it was, and can be changed again."""
    windows = Windows(100)
    put(windows, 1, 2)
    with pytest.raises(ZeroDivisionError), windows.change("m", 1, CLASSES) as window:
        window.add(rows(1000), 0)
        raise ZeroDivisionError
    assert brightness(windows) == 3
    assert put(windows, 4)
    assert brightness(windows) == 7


def in_child(work):
    """Forks a process that does `work` and ends."""
    child = FORK.Process(target=work)
    child.start()
    return child


def test_processes_share_a_window():
    """Four add to one while it is read: all is there in the end, and nobody sees half a change."""
    windows, each = Windows(5000), 300

    def work():
        for _ in range(each):
            while not put(windows, 1, 1, 1, answer=2):
                pass

    children = [in_child(work) for _ in range(4)]
    while any(child.is_alive() for child in children):
        for window in windows.all():
            sample = window.sample()
            assert sample.sums[0] == sample.answered[2] == sample.size == window.images
            assert window.images % 3 == 0
    assert [child.exitcode for child in children] == [0] * 4
    assert windows.find("m", 1).images == 4 * 3 * each


def killed_in_the_middle(windows):
    """Has a process killed that has half changed a window, and holds the lock."""
    ready = FORK.Event()

    def work():
        with windows.change("m", 1, CLASSES) as window:
            window.add(rows(*[1e9] * 30), 0)
            ready.set()
            signal.pause()

    child = in_child(work)
    assert ready.wait(20)
    return child


def test_a_killed_writer_leaves_nothing_behind():
    """Neither half a change nor the lock, and the next change is right."""
    windows = Windows(100)
    put(windows, 1, 2)
    child = killed_in_the_middle(windows)
    assert not put(windows, 3), "another process holds the lock"
    assert brightness(windows) == 3, "reading needs no lock"
    os.kill(child.pid, signal.SIGKILL)
    child.join(20)
    assert brightness(windows) == 3
    assert put(windows, 4)
    assert brightness(windows) == 7
    assert windows.find("m", 1).images == 3


def test_long_names_and_others():
    """Names come back as they were."""
    windows = Windows(100)
    for name in ("ü" * 128, "a b/c", "模型"):
        put(windows, 1, model=name)
        assert windows.find(name, 1).images == 1
