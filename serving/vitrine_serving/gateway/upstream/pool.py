"""Server pool: client-side load balancing over the model servers, and the state of each."""

import asyncio
import time
from collections.abc import Collection, Sequence
from operator import attrgetter

import grpc

from vitrine_client.errors import NotFound, Unreachable, VitrineError
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.tfserving import messages
from vitrine_serving.gateway.upstream.connection import Connection, ServerState


class Pool:
    """Pool of connections to all model servers, in the order of the addresses; lives in one
    running event loop."""

    def __init__(self, connections: Sequence[Connection]) -> None:
        self._connections = list(connections)
        self._turn = 0

    async def close(self) -> None:
        """Ends all connections; calls in flight raise `Unavailable`."""
        await asyncio.gather(*(connection.close() for connection in self._connections))

    def snapshot(self) -> list[ServerState]:
        """Returns how each server is doing; from any thread."""
        return [each.snapshot() for each in self._connections]

    def look_for_lost(self) -> None:
        """Notes which of the servers that were lost are connected again: a process that is asked
        nothing would not see it, and say for ever that they are gone."""
        for connection in self._connections:
            if connection.lost:
                connection.wait_s()

    def may_be_called(self) -> bool:
        """Says whether a call may go to any of them now."""
        return any(not each.wait_s() for each in self._connections)

    def may_be_found(self) -> bool:
        """Says whether any is lost, and could be up again."""
        return any(each.lost for each in self._connections)

    def all_left_alone(self) -> Unreachable:
        """Returns the error for when none of them may be called."""
        soonest = min(self._connections, key=Connection.wait_s)
        wait_s = soonest.wait_s()
        return Unreachable(
            f"No model server is answering, and none is tried for {wait_s:.1f} s; "
            f"the last failure: {soonest.last_failure}",
            retry_after_s=wait_s,
        )

    def select_server(self, but: Collection[Connection] = ()) -> Connection | None:
        """Returns the server with the fewest calls in flight, in turn if several have so few; None
        if no breaker lets a call through."""
        connections = self._connections[self._turn :] + self._connections[: self._turn]
        free = [each for each in connections if each not in but and not each.wait_s()]
        if not free:
            return None
        best = min(free, key=attrgetter("in_flight"))  # the first of several
        self._turn = (self._connections.index(best) + 1) % len(connections)
        return best

    async def select_or_wait(self, deadline: float) -> Connection | None:
        """Returns the server to call; if none may be called, one that was lost and is connected
        again within the time for that, else None."""
        if found := self.select_server():
            return found
        lost = [each for each in self._connections if each.lost]
        timeout_s = min(messages.RECONNECT_S, deadline - time.monotonic())
        waits = [asyncio.create_task(each.wait_until_ready(timeout_s)) for each in lost]
        if waits:
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
        return self.select_server()

    async def statuses(self, model: str, *, timeout_s: float) -> list[list[VersionStatus] | None]:
        """Returns what each server says of a model's versions, nothing of one that it does not
        know; None for one that does not answer. Raises nothing."""
        deadline = time.monotonic() + timeout_s
        asked = (_statuses(each, model, deadline) for each in self._connections)
        return list(await asyncio.gather(*asked))


async def _statuses(
    connection: Connection, model: str, deadline: float
) -> list[VersionStatus] | None:
    if connection.wait_s():
        return None
    try:
        request = messages.status_request(model)
        return messages.read_statuses(await connection.call(messages.STATUS, request, deadline, ()))
    except grpc.aio.AioRpcError as error:
        return [] if isinstance(connection.explain(error), NotFound) else None
    except VitrineError:  # closed, or no answer that makes sense
        return None
