"""The master process: workers that cannot be started, before somebody was served and after it."""

import errno
import logging
import os
import tempfile
from types import SimpleNamespace

import pytest
from gunicorn.errors import HaltServer

from vitrine_client.process.exit_codes import NOT_BEGUN
from vitrine_serving.gateway.server import heartbeats
from vitrine_serving.gateway.server.master import Master
from vitrine_serving.gateway.shared_memory import Slots

NO_PROCESS = OSError(errno.EAGAIN, "Resource temporarily unavailable")
READ_ONLY = OSError(errno.EROFS, "Read-only file system")


def raising(error: OSError):
    """Something that fails whatever it is asked."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


@pytest.fixture
def slots() -> Slots:
    return Slots()


@pytest.fixture
def master(slots) -> Master:
    """One that serves no sockets, and takes a slot before each fork as the gateway's does."""

    def pre_fork(master: Master, worker: SimpleNamespace) -> None:
        worker.slot = master.unborn = slots.take()

    made = object.__new__(Master)
    made.worker_class = lambda *_: SimpleNamespace()
    made.worker_age, made.pid, made.LISTENERS, made.timeout, made.WORKERS = 0, 1, [], 30, {}
    made.app, made.log = None, logging.getLogger("test")
    made.cfg = SimpleNamespace(pre_fork=pre_fork)
    made.unborn, made._not_spawned, made._has_served = None, "", True
    made.release = slots.release
    return made


def test_a_fork_that_fails_gives_its_slot_back(master, slots, monkeypatch, caplog):
    """Each time, and with one line of the log for all: the next worker has the first slot."""
    monkeypatch.setattr(os, "fork", raising(NO_PROCESS))
    for _ in range(300):  # more than there are slots
        assert master.spawn_worker() is None
    assert slots.take() == 0
    [line] = caplog.messages
    assert "cannot be started now" in line
    assert "temporarily unavailable" in line


def test_a_gateway_that_never_served_ends(master, slots, monkeypatch, capsys):
    """With the exit code of what could not begin, and why."""
    master._has_served = False
    monkeypatch.setattr(os, "fork", raising(NO_PROCESS))
    with pytest.raises(HaltServer) as halted:
        master.spawn_worker()
    assert halted.value.exit_status == NOT_BEGUN
    assert capsys.readouterr().err == f"Error: {NO_PROCESS}\n"
    assert slots.take() == 0


def test_a_file_system_that_is_read_only(master, monkeypatch, capsys):
    """No folder takes the heartbeats of a worker: a sentence that says what to do, and the same
    exit code."""
    monkeypatch.setattr(tempfile, "TemporaryFile", raising(READ_ONLY))
    master._has_served = False
    master.worker_class = lambda *_: heartbeats.folder(lambda _: None)
    with pytest.raises(HaltServer) as halted:
        master.spawn_worker()
    assert halted.value.exit_status == NOT_BEGUN
    said = capsys.readouterr().err
    assert said.startswith("Error: No folder takes a temporary file")
    assert "TMPDIR" in said
    assert len(said.splitlines()) == 1
