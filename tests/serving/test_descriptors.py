"""File descriptors: connections that fit into what a process may open, and what it does without."""

import asyncio
import errno
import multiprocessing
import os
import resource
import socket
import threading
import time
from types import SimpleNamespace

import pytest
from gunicorn.workers import base

from harness.waiting import wait_for
from tests.serving.test_listener import names
from vitrine_serving.gateway.server import descriptors
from vitrine_serving.gateway.server.connections import ClientConnections
from vitrine_serving.gateway.server.listener import Listener
from vitrine_serving.gateway.server.worker import Worker
from vitrine_serving.gateway.telemetry.feedback import log as feedback_log

FORK = multiprocessing.get_context("fork")


@pytest.mark.parametrize(
    ("soft", "hard", "connections", "fitting", "soft_after"),
    [
        (200, 2000, 1000, 1000, 1000 + descriptors.RESERVED),
        (200, 500, 1000, 500 - descriptors.RESERVED, 500),
        (200, 2000, 50, 50, 200),
        (64, 100, 1000, 1, 100),
    ],
    ids=["raised", "too few", "enough", "hardly any"],
)
def test_connections_that_fit(soft, hard, connections, fitting, soft_after):
    """The soft limit is raised as far as is needed; where that is too little there are fewer
    connections, and the warning says what to set."""

    def check() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        assert descriptors.fitting_connections(connections) == fitting
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft_after, hard)
        said = descriptors.warning(connections, fitting)
        assert bool(said) == (fitting < connections)
        assert not said or f"ulimit -Hn {connections + descriptors.RESERVED}" in said

    child = FORK.Process(target=check)
    child.start()
    child.join(30)
    assert child.exitcode == 0


def test_the_reserve_has_room_for_a_feedback_log():
    """All its files are open, beside some 30 descriptors that a process always has."""
    assert feedback_log.MOST_FILES + 30 < descriptors.RESERVED - descriptors.REFUSED


class Exhausted:
    """A listening socket that has no descriptor left for a connection."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.asked = 0

    def accept(self) -> None:
        self.asked += 1
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    def __getattr__(self, name: str) -> object:
        return getattr(self._sock, name)


def test_no_descriptors_are_logged_once_in_a_while(monkeypatch, caplog):
    """Not in silence, and not each time."""
    monkeypatch.setattr("vitrine_serving.gateway.server.listener._RETRY_S", 0.01)

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as sock, socket.socket() as client:
            exhausted = Exhausted(sock)
            listener = Listener(exhausted, asyncio.Protocol, lambda: False, None, 1.0, 1.0)
            client.connect(sock.getsockname())
            await asyncio.to_thread(wait_for, lambda: exhausted.asked > 3, 30, "more tries")
            listener.close()

    asyncio.run(main())
    (record,) = caplog.records
    assert "Too many open files" in record.getMessage()
    assert "ulimit -n" in record.getMessage()


def test_connections_that_are_being_set_up_are_bounded():
    """Those beyond what a process has descriptors for are closed, also in the middle of a TLS
    handshake, which nothing else counts."""

    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0), backlog=100) as sock:
            listener = Listener(
                sock, asyncio.Protocol, lambda: False, None, 1.0, 1.0, is_full=lambda _: True
            )
            assert await names(sock.getsockname()[1], 9) == {"": 9}
            listener.close()

    asyncio.run(main())


class Held:
    """A connection with a request in hand that is never answered."""

    def __init__(self) -> None:
        self.is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True

    def end_if_idle(self) -> None:
        pass


def test_the_grace_is_for_everybody():
    """Who is not answered shortly before its end is left, so that the worker ends by itself and
    writes what it has to."""

    async def main() -> None:
        made, held = Worker.__new__(Worker), Held()
        made.loop, made.gateway = (
            asyncio.get_running_loop(),
            SimpleNamespace(begin_draining=lambda: None),
        )
        made.connections = ClientConnections(made.gateway)
        made.connections.add(held)
        made.cfg = SimpleNamespace(graceful_timeout=3.01)
        made.begin_ending()
        await asyncio.to_thread(wait_for, lambda: held.is_aborted, 30, "its end")

    asyncio.run(main())


def test_a_busy_thread_does_not_hold_up_the_end(monkeypatch):
    """A worker that has nobody to answer ends at once, with 0."""

    def serve(_: Worker) -> None:
        threading.Thread(target=time.sleep, args=(60,)).start()

    def end() -> None:
        monkeypatch.setattr(base.Worker, "init_process", serve)
        Worker.__new__(Worker).init_process()

    child = FORK.Process(target=end)
    child.start()
    child.join(30)
    assert child.exitcode == 0
