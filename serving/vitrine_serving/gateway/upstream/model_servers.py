"""Upstream: client-side load balancing over model servers, with retries and health checks."""

import asyncio
import logging
import math
import time
from collections.abc import Mapping, Sequence
from typing import Annotated

import grpc
from pydantic import Field

from vitrine_client.errors import (
    ResourceExhausted,
    Unavailable,
    VitrineError,
)
from vitrine_client.process import local_sockets
from vitrine_client.process.addresses import (
    GRPC_OFFSET,
    HOST,
    PORT,
    checked_zone,
    checked_zoned_server,
)
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.results.profiles.description import Description
from vitrine_client.tfserving import messages, ttrpc
from vitrine_serving.gateway.models.describer import ModelDescriber
from vitrine_serving.gateway.models.descriptions import Descriptions
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.settings_part import Names, SettingsPart, by, each
from vitrine_serving.gateway.shared_memory import Snapshots
from vitrine_serving.gateway.upstream.breaker import Breaker, BreakerSettings
from vitrine_serving.gateway.upstream.connection import Connection, Metadata, ServerState
from vitrine_serving.gateway.upstream.discovery import Discovery, Resolve, resolve
from vitrine_serving.gateway.upstream.ejection import (
    FAULTS,
    EjectionSettings,
    EjectionWatch,
    OutlierEjection,
    ServerStanding,
)
from vitrine_serving.gateway.upstream.lacking import Lacking
from vitrine_serving.gateway.upstream.pool import Pool
from vitrine_serving.gateway.upstream.retries import RetryBudget, RetrySettings, pause_s
from vitrine_serving.gateway.upstream.silence import SilenceWatch
from vitrine_serving.gateway.upstream.zones import Zones

log = logging.getLogger(__name__)

_DESCRIBE_S = 10.0

HEDGE_S = 2.0
"""Seconds after which a call may be asked of another server as well."""

_MISSING = (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION)
"""Answers of a server that lacks a version, or cannot use it; another may have it."""

_SILENT = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


class UpstreamSettings(SettingsPart):
    """Addresses of the model servers."""

    model_server: Annotated[Names, each(checked_zoned_server)] = Field(
        (f"{HOST}:{PORT + GRPC_OFFSET}",), min_length=1
    )
    """The model servers' gRPC addresses, HOST:PORT or HOST:PORT@ZONE, separated by commas;
    ttrpc:PATH for the local socket of an embedded one. By default that of `VITRINE_LOCAL_SOCKET`,
    else `VITRINE_GRPC_PORT` of this machine, or `VITRINE_PORT` + 420."""
    zone: Annotated[str, by(checked_zone)] = ""
    """Zone of the gateway: model servers in it are asked, and others where fewer than half of them
    may be."""
    local_socket: Annotated[str, by(local_sockets.checked_choice)] = ""
    """Path of the socket on which an embedded model server on this machine is asked, faster than
    over gRPC; `vitrine-serve up` has one by itself, unless this is `off`."""
    model_server_name: str = ""
    """Name in the model servers' certificates, if not their address."""
    models_dir: str = ""
    """Directory of the models, where it is mounted here: `assets.extra/profile.json` and
    `labels.txt` of models that do not describe themselves are read in it, which TensorFlow Serving
    does not hand out. Without it an embedded model server is asked for them."""

    @property
    def zones(self) -> Zones:
        """The zones of the model servers."""
        return Zones(self.zone, self.model_server)


class ModelServers:
    """Upstream of model servers that serve the same models; made and used in one event loop.

    Each address behind a name is a server; `found` is shared by the processes that look them up. A
    call goes to the server with the fewest in flight. One that is answered UNAVAILABLE goes to
    another, or again to the same after a pause, at most `max_attempts` times within its deadline
    and while retries are at most `retry_budget` of all calls. A server that fails
    `breaker_failures` times in a row is left alone for `breaker_open_s`; one that is not connected
    is left alone until it is, and where nobody else is left, calls wait for that a moment. That a
    call ran out of time counts as a failure only if it had `fair_timeout_s`.

    All calls raise `NotFound`, `InvalidRequest`, `ResourceExhausted`, `Unavailable`,
    `DeadlineExceeded` or `ServerError`; cancelling one cancels it at the server.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        credentials: grpc.ChannelCredentials | None = None,
        server_name: str = "",
        found: Snapshots | None = None,
        resolve: Resolve = resolve,
        retrying: RetrySettings | None = None,
        breaker: BreakerSettings | None = None,
        ejection: EjectionSettings | None = None,
        zone: str = "",
        fair_timeout_s: float = 1.0,
        describer: ModelDescriber | None = None,
    ) -> None:
        retrying, breaker = retrying or RetrySettings(), breaker or BreakerSettings()
        self.retries = self.skews = self.large_messages = 0
        self._max_attempts = retrying.max_attempts
        self._budget = RetryBudget(retrying.retry_budget)
        # Models that take long are to leave the other one to servers that fail.
        self._speculation = RetryBudget(retrying.retry_budget)
        self._faulty = Lacking()
        self._descriptions = Descriptions()
        self._describer = describer or ModelDescriber()
        self._ejection = OutlierEjection(ejection or EjectionSettings())
        zones = Zones(zone, addresses)
        self._pool = Pool(
            lambda endpoint: Connection(
                endpoint,
                Breaker(breaker.breaker_failures, breaker.breaker_open_s),
                ServerStanding(str(endpoint), self._ejection),
                credentials=credentials,
                fair_timeout_s=fair_timeout_s,
                note_large=self._note_large,
            ),
            *(zones.addresses, self._ejection, zones),
        )
        self._discovery = Discovery(zones.addresses, server_name, found, resolve)
        self._pool.update(self._discovery.endpoints({}))
        if self._discovery.has_names:
            self._discovery.start(self._pool.update)
        self._watch = SilenceWatch(self._pool, self._may_repeat)
        self._comparisons = EjectionWatch(self._ejection.due, self._pool.judge)

    async def close(self) -> None:
        """Ends all connections; calls in flight raise `Unavailable`."""
        self._discovery.stop()
        await self._watch.close()
        await self._comparisons.close()
        await self._pool.close()
        await self._descriptions.close()

    def usable(self) -> int:
        """Returns the number of servers that may be called, 1 at least."""
        return self._pool.usable()

    @property
    def ejections(self) -> Mapping[str, int]:
        """The number of times that a server was left alone, as it did worse than others, by what
        it did."""
        return self._ejection.counts

    def snapshot(self) -> list[ServerState]:
        """Returns how each server is doing, in the order of the addresses."""
        return self._pool.snapshot()

    def look_for_lost(self) -> None:
        """Has `snapshot` tell of the servers that were lost and are connected again."""
        self._pool.look_for_lost()

    def _note_large(self) -> None:
        """Counts a message that is too large for the local transport, and says so once."""
        if not self.large_messages:
            log.warning(
                "A message of more than %d MiB went to the model server by gRPC, which takes it; "
                "those that follow are counted",
                ttrpc.MOST_BYTES >> 20,
            )
        self.large_messages += 1

    async def call(
        self, method: str, request: bytes, *, timeout_s: float, metadata: Metadata = ()
    ) -> bytes:
        """Calls `method` ("PredictionService/Predict"), serialised messages in and out."""
        return (await self.exchange(method, request, timeout_s=timeout_s, metadata=metadata))[0]

    async def exchange(
        self,
        method: str,
        request: bytes,
        *,
        timeout_s: float,
        metadata: Metadata = (),
        first: Connection | None = None,
        model: ModelRef | None = None,
        hedge_after_s: float = math.inf,
    ) -> tuple[bytes, Connection]:
        """Calls `method`, and also returns the connection that has answered; `first` is tried
        first, if it may be called.

        A server that cannot answer for `model`, as another can, is left out for a moment. What has
        no answer after `hedge_after_s` is asked of another as well.
        """
        deadline = time.monotonic() + timeout_s
        self._budget.deposit()
        self._speculation.deposit()
        may_begin = first and not first.wait_s()
        connection = first if may_begin else await self._pool.select_or_wait(deadline, model)
        if connection is None:
            raise self._pool.all_left_alone()
        tried: list[Connection] = []
        fault: VitrineError | None = None
        while True:
            try:
                answer = await connection.call(method, request, deadline, metadata, hedge_after_s)
            except grpc.aio.AioRpcError as error:
                tried.append(connection)
                code, reason = error.code(), connection.explain(error)
                if code in FAULTS and time.monotonic() > deadline - timeout_s / 2:
                    raise reason from error  # another would not be faster
                another = await self._next(code, reason, tried, deadline, model)
                if code in FAULTS:
                    fault = fault or reason
                if another is None:
                    # What a server says tells more than that another says nothing.
                    raise (fault if code in _SILENT and fault else reason) from error
                connection = another
            else:
                if tried and model:
                    self._note_difference(tried[-1], code, reason, model)
                return answer

    async def _next(
        self,
        code: grpc.StatusCode,
        reason: VitrineError,
        tried: list[Connection],
        deadline: float,
        model: ModelRef | None,
    ) -> Connection | None:
        """Returns the server to ask after an error, None where the error is the answer."""
        if code is grpc.StatusCode.UNAVAILABLE:
            return await self._next_for_retry(tried, deadline)
        if code in _MISSING and model:
            tried[-1].lacking.note(model)
            is_over = len(tried) >= self._max_attempts
            return (
                None if is_over else self._pool.select_server([*tried, *self._pool.lacking(model)])
            )
        is_full = isinstance(reason, ResourceExhausted)
        if is_full and model:
            tried[-1].lacking.note(model)
        if is_full or (model and code in FAULTS and not self._is_faulty(tried, model)):
            others = self._pool.select_server([*tried, *self._pool.lacking(model)])
            another = others or self._pool.select_server(tried)
            if len(tried) == 1 and another and self._may_repeat():
                return another
        if is_full:
            raise Unavailable(
                f"The model servers are full: {reason}", retry_after_s=1.0
            ) from reason
        return None

    def _is_faulty(self, tried: list[Connection], model: ModelRef) -> bool:
        """Says that a model fails on all servers, as it did on two of them; for a moment."""
        if len(tried) > 1:
            self._faulty.note(model)
        return model in self._faulty

    def _note_difference(
        self, failed: Connection, code: grpc.StatusCode, reason: VitrineError, model: ModelRef
    ) -> None:
        """Notes that a server has not answered what another has."""
        if code in _MISSING:
            self.skews += 1
        elif code in FAULTS:
            failed.note_fault(model, reason)

    def _may_repeat(self, *, speculative: bool = False) -> bool:
        """Says whether a call may be made again, and counts that."""
        if not (self._speculation if speculative else self._budget).withdraw():
            return False
        self.retries += 1
        return True

    async def describe(
        self, model: str, version: int, *, timeout_s: float, first: Connection | None = None
    ) -> Description:
        """Returns the labels, the card and the profile of a version, which are asked once a minute
        at most; `first` is a server that has it.

        Raises `ModelFault` where it describes itself with nonsense.
        """

        async def ask() -> Description:
            return await self._describer.describe(model, version, call)

        async def call(method: str, request: bytes) -> bytes:
            # Its deadline is its own: others share the answer, who may have more time.
            response, _ = await self.exchange(
                *(method, request),
                timeout_s=_DESCRIBE_S,
                first=first,
                model=ModelRef(model, version),
                hedge_after_s=HEDGE_S,
            )
            return response

        return await self._descriptions.get(model, version, ask, timeout_s=timeout_s)

    def forget_description(self, model: str, version: int) -> bool:
        """Has a version asked again, and tried again, as its description does not fit its answers;
        returns whether that was an old one, and may be another now."""
        is_tried_again = self._describer.forget_trial(model, version)
        return self._descriptions.forget(model, version) or is_tried_again

    async def status(
        self, model: str, *, version: int | None = None, timeout_s: float
    ) -> list[VersionStatus]:
        """Returns the states of all versions of a model, or of the one asked for."""
        request = messages.status_request(model, version=version)
        response = await self.call(messages.STATUS, request, timeout_s=timeout_s)
        return messages.read_statuses(response)

    async def all_statuses(
        self, model: str, *, timeout_s: float
    ) -> list[list[VersionStatus] | None]:
        """Returns what each server says of a model's versions: they need not be updated at the
        same time. None stands for one that does not answer; raises nothing."""
        return await self._pool.statuses(model, timeout_s=timeout_s)

    async def _next_for_retry(self, tried: list[Connection], deadline: float) -> Connection | None:
        """Returns the server for the next attempt, after the backoff; None to give up."""
        fresh = self._pool.select_server(but=tried)
        may_be_called = self._pool.may_be_called()
        if len(tried) >= self._max_attempts or not (may_be_called or self._pool.may_be_found()):
            return None
        wait_s = pause_s(len(tried)) if may_be_called and not fresh else 0.0
        if time.monotonic() + wait_s >= deadline or not self._may_repeat():
            return None
        if fresh:
            return fresh
        await asyncio.sleep(wait_s)
        return await self._pool.select_or_wait(deadline)
