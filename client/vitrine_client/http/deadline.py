"""Deadline of a whole HTTP exchange over requests' connections: the timeout of requests is for each
read, so that a peer which sends a byte now and then would hold a call for ever."""

import contextlib
import io
import socket
import ssl
import threading
import time
from http.client import HTTPResponse
from typing import Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

_MOST_CONNECTIONS = 256
"""Kept for the next call; who has more calls under way at once opens more, and closes them."""

_thread = threading.local()


class Exchange:
    """Exchange of a request and its answer in the thread that enters it: over at `deadline`, in
    seconds of `time.monotonic`, or when another thread ends it. Then `TimeoutError`, or what the
    connection raises that is lost."""

    def __init__(self, deadline: float) -> None:
        self._deadline = deadline
        self._socket: socket.socket | None = None

    def __enter__(self) -> Self:
        _thread.exchange = self
        return self

    def __exit__(self, *_: object) -> None:
        _thread.exchange = None

    def use(self, connected: socket.socket) -> None:
        """Has the next operation of a socket end in time."""
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        connected.settimeout(left_s)
        self._socket = connected

    def end(self) -> None:
        """Ends it from another thread, also while that waits for the peer."""
        self._deadline = 0.0
        connected = self._socket
        if connected:
            with contextlib.suppress(OSError):  # it is closed already
                connected.shutdown(socket.SHUT_RDWR)


def _current() -> Exchange | None:
    return getattr(_thread, "exchange", None)


class _Reader(io.RawIOBase):
    """Raw stream of a response's body, whose reads end with the exchange."""

    def __init__(self, connected: socket.socket, exchange: Exchange) -> None:
        self._connected = connected
        self._file = connected.makefile("rb", buffering=0)  # the socket stays open until it is read
        self._exchange = exchange

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._exchange.use(self._connected)
        return self._connected.recv_into(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()


class _Response(HTTPResponse):
    def __init__(self, sock: socket.socket, *args: Any, **kwargs: Any) -> None:
        super().__init__(sock, *args, **kwargs)
        if exchange := _current():
            self.fp.close()
            self.fp = io.BufferedReader(_Reader(sock, exchange))


class _Bounded:
    """Connection that sends within the exchange, too."""

    sock: Any
    response_class: Any = _Response

    def send(self, data: Any) -> None:
        exchange = _current()
        if self.sock and exchange:
            exchange.use(self.sock)
        super().send(data)  # type: ignore[misc]


class _Connection(_Bounded, HTTPConnection):
    pass


class _SecureConnection(_Bounded, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class BoundedAdapter(HTTPAdapter):
    """HTTP adapter of requests that keeps a thread within the `Exchange` that it has entered,
    proxies and TLS included. It does not bound the look-up of a name. With a `context` that
    alone decides about TLS."""

    def __init__(self, context: ssl.SSLContext | None = None) -> None:
        self._context = context
        super().__init__(pool_maxsize=_MOST_CONNECTIONS)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Makes the connections' pools; requests calls it."""
        super().init_poolmanager(*args, **kwargs)
        _use_bounded_pools(self.poolmanager)

    def build_connection_pool_key_attributes(self, *args: Any, **kwargs: Any) -> Any:
        """Returns the attributes of a pool of connections; requests calls it."""
        host, pool = super().build_connection_pool_key_attributes(*args, **kwargs)
        if self._context:
            checked = self._context.verify_mode is ssl.CERT_REQUIRED
            pool = {
                "ssl_context": self._context,
                "cert_reqs": "CERT_REQUIRED" if checked else "CERT_NONE",
            }
        return host, pool

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Adds the trust of requests; requests calls it."""
        if not self._context:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Makes those of a proxy; requests calls it."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        _use_bounded_pools(manager)
        return manager


def _use_bounded_pools(manager: Any) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}


def new_session(context: ssl.SSLContext | None = None) -> requests.Session:
    """Returns a session that keeps within exchanges, and has `context` decide about TLS."""
    session = requests.Session()
    adapter = BoundedAdapter(context)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session
