"""Threads of the local server: those that are woken late, and connections that cannot be taken."""

import contextlib
import errno
import os
import select
import threading
from types import SimpleNamespace
from typing import Any

from harness.fake_local_server import FakeLocalServer
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
    told = [record.getMessage() for record in caplog.records]
    assert "The local socket took no connection: [Errno 105] No buffer space available" in told[0]
    assert told[1:] == ["The local socket failed"]
