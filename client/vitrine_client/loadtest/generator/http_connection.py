"""HTTP/1.1 without waiting: a connection that is kept, for one request at a time."""

import errno
import socket
import ssl
import time
from collections.abc import Callable
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector

import httptools

from vitrine_client.loadtest.generator import faults
from vitrine_client.loadtest.generator.endpoint import Endpoint
from vitrine_client.loadtest.generator.tally import Tally

Answered = Callable[[str, bytes, float], None]
"""Is told what went wrong (empty if nothing did), the answer's body, and when it was there."""

_READ_BYTES = 65536
"""More than TLS decrypts at once, so that nothing is left that no selector tells of."""

_OK = 200
_TRY_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class HttpConnection:
    """Connects when there is something to send, and anew when that was closed.

    The selector's keys have what to call with the events and the time of them. `tls` is for an
    endpoint with a server name."""

    def __init__(
        self,
        endpoint: Endpoint,
        tls: ssl.SSLContext | None,
        selector: BaseSelector,
        tally: Tally,
        answered: Answered,
    ) -> None:
        self._endpoint, self._tls, self._selector = endpoint, tls, selector
        self._tally, self._answered = tally, answered
        self._began_s = self._connect_s = 0.0
        self._before, self._answers, self._is_quiet = 0, 0, True
        self._socket: socket.socket | None = None
        self._in_flight = self._complete = False
        self._unsent: bytes | memoryview = b""
        self._status, self._keep, self._body = 0, True, b""

    def send(self, content: bytes) -> str:
        """Begins a request. Returns what went wrong, where that shows at once."""
        self._unsent, self._body, self._in_flight = content, b"", True
        self._is_quiet = True
        fault = self._connect() if self._socket is None else self._write()
        if fault:
            self.abort()
        return fault

    def abort(self) -> None:
        """Forgets the request in flight, and closes the connection."""
        self._in_flight = False
        if self._socket is not None:
            self._selector.unregister(self._socket)
            self._socket.close()
            self._socket = None

    def _connect(self) -> str:
        self._began_s, self._before, self._answers = time.monotonic(), self._answers, 0
        try:
            connecting = socket.socket(self._endpoint.family, socket.SOCK_STREAM)
        except OSError as error:  # no file descriptor is left
            return faults.of(error)
        connecting.setblocking(False)
        connecting.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        code = connecting.connect_ex(self._endpoint.address)
        if code not in (0, errno.EINPROGRESS):
            connecting.close()
            return faults.of(OSError(code, ""))
        self._socket = connecting
        self._parser = httptools.HttpResponseParser(self)
        self._status, self._complete = 0, False
        self._selector.register(connecting, EVENT_WRITE, self._connected)
        return ""

    def _connected(self, _: int, now_s: float) -> None:
        if self._socket is None:
            return
        code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            self._end(faults.of(OSError(code, "")), now_s)
            return
        self._connect_s = now_s - self._began_s
        if self._tls is None:
            self._open(now_s)
        else:
            self._selector.unregister(self._socket)
            self._socket = self._tls.wrap_socket(
                self._socket,
                server_hostname=self._endpoint.server_name,
                do_handshake_on_connect=False,
            )
            self._selector.register(self._socket, EVENT_WRITE, self._shake_hands)

    def _shake_hands(self, _: int, now_s: float) -> None:
        if not isinstance(self._socket, ssl.SSLSocket):
            return
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            self._selector.modify(self._socket, EVENT_READ, self._shake_hands)
        except ssl.SSLWantWriteError:
            self._selector.modify(self._socket, EVENT_WRITE, self._shake_hands)
        except OSError as error:
            self._end(faults.of(error), now_s)
        else:
            self._open(now_s)

    def _open(self, now_s: float) -> None:
        if self._socket is not None:
            self._selector.modify(self._socket, EVENT_READ, self._read)
        tls_s = time.monotonic() - self._began_s - self._connect_s if self._tls else 0.0
        self._tally.connected(self._began_s, self._connect_s, tls_s, self._before)
        fault = self._write()
        if fault:
            self._end(fault, now_s)

    def _write(self) -> str:
        if self._socket is None:
            return ""
        try:
            sent = self._socket.send(self._unsent)
        except _TRY_LATER:
            sent = 0
        except OSError as error:
            return self._lost(faults.of(error))
        if sent == len(self._unsent):
            self._unsent = b""
        else:
            self._unsent = memoryview(self._unsent)[sent:]
            self._selector.modify(self._socket, EVENT_READ | EVENT_WRITE, self._write_on)
        return ""

    def _write_on(self, events: int, now_s: float) -> None:
        if events & EVENT_WRITE:
            fault = self._write()
            if fault:
                self._end(fault, now_s)
            elif self._socket is not None and not self._unsent:
                self._selector.modify(self._socket, EVENT_READ, self._read)
        if events & EVENT_READ:
            self._read(events, now_s)

    def _read(self, _: int, now_s: float) -> None:
        if self._socket is None:  # closed since the selector told of it
            return
        try:
            received = self._socket.recv(_READ_BYTES)
            if received:
                self._is_quiet = False
                self._parser.feed_data(received)
        except _TRY_LATER:
            return
        except OSError as error:
            self._end(self._lost(faults.of(error)), now_s)
            return
        except httptools.HttpParserError:
            self._end(faults.NO_HTTP, now_s)
            return
        if self._complete:
            self._finish(now_s)
        elif not received and self._status and not self._keep:
            self._finish(now_s)  # a body without a length ends with the connection
        elif not received:
            self._end(self._lost(faults.RESET), now_s)

    def _lost(self, fault: str) -> str:
        """Returns the fault of a connection that broke: of one that had answered, and on which
        nothing has come since, it is the server that keeps none for so long."""
        if fault != faults.RESET or not (self._in_flight and self._answers and self._is_quiet):
            return fault
        self._tally.closed(self._answers)
        return faults.CLOSED

    def on_headers_complete(self) -> None:
        """Is called by the parser."""
        self._status = self._parser.get_status_code()
        self._keep = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        """Is called by the parser, for each piece."""
        self._body = self._body + body if self._body else body

    def on_message_complete(self) -> None:
        """Is called by the parser, also for what comes before an answer (100 Continue)."""
        self._complete = self._status >= _OK

    def _finish(self, now_s: float) -> None:
        status, self._status, self._complete = self._status, 0, False
        if not self._in_flight:
            self.abort()  # an answer that nobody asked for
            return
        self._in_flight = False
        self._answers += 1
        if not (self._keep and self._endpoint.keep_alive) or self._unsent:
            self.abort()
        self._answered("" if status == _OK else f"HTTP {status}", self._body, now_s)

    def _end(self, fault: str, now_s: float) -> None:
        """Closes; where a request was in flight, this is what became of it."""
        in_flight = self._in_flight
        self.abort()
        if in_flight:
            self._answered(fault, b"", now_s)
