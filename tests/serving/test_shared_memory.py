"""Memory that processes share: slots, cells, and snapshots that are replaced whole."""

import errno
import gc
import multiprocessing
import os
import signal
from pathlib import Path

import pytest

from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.shared_memory import Slots, Snapshots, float_cells, int_cells
from vitrine_serving.gateway.shared_state import SharedState

FORK = multiprocessing.get_context("fork")


def test_slots_of_processes_that_live_are_not_given_away():
    """During a reload old and new processes have slots of their own; freed ones are used again."""
    slots = Slots()
    assert [slots.take(), slots.take(), slots.take()] == [0, 1, 2]
    slots.release(1)
    assert (slots.take(), slots.current) == (1, 1)
    assert slots.take() == 3


def test_many_workers_have_a_slot_each():
    """Also during a reload, when there are twice as many; one that ends is forgotten."""
    shared = SharedState(Settings(workers=200), {})
    for _ in range(400):
        slot = shared.slots.take()
        shared.shares.note(slot, 1)
        shared.series.write(slot, {("vitrine_retries_total", ()): [1.0]}, {})
    assert slot == 399
    (retries,) = shared.series.collect()
    assert [sample.value for sample in retries.samples] == [400]
    assert shared.shares.is_more_than_others(3)
    for slot in range(400):
        shared.release(slot)
    assert not shared.shares.is_more_than_others(3)
    assert shared.slots.take() == 0


def test_nothing_stays_open():
    """What is shared goes with its application, of which a process may make many."""

    def made() -> int:
        create_app(Settings(models=("mlp",), model_server=("127.0.0.1:1",)))
        gc.collect()
        return len(list(Path("/dev/fd").iterdir()))

    assert len({made() for _ in range(3)}) == 1


def test_cells_are_shared():
    """A number that a fork writes is read by its parent, as it was written."""
    floats, ints = float_cells(3), int_cells(3)
    assert (floats.tolist(), ints.tolist()) == ([0.0] * 3, [0] * 3)

    def work() -> None:
        floats[1], ints[2] = 0.1, -(2**63)

    child = FORK.Process(target=work)
    child.start()
    child.join(30)
    assert (floats.tolist(), ints.tolist()) == ([0.0, 0.1, 0.0], [0, 0, -(2**63)])


def test_snapshots_are_replaced_whole():
    """Slots have nothing to do with each other; a shorter one leaves nothing of a longer one."""
    snapshots = Snapshots(3, 8)
    assert len(snapshots) == 3
    assert snapshots.read(1) == b""
    for content in (b"12345678", b"ab", b"", b"xyz"):
        snapshots.write(1, content)
        assert [snapshots.read(slot) for slot in range(3)] == [b"", content, b""]


def test_what_has_no_room_is_refused():
    """One byte too many: the error says so, and the last snapshot stays."""
    snapshots = Snapshots(2, 4)
    snapshots.write(0, b"1234")
    snapshots.write(1, b"abcd")
    with pytest.raises(OSError, match="No room for 5 bytes") as raised:
        snapshots.write(0, b"12345")
    assert raised.value.errno == errno.ENOSPC
    assert [snapshots.read(slot) for slot in range(2)] == [b"1234", b"abcd"]


def test_nobody_sees_half_a_snapshot():
    """While a process replaces one again and again, each that is read is of one piece, and none is
    older than the one before."""
    snapshots, last = Snapshots(1, 200_000), 3000

    def work() -> None:
        for number in range(1, last + 1):
            snapshots.write(0, number.to_bytes(4, "big") * (number % 40_000 + 10))

    child = FORK.Process(target=work)
    child.start()
    seen = 0
    while child.is_alive() or seen < last:
        if content := snapshots.read(0):
            number = int.from_bytes(content[:4], "big")
            assert content == content[:4] * (number % 40_000 + 10)
            assert number >= seen
            seen = number
    child.join(30)
    assert seen == last


def test_the_lock_goes_with_its_process():
    """One process at a time has it, and one that is killed does not keep it."""
    snapshots, ready = Snapshots(1, 8), FORK.Event()

    def work() -> None:
        with snapshots.lock() as is_mine:
            assert is_mine
            ready.set()
            signal.pause()

    child = FORK.Process(target=work)
    child.start()
    assert ready.wait(20)
    with snapshots.lock() as is_mine:
        assert not is_mine
    os.kill(child.pid, signal.SIGKILL)
    child.join(20)
    for _ in range(2):
        with snapshots.lock() as is_mine:
            assert is_mine
