"""Threads of the local server: those that are woken late, and connections that cannot be taken."""

import contextlib
import errno
import os
import select
import threading
from types import SimpleNamespace
from typing import Any

import pytest

from harness.fake_local_server import FakeLocalServer
from harness.fake_model_server import LONGEST_S, Gate
from harness.waiting import wait_for
from tests.serving.test_local_odd_peers import Client
from vitrine_client.process import local_sockets
from vitrine_serving.model_server import local_server

CHANCE_S = 0.2
"""Seconds for a thread that must not get on."""


class LateEpoll:
    """An epoll that wakes a thread for each new connection before it is registered, as one does
    that was woken for an earlier connection of the same descriptor and had no turn since."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._registered: list[Any] = []
        self._is_late = os.eventfd(0)
        self._went_on = threading.Event()

    def register(self, descriptor: Any, events: int) -> None:
        self._registered.append(descriptor)
        if len(self._registered) == 3:  # after the server's own
            self._epoll.register(self._is_late, select.EPOLLIN | select.EPOLLONESHOT)
            os.eventfd_write(self._is_late, 1)
            self._went_on.wait(CHANCE_S)
        self._epoll.register(descriptor, events)

    def modify(self, descriptor: Any, events: int) -> None:
        try:
            self._epoll.modify(descriptor, events)
        finally:
            if descriptor == self._registered[-1]:
                self._went_on.set()

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        [(descriptor, events)] = self._epoll.poll(timeout, most)
        return [(self._registered[-1] if descriptor == self._is_late else descriptor, events)]

    def unregister(self, descriptor: Any) -> None:
        self._epoll.unregister(descriptor)


def answered(server: FakeLocalServer) -> bytes:
    """What a new connection gets for its first call."""
    with contextlib.closing(Client(server.path)) as client:
        client.call(1)
        return client.answer()[1].payload


def test_a_thread_that_was_woken_for_another_connection(monkeypatch, caplog):
    """Of the same descriptor, that has ended: the call of the new one is answered."""
    masks = {name: getattr(select, name) for name in ("EPOLLIN", "EPOLLOUT", "EPOLLONESHOT")}
    late = SimpleNamespace(epoll=LateEpoll, **masks)
    monkeypatch.setattr(local_server, "select", late)
    with FakeLocalServer() as server:
        assert answered(server) == b"x"
    assert not caplog.records


def test_threads_that_cannot_be_had(monkeypatch, caplog):
    """Those that are there answer all calls, one after the other, and more are made later."""
    gate, begun = Gate(), []

    class Thread(threading.Thread):
        def start(self) -> None:
            if self.name == "local":
                begun.append(self)
                if 1 < len(begun) < 5:
                    raise RuntimeError("can't start new thread")
            super().start()

    monkeypatch.setattr(threading, "Thread", Thread)
    with FakeLocalServer() as server, contextlib.closing(Client(server.path)) as client:
        assert [answered(server) for _ in range(3)] == [b"x"] * 3
        assert "The local socket has no thread more: can't start new thread" in caplog.messages
        server.answer = gate
        client.call(1)
        client.call(3)
        wait_for(lambda: len(server.calls) == 5, LONGEST_S, "both calls")
        gate.open()
        assert sorted(client.answer()[0] for _ in range(2)) == [1, 3]
    monkeypatch.setattr(Thread, "start", refuse)
    with pytest.raises(RuntimeError), FakeLocalServer():
        pass


def refuse(_: threading.Thread) -> None:
    raise RuntimeError("can't start new thread")


def test_a_connection_that_cannot_be_taken(monkeypatch, caplog):
    """Is told in the log, and those that follow it are taken."""
    users = [OSError(errno.ENOBUFS, "No buffer space available"), RuntimeError("a fault")]
    real = local_sockets.peer_user

    def peer_user(connection):
        if users:
            raise users.pop(0)
        return real(connection)

    monkeypatch.setattr(local_sockets, "peer_user", peer_user)
    with FakeLocalServer() as server:
        for _ in range(2):
            with contextlib.closing(Client(server.path)) as client:
                assert client.has_ended()
        assert answered(server) == b"x"
        wait_for(lambda: len(caplog.records) == 2, LONGEST_S, "both lines")  # after the close
    told = [record.getMessage() for record in caplog.records]
    assert "The local socket took no connection: [Errno 105] No buffer space available" in told[0]
    assert told[1:] == ["The local socket failed"]
