"""HTTP server of the REST side: waitress, with bounds of its connections and of their bodies."""

import resource
import socket
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import waitress
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask, WSGITask

from vitrine_serving.model_server.api import libevent
from vitrine_serving.model_server.api.tensorflow_rest import MAX_INFLATED_BYTES
from vitrine_serving.model_server.http.parser import RequestParser

MAX_CONNECTIONS = 1000
"""Connections at a time, and no more than the half of what the process may open."""

_CROWDED = 3 / 4
"""Share of them from which on idle ones are ended, until there are a third fewer."""

MAX_HEAD_BYTES = 2**20
"""Bytes of a request's line and headers."""

MAX_IDLE_S = 120
"""Seconds after which a connection ends on which nothing comes, or whose answer nobody reads."""

_IDLE_S = 1.0
"""Time that a connection is left without a request, also in such a crowd."""

_PAGES_VERSION = "1.1"
"""Version of HTTP that a refusal has, whatever the request's is."""


class _Task(WSGITask):
    """Task of a request: its connection ends with the answer where the application says so, which
    WSGI has no header for, and where the server ends."""

    def build_response_header(self) -> bytes:
        """Returns the head of the answer; waitress calls it."""
        if self.get_environment().get(libevent.CLOSES):
            self.version = _PAGES_VERSION
            self.set_close_on_finish()
        elif self.request.closes or self.channel.server.is_ending:
            self.set_close_on_finish()
        return bytes(super().build_response_header())


class _ErrorTask(ErrorTask):
    """Task of a request that is refused before its address is looked at."""

    def __init__(self, channel: HTTPChannel, request: RequestParser) -> None:
        super().__init__(channel, request)
        self.version = _PAGES_VERSION


class _Channel(HTTPChannel):
    """Channel of a connection: sets its server's event `progress` when an answer is made, when
    bytes of one go out, and when the connection is closed; waitress calls these."""

    parser_class = RequestParser
    task_class = _Task
    error_task_class = _ErrorTask

    def service(self) -> None:
        """Answers a request."""
        try:
            super().service()
        except OSError:  # of the loop's trigger, which is gone where the server has ended meanwhile
            if not self.server.is_ending:
                raise
        finally:
            self.server.progress.set()

    def handle_write(self) -> None:
        """Sends what is there to be sent."""
        super().handle_write()
        self.server.progress.set()

    def handle_expt(self) -> None:
        """Drops a byte that was sent as urgent, as libevent does: until it is read the loop would
        be told of it without a pause."""
        with suppress(OSError):
            self.socket.recv(1, socket.MSG_OOB)

    def handle_close(self) -> None:
        """Closes the connection."""
        super().handle_close()
        self.server.progress.set()

    def end(self) -> None:
        """Closes the connection soon, in the loop's thread, and also where nothing can be sent."""
        self.will_close = True
        self.server.trigger.pull_trigger(self._end)

    def _end(self) -> None:
        if self.socket is not None:
            self.handle_close()

    @property
    def is_answering(self) -> bool:
        """Whether a body is coming in, a request waits or is answered, or an answer goes out. Half
        a head is nothing yet to be answered."""
        coming = self.request
        if self.requests or self.total_outbufs_len:
            return True
        return coming is not None and coming.headers_finished


class RestServer:
    """HTTP server, bound and not yet running. Where its connections become many, it ends those that
    have no whole request, the longest idle first: whoever only holds them stops nobody."""

    def __init__(
        self, app: Callable[..., Any], listen: Sequence[str], *, threads: int, connections: int = 0
    ) -> None:
        """Raises `OSError` where an address cannot be had."""
        self._sockets: dict[int, Any] = {}
        self._progress = threading.Event()
        self._connections = connections or _connections()
        self._begun: dict[HTTPChannel, tuple[object, float]] = {}
        self._server = waitress.create_server(
            app,
            map=self._sockets,
            listen=" ".join(listen),
            threads=threads,
            connection_limit=self._connections,
            ident="",  # no header Server
            asyncore_use_poll=True,  # select(2) takes no descriptor above 1023
            channel_timeout=MAX_IDLE_S,
            max_request_header_size=MAX_HEAD_BYTES,
            max_request_body_size=MAX_INFLATED_BYTES + 1,  # the first that is refused
        )
        self._listeners = [
            each for each in self._sockets.values() if isinstance(each, BaseWSGIServer)
        ]
        for each in self._listeners:
            each.channel_class = _Channel
            each.is_ending = False
            each.progress = self._progress

    def run(self) -> None:
        """Runs until `shut_down` has ended its connections."""
        self._server.run()

    def close(self) -> None:
        """Takes no more connections; each that there is ends with its next answer."""
        for each in self._listeners:
            each.is_ending = True
            # In the loop's own thread, and not with the trigger, which answers need to go out.
            each.trigger.pull_trigger(partial(wasyncore.dispatcher.close, each))

    def shut_down(self, timeout_s: float) -> None:
        """Ends its threads and its connections, once all that was asked is answered."""
        deadline = time.monotonic() + timeout_s
        while any(each.is_answering for each in self.channels()) and self._progress.wait(
            max(0.0, deadline - time.monotonic())
        ):
            self._progress.clear()
        left_s = max(0.0, deadline - time.monotonic())
        self._server.task_dispatcher.shutdown(timeout=left_s)
        with suppress(OSError):  # the loop may have done it, and closed the trigger, before a pull
            self._listeners[0].trigger.pull_trigger(partial(wasyncore.close_all, self._sockets))

    def channels(self) -> list[_Channel]:
        """Returns its connections, those that wait for an answer and the idle ones."""
        return [each for each in list(self._sockets.values()) if isinstance(each, _Channel)]

    def end_idle(self) -> None:
        """Ends idle connections where there are many, and those that read nothing of an answer for
        `MAX_IDLE_S`: a thread may wait with the next one. Call it from time to time."""
        channels = self.channels()
        now_s = time.time()  # as waitress has it
        for each in channels:
            if each.total_outbufs_len and each.last_activity < now_s - MAX_IDLE_S:
                each.end()
        self._begun = {each: self._since(each, now_s) for each in channels if not each.requests}
        if len(channels) < _CROWDED * self._connections:
            return
        oldest = sorted((since, id(each), each) for each, (_, since) in self._begun.items())
        for since, _, channel in oldest[: len(channels) // 3]:
            if since < now_s - _IDLE_S and not channel.requests:
                channel.end()
                self._begun.pop(channel)

    def _since(self, channel: HTTPChannel, now_s: float) -> tuple[object, float]:
        """Returns the request that is coming in, and since when; without one, since when nothing
        came."""
        coming = channel.request
        if coming is None:
            return None, channel.last_activity
        seen, since = self._begun.get(channel, (None, now_s))
        return coming, since if seen is coming else now_s


def _connections() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, soft // 2)
