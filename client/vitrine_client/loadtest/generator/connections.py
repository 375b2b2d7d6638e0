"""Connections of a load, over HTTP or gRPC: one request at a time on each, and none blocks."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from selectors import BaseSelector
from typing import Protocol

from vitrine_client.loadtest.generator.http_connection import (
    Endpoint,
    HttpConnection,
    ResponseCallback,
    Tally,
)
from vitrine_client.process.trust import Trust


class LoadConnection(Protocol):
    """Connection that sends a request, and reports its outcome later."""

    def send(self, content: bytes) -> str:
        """Begins a request. Returns its fault, where that shows at once."""

    def abort(self) -> None:
        """Gives up the request in flight: nobody is told of its end."""


class LoadConnections(Protocol):
    """Connections to one server, and their tally."""

    tally: Tally

    def connect(self, answered: ResponseCallback) -> LoadConnection:
        """Makes one more connection, which reports the outcome of each of its requests."""


class HttpConnections:
    """Connections to one HTTP server; `kind` is of each."""

    def __init__(
        self,
        endpoint: Endpoint,
        selector: BaseSelector,
        kind: type[HttpConnection] = HttpConnection,
    ) -> None:
        self._endpoint, self._selector, self._kind = endpoint, selector, kind
        secure = bool(endpoint.server_name)
        self._tls = (endpoint.tls or Trust.chosen()).context() if secure else None
        self._made: list[HttpConnection] = []
        self.tally = Tally()

    def connect(self, answered: ResponseCallback) -> HttpConnection:
        """Adds one; it connects when it has something to send."""
        made = self._kind(self._endpoint, self._tls, self._selector, self.tally, answered)
        self._made.append(made)
        return made

    def close(self) -> None:
        """Closes all of them."""
        for connection in self._made:
            connection.abort()


@contextmanager
def connections_to(
    endpoint: Endpoint | str,
    selector: BaseSelector,
    timeout_s: float,
    *,
    tls: Trust | None = None,
    headers: tuple[tuple[str, str], ...] = (),
    method: str = "",
    kind: type[HttpConnection] = HttpConnection,
) -> Iterator[LoadConnections]:
    """Gives the maker of connections to a server, and closes them in the end; `endpoint` is a
    string for gRPC, `tls` whom that trusts, `headers` are the metadata of its calls, and `method`
    is the path of what it calls unless that is `Predict`. Who has
    the selector calls its keys' data, with their events and the time of them."""
    if isinstance(endpoint, str):
        from vitrine_client.loadtest.generator.grpc_calls import GrpcCalls  # imports gRPC

        with closing(GrpcCalls(endpoint, selector, timeout_s, tls, headers, method)) as calls:
            yield calls
        return
    with closing(HttpConnections(endpoint, selector, kind)) as connections:
        yield connections
