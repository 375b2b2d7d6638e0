"""What a load goes out over, whatever its protocol: one request at a time, and nobody waits."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from selectors import BaseSelector
from typing import Protocol

from vitrine_client.loadtest.endpoint import Endpoint
from vitrine_client.loadtest.http_connection import Answered, HttpConnections
from vitrine_client.trust import Trust


class Connection(Protocol):
    """Sends a request, and tells later what became of it."""

    def send(self, content: bytes) -> str:
        """Begins a request. Returns what went wrong, where that shows at once."""

    def abort(self) -> None:
        """Gives up the request in flight: nobody is told of its end."""


Connect = Callable[[Answered], Connection]
"""Makes one more connection, which tells what became of each of its requests."""


@contextmanager
def connections_to(
    endpoint: Endpoint | str,
    selector: BaseSelector,
    timeout_s: float,
    *,
    tls: Trust | None = None,
) -> Iterator[Connect]:
    """Gives what makes connections to a server, and closes them in the end; `endpoint` is a string
    for gRPC, and `tls` whom that trusts. Who has the selector
    calls its keys' data, with their events and the time of them."""
    if isinstance(endpoint, str):
        from vitrine_client.loadtest.grpc_calls import GrpcCalls  # imports gRPC

        with closing(GrpcCalls(endpoint, selector, timeout_s, tls)) as calls:
            yield calls.connect
        return
    with closing(HttpConnections(endpoint, selector)) as connections:
        yield connections.connect
