"""HTTP/1.1 connection that never blocks: kept alive, for one request at a time."""

import errno
import re
import socket
import ssl
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector
from typing import Any
from urllib.parse import urlsplit

import httptools

from vitrine_client import errors
from vitrine_client.loadtest.generator import faults
from vitrine_client.process import addresses
from vitrine_client.process.trust import Trust

TALLY_FIELDS = 4
"""Of a connection that was made: when it was begun (`time.monotonic`), for how many seconds it
connected and shook hands for TLS (0 without), and how many answers came on the one before it."""


class Tally:
    """Tally of the connections of one process: their making, and their loss."""

    def __init__(self) -> None:
        self.made = array("d")
        self.fewest = self.most = 0

    def connected(self, began_s: float, connect_s: float, tls_s: float, before: int) -> None:
        """Notes that a connection is there, and how many answers the one before it had."""
        self.made.extend((began_s, connect_s, tls_s, before))

    def closed(self, answers: int) -> None:
        """Notes that a connection was closed under a request, after so many answers."""
        self.fewest = min(self.fewest or answers, answers)
        self.most = max(self.most, answers)


@dataclass(frozen=True)
class Endpoint:
    """Endpoint of a server: a socket's family and address; `server_name` is the name in the
    certificate that is expected, empty without TLS. Without `keep_alive` each request has a
    connection of its own.
    """

    family: int
    address: Any
    server_name: str = ""
    tls: Trust | None = None
    keep_alive: bool = True


def reach(
    url: str, timeout_s: float, *, tls: Trust | None = None, keep_alive: bool = True
) -> Endpoint:
    """Returns the address of a URL that takes connections, where its name has several.

    Raises `InvalidRequest` for a text that is no URL, `Unavailable` where nobody listens.
    """
    parts, shown = urlsplit(url), addresses.without_password(url)
    try:
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as error:
        raise errors.InvalidRequest(f"{shown} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise errors.InvalidRequest(f"{shown} is no URL; it begins with http:// or https://")
    try:
        with socket.create_connection((parts.hostname, port), timeout_s) as probe:
            name = parts.hostname if parts.scheme == "https" else ""
            return Endpoint(probe.family, probe.getpeername(), name, tls, keep_alive)
    except OSError as error:
        if (own := faults.OWN.get(faults.of(error))) is not None:
            raise errors.VitrineError(f"No connection can be made to {shown}: {own}") from error
        raise errors.Unavailable(f"Nobody answers at {shown} ({error})") from error


def tls_failure(endpoint: Endpoint, timeout_s: float) -> OSError | None:
    """Returns the error of a TLS handshake, None for one that succeeds."""
    context = (endpoint.tls or Trust.chosen()).context()
    try:
        with socket.socket(endpoint.family) as probe:
            probe.settimeout(timeout_s)
            probe.connect(endpoint.address)
            context.wrap_socket(probe, server_hostname=endpoint.server_name).close()
    except OSError as error:
        return error
    return None


ResponseCallback = Callable[[str, bytes, float], None]
"""Callback with the fault (empty without one), the response's body, and its time."""

_READ_BYTES = 65536
"""More than TLS decrypts at once, so that nothing is left that no selector tells of."""

_OK = 200
_HAS_END = re.compile(rb"\r\n(content-length|transfer-encoding):", re.IGNORECASE)
_TRY_LATER = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)


class HttpConnection:
    """Connection that is made when there is something to send, and again after it was closed.

    The selector's keys have callbacks, which take the events and their time. `tls` is for an
    endpoint with a server name."""

    def __init__(
        self,
        endpoint: Endpoint,
        tls: ssl.SSLContext | None,
        selector: BaseSelector,
        tally: Tally,
        answered: ResponseCallback,
    ) -> None:
        self._endpoint, self._tls, self._selector = endpoint, tls, selector
        self._tally, self._answered = tally, answered
        self._began_s = self._connect_s = 0.0
        self._before, self._answers, self._is_quiet = 0, 0, True
        self._socket: socket.socket | None = None
        self._in_flight = self._complete = False
        self._unsent: bytes | memoryview = b""
        self._status, self._keep = 0, True
        self._body: list[bytes] = []
        self._first, self._received = b"", 0

    def send(self, content: bytes) -> str:
        """Begins a request. Returns its fault, where that shows at once."""
        self._unsent, self._body, self._in_flight = content, [], True
        self._is_quiet, self._received = True, 0
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
            connected, self._socket = self._socket, None
            self._selector.unregister(connected)
            try:
                self._socket = self._tls.wrap_socket(
                    connected,
                    server_hostname=self._endpoint.server_name,
                    do_handshake_on_connect=False,
                )
            except OSError as error:  # it hung up meanwhile
                connected.close()
                self._end(faults.of(error), now_s)
                return
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
                if self._is_quiet:
                    self._first, self._is_quiet = received, False
                self._received += len(received)
                self._parser.feed_data(received)
        except _TRY_LATER:
            return
        except OSError as error:
            self._end(self._lost(faults.of(error)), now_s)
            return
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            is_interim = 0 < self._status < _OK  # 101: what follows is another protocol's
            self._end(f"HTTP {self._status}" if is_interim else faults.NO_HTTP, now_s)
            return
        self._see(now_s, at_end=not received)

    def _see(self, now_s: float, *, at_end: bool) -> None:
        """Ends the request in flight, if its answer is whole, or too long, or will not come."""
        is_body = self._status >= _OK
        most = faults.LONGEST_BYTES if is_body else faults.LONGEST_HEAD_BYTES
        if self._received > most:
            self._end(faults.TOO_LONG, now_s)
        elif self._complete:
            self._finish(now_s)
        elif at_end and is_body and not self._keep and not self._has_end:
            self._finish(now_s)  # a body without a length ends with the connection
        elif at_end:
            self._end(self._lost(faults.RESET), now_s)

    def _lost(self, fault: str) -> str:
        """Returns the fault of a connection that broke: of one that had answered, and on which
        nothing has come since, it is the server that keeps none for so long."""
        if fault != faults.RESET or not (self._in_flight and self._answers and self._is_quiet):
            return fault
        self._tally.closed(self._answers)
        return faults.CLOSED

    @property
    def _has_end(self) -> bool:
        """Whether the head of an answer says where its body ends; asked for where it did not."""
        return bool(_HAS_END.search(self._first.partition(b"\r\n\r\n")[0]))

    def on_headers_complete(self) -> None:
        """Is called by the parser."""
        self._status = self._parser.get_status_code()
        self._keep = self._parser.should_keep_alive()

    def on_body(self, body: bytes) -> None:
        """Is called by the parser, for each piece."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """Is called by the parser, also for an interim response (100 Continue)."""
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
        self._answered("" if status == _OK else f"HTTP {status}", b"".join(self._body), now_s)

    def _end(self, fault: str, now_s: float) -> None:
        """Closes; where a request was in flight, it ends with this fault."""
        in_flight = self._in_flight
        self.abort()
        if in_flight:
            self._answered(fault, b"", now_s)
