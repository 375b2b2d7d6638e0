"""Server pool: client-side load balancing over the model servers, and the state of each."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from operator import attrgetter

import grpc

from vitrine_client.errors import NotFound, Unreachable, VitrineError
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.tfserving import messages
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.upstream.connection import Connection, ServerState
from vitrine_serving.gateway.upstream.discovery import ServerEndpoint
from vitrine_serving.gateway.upstream.ejection import EjectionSettings, OutlierEjection
from vitrine_serving.gateway.upstream.zones import Zones, preferred

_FEW = 8
"""Servers up to which the least busy of all is looked for; above, the less busy of two that are
picked at random (Mitzenmacher, "The power of two choices in randomized load balancing", 2001)."""

_LOOKED_UP_S = 1.5
"""Seconds within which a name is looked up again, and all processes have seen it."""

_LOOK_S = 0.1
_DRAIN_S = 30.0
"""Seconds that a server that was removed has to answer the calls that it still has."""


class Pool:
    """Pool of connections to all model servers, in the order of the endpoints; lives in one running
    event loop. `make` makes a connection."""

    def __init__(
        self,
        make: Callable[[ServerEndpoint], Connection],
        names: Sequence[str],
        ejection: OutlierEjection | None = None,
        zones: Zones | None = None,
    ) -> None:
        self._make = make
        self._names = names
        self._ejection = ejection or OutlierEjection(EjectionSettings())
        self._zones = zones or Zones("", names)
        self._near: frozenset[Connection] = frozenset()
        self._connections: list[Connection] = []
        self._draining: dict[Connection, asyncio.Task[None]] = {}
        self._newcomers: set[Connection] = set()
        self._has_begun = False
        self._turn = 0
        self._changed = asyncio.Event()
        self._closed = False

    async def close(self) -> None:
        """Ends all connections; calls in flight raise `Unavailable`."""
        self._closed = True
        ended = list(self._draining.values())
        for task in ended:
            task.cancel()
        every = [*self._connections, *self._draining]
        await asyncio.gather(*ended, return_exceptions=True)
        await asyncio.gather(*(connection.close() for connection in every))

    def update(self, endpoints: Sequence[ServerEndpoint]) -> None:
        """Connects to servers that are new; those that are gone answer what they have, and get
        nothing more."""
        if self._closed:
            return
        known = {each.endpoint: each for each in self._connections}
        kept = [known.pop(each) if each in known else self._make(each) for each in endpoints]
        if self._has_begun:
            self._newcomers = self._newcomers.union(kept).difference(self._connections)
        self._connections, self._turn, self._has_begun = kept, 0, True
        self._near = frozenset(each for each in kept if self._zones.is_own(each.endpoint))
        self._ejection.note_servers(len(kept))
        self.absent()  # which has them connect
        for connection in known.values():
            self._draining[connection] = asyncio.create_task(self._drain(connection))
        self._changed.set()
        self._changed.clear()

    def __iter__(self) -> Iterator[Connection]:
        """Iterates over the connections, those included that have calls and get no more."""
        return chain(self._connections, self._draining)

    async def _drain(self, connection: Connection) -> None:
        """Ends a connection once it has no calls any more."""
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_DRAIN_S):
                    while connection.in_flight:
                        await asyncio.sleep(_LOOK_S)
        finally:
            del self._draining[connection]
            await connection.close()

    def snapshot(self) -> list[ServerState]:
        """Returns how each server is doing; from any thread."""
        return [each.snapshot() for each in self._connections]

    def look_for_lost(self) -> None:
        """Notes which of the servers that were lost are connected again: a process that is asked
        nothing would not see it, and say for ever that they are gone."""
        for connection in self._connections:
            if connection.lost:
                connection.wait_s()

    def absent(self) -> Collection[Connection]:
        """Returns those of the servers that came later that have failed to connect, or take their
        time to: others are asked first."""
        if not self._newcomers:
            return ()
        self._newcomers = {each for each in self._newcomers if not each.is_reached()}
        return [each for each in self._newcomers if each.is_absent()]

    def judge(self) -> int:
        """Has the servers compared, and those that do worse than others left alone; returns how
        many there are."""
        called = [each.standing for each in self._connections if each.is_called()]
        self._ejection.judge(called, time.monotonic())
        return len(self._connections)

    def may_be_called(self) -> bool:
        """Says whether a call may go to any of them now."""
        return any(not each.wait_s() for each in self._connections)

    def may_be_found(self) -> bool:
        """Says whether any is lost, and could be up again."""
        return not self._connections or any(each.lost for each in self._connections)

    def usable(self) -> int:
        """Returns the number of calls that may be in flight with one for each server, 1 at least:
        those that may be called, and calls that hang at others; where all hang, each of them."""
        if len(self._connections) == 1 and not self._draining:
            return 1
        called = [each for each in self._connections if not each.wait_s()]
        well = [each for each in called if not each.silence]
        if not well:
            return max(1, len(called))
        if absent := self.absent():
            well = [each for each in well if each not in absent] or well
        if self._ejection.is_any_out:
            well = [each for each in well if each.standing.state != "ejected"] or well
        if self._near:
            well = preferred(well, self._near)
        hanging = sum(len(each.flights) for each in self._draining)
        return (
            len(well)
            + hanging
            + sum(len(each.flights) for each in self._connections if each.silence)
        )

    def all_left_alone(self) -> Unreachable:
        """Returns the error for when none of them may be called."""
        if not self._connections:
            return Unreachable(
                f"No address is known of {' or '.join(self._names)}; is the name right, and a "
                "model server started?",
                retry_after_s=1.0,
            )
        soonest = min(self._connections, key=Connection.wait_s)
        wait_s = soonest.wait_s()
        return Unreachable(
            f"No model server is answering, and none is tried for {wait_s:.1f} s; "
            f"the last failure: {soonest.last_failure}",
            retry_after_s=wait_s,
        )

    def select_server(self, but: Collection[Connection] = ()) -> Connection | None:
        """Returns the server with the fewest calls in flight, in turn if several have so few; None
        if none may be called. One that hangs, is absent, or does worse than the others, is taken
        where there is no other."""
        if len(self._connections) == 1:
            [only] = self._connections
            return None if only in but or only.wait_s() else only
        connections = self._connections[self._turn :] + self._connections[: self._turn]
        free = [each for each in connections if each not in but and not each.wait_s()]
        free = [each for each in free if not each.silence] or free
        if absent := self.absent():
            free = [each for each in free if each not in absent] or free
        if self._ejection.is_any_out:
            free = [each for each in free if each.standing.may_be_asked(each.in_flight)] or free
        if self._near:
            free = preferred(free, self._near)
        if not free:
            return None
        if len(free) > _FEW:
            free = random.sample(free, 2)
        best = min(free, key=attrgetter("in_flight"))  # the first of several
        self._turn = (self._connections.index(best) + 1) % len(connections)
        return best

    def lacking(self, model: ModelRef | None) -> list[Connection]:
        """Returns the servers that have just said that they cannot answer for a version."""
        return [each for each in self._connections if model in each.lacking]

    async def select_or_wait(
        self, deadline: float, model: ModelRef | None = None
    ) -> Connection | None:
        """Returns the server to call, rather one that can answer for a version; if none may be
        called, one that was lost and is connected again within the time for that, or that is new,
        else None."""
        if model and (found := self.select_server(self.lacking(model))):
            return found
        if found := self.select_server():
            return found
        timeout_s = min(messages.RECONNECT_S, deadline - time.monotonic())
        lost = [each for each in self._connections if each.lost]
        waits = [asyncio.create_task(each.wait_until_ready(timeout_s)) for each in lost]
        if not self._connections:
            until_next_s = min(_LOOKED_UP_S, deadline - time.monotonic())
            waits.append(asyncio.create_task(self._wait_for_address(until_next_s)))
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
        if not self._connections:
            await self._wait_for_address(min(_LOOKED_UP_S, timeout_s))
        asked = (_statuses(each, model, deadline) for each in self._connections)
        return list(await asyncio.gather(*asked))

    async def _wait_for_address(self, timeout_s: float) -> None:
        """Returns when there is one: that nothing is known yet is found out first."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout_s):
                while not self._connections:
                    await self._changed.wait()


async def _statuses(
    connection: Connection, model: str, deadline: float
) -> list[VersionStatus] | None:
    if connection.wait_s():
        return None
    try:
        request = messages.status_request(model)
        response, _ = await connection.call(messages.STATUS, request, deadline, ())
        return messages.read_statuses(response)
    except grpc.aio.AioRpcError as error:
        return [] if isinstance(connection.explain(error), NotFound) else None
    except VitrineError:  # closed, or no answer that makes sense
        return None
