"""What a load goes out over, whatever its protocol: one request at a time, and nobody waits."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from selectors import BaseSelector
from typing import Protocol

from vitrine_client.loadtest.generator.endpoint import Endpoint
from vitrine_client.loadtest.generator.http_connection import Answered, HttpConnection
from vitrine_client.loadtest.generator.tally import Tally
from vitrine_client.process.trust import Trust


class Connection(Protocol):
    """Sends a request, and tells later what became of it."""

    def send(self, content: bytes) -> str:
        """Begins a request. Returns what went wrong, where that shows at once."""

    def abort(self) -> None:
        """Gives up the request in flight: nobody is told of its end."""


class Connections(Protocol):
    """All connections to one server, and their tally."""

    tally: Tally

    def connect(self, answered: Answered) -> Connection:
        """Makes one more connection, which tells what became of each of its requests."""


class HttpConnections:
    """All connections to one HTTP server; `kind` is of each."""

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

    def connect(self, answered: Answered) -> HttpConnection:
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
    kind: type[HttpConnection] = HttpConnection,
) -> Iterator[Connections]:
    """Gives what makes connections to a server, and closes them in the end; `endpoint` is a string
    for gRPC, `tls` whom that trusts, and `headers` are the metadata of its calls. Who has the
    selector calls its keys' data, with their events and the time of them."""
    if isinstance(endpoint, str):
        from vitrine_client.loadtest.generator.grpc_calls import GrpcCalls  # imports gRPC

        with closing(GrpcCalls(endpoint, selector, timeout_s, tls, headers)) as calls:
            yield calls
        return
    with closing(HttpConnections(endpoint, selector, kind)) as connections:
        yield connections
