"""HTTP server of the REST side: waitress, with bounds of its connections and of their bodies."""

import logging
import re
import resource
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import waitress
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import BaseWSGIServer
from waitress.task import WSGITask
from waitress.utilities import BadRequest

from vitrine_serving.model_server.api import libevent
from vitrine_serving.model_server.api.tensorflow_rest import MAX_INFLATED_BYTES
from vitrine_serving.model_server.bounded_log import BoundedLog

MAX_CONNECTIONS = 1000
"""Connections at a time, and no more than the half of what the process may open."""

_CROWDED = 3 / 4
"""Share of them from which on idle ones are ended, until there are a third fewer."""

MAX_HEAD_BYTES = 2**20
"""Bytes of a request's line and headers."""

_IDLE_S = 1.0
"""Time that a connection is left without a request, also in such a crowd."""


_ODD_METHOD = re.compile(rb"(?=[!-~]*[^A-Z])[!-~]+")

_malformed = BoundedLog(logging.getLogger("vitrine_serving.model_server"))


class _Parser(HTTPRequestParser):
    """Parser of requests: where waitress' own raises, as `int` does for thousands of digits, the
    answer is 400; else it were a traceback in the log, and no answer."""

    def received(self, data: bytes) -> int:
        """Takes bytes of a request, and returns how many it needed; waitress calls it."""
        try:
            taken = int(super().received(data))
        except Exception as error:
            _malformed.line(logging.WARNING, "A request over HTTP cannot be read: %.200r", error)
            self._refuse("The request cannot be read")
            return len(data)
        if taken < len(data):  # libevent sends no 100 where the body is there
            self.expect_continue = False
        return taken

    def parse_header(self, header_plus: bytes) -> None:
        """Reads a head; waitress calls it. It refuses methods in small letters, and some signs,
        with 400: here they are but methods that nobody knows."""
        method, space, rest = header_plus.partition(b" ")
        if _ODD_METHOD.fullmatch(method):
            method = b"UNKNOWN"
        super().parse_header(method + space + rest)
        if not self.version.startswith(("0.", "1.")):
            raise ParsingError(f"HTTP/{self.version or 0.9} is not spoken here")

    def _refuse(self, words: str) -> None:
        self.error = BadRequest(words)
        self.completed = True


class _Task(WSGITask):
    """Task of a request: its connection ends with the answer where the application says so, which
    WSGI has no header for, and where the server ends."""

    def build_response_header(self) -> bytes:
        """Returns the head of the answer; waitress calls it."""
        if self.get_environment().get(libevent.CLOSES) or self.channel.server.is_ending:
            self.set_close_on_finish()
        return bytes(super().build_response_header())


class _Channel(HTTPChannel):
    """Channel of a connection: sets its server's event `progress` when an answer is made, when
    bytes of one go out, and when the connection is closed; waitress calls these."""

    parser_class = _Parser
    task_class = _Task

    def service(self) -> None:
        """Answers a request."""
        super().service()
        self.server.progress.set()

    def handle_write(self) -> None:
        """Sends what is there to be sent."""
        super().handle_write()
        self.server.progress.set()

    def handle_close(self) -> None:
        """Closes the connection."""
        super().handle_close()
        self.server.progress.set()

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
        self._listeners[0].trigger.pull_trigger(partial(wasyncore.close_all, self._sockets))

    def channels(self) -> list[_Channel]:
        """Returns its connections, those that wait for an answer and the idle ones."""
        return [each for each in list(self._sockets.values()) if isinstance(each, _Channel)]

    def end_idle(self) -> None:
        """Ends idle connections where there are many; call it from time to time."""
        channels = self.channels()
        now_s = time.time()  # as waitress has it
        self._begun = {each: self._since(each, now_s) for each in channels if not each.requests}
        if len(channels) < _CROWDED * self._connections:
            return
        oldest = sorted((since, id(each), each) for each, (_, since) in self._begun.items())
        for since, _, channel in oldest[: len(channels) // 3]:
            if since < now_s - _IDLE_S and not channel.requests:
                channel.will_close = True  # as waitress ends those that are idle for two minutes
                self._begun.pop(channel)
        next(iter(channels)).server.pull_trigger()

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
