"""The way to the model servers: whom to ask, whom to leave alone, when to ask again."""

import asyncio
import time
from collections.abc import Callable, Sequence

import grpc
import numpy as np
import numpy.typing as npt

from vitrine_client.results.predictions import (
    Description,
    Prediction,
    VersionStatus,
    to_predictions,
)
from vitrine_client.tfserving import messages as calls
from vitrine_serving.gateway.inference.decoder import Instances
from vitrine_serving.gateway.inference.predictor import Metadata
from vitrine_serving.gateway.models.descriptions import Descriptions
from vitrine_serving.gateway.upstream.breaker import Breaker
from vitrine_serving.gateway.upstream.connection import Connection, ServerState
from vitrine_serving.gateway.upstream.pool import Pool
from vitrine_serving.gateway.upstream.retries import RetryBudget, pause_s

Answered = Callable[[str, int, Description, Instances, npt.NDArray[np.float32]], None]
"""Takes a model, the version that answered and what it says of itself, the instances [n, 28, 28]
and their probabilities [n, classes]."""

Measured = Callable[[str, int, int, float], None]
"""Takes a model, the version that answered, how many instances it got and the seconds it took."""

_DESCRIBE_S = 10.0


class ModelServers:
    """Calls model servers that serve the same models; made and used in one running event loop.

    A call goes to the server with the fewest in flight. One that is answered UNAVAILABLE goes to
    another, or again to the same after a pause, at most `max_attempts` times within its deadline
    and while retries are at most `retry_budget` of all calls. A server that fails
    `breaker_failures` times in a row is left alone for `breaker_open_s`; one that is not connected
    is left alone until it is, and where nobody else is left, calls wait for that a moment. That a
    call ran out of time counts as a failure only if it had `fair_timeout_s`.

    `answered` gets to know of each answer to instances, as it came, and `measured` how long it
    took, attempts that failed included. They must not raise.

    All calls raise `NotFound`, `InvalidRequest`, `ResourceExhausted`, `Unavailable`,
    `DeadlineExceeded` or `ServerError`; cancelling one cancels it at the server.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        *,
        credentials: grpc.ChannelCredentials | None = None,
        server_name: str = "",
        max_attempts: int = 3,
        retry_budget: float = 0.1,
        breaker_failures: int = 5,
        breaker_open_s: float = 2.0,
        fair_timeout_s: float = 1.0,
        answered: Answered | None = None,
        measured: Measured | None = None,
    ) -> None:
        self.retries = 0
        self._answered = answered
        self._measured = measured
        self._pool = Pool(
            [
                Connection(
                    address,
                    Breaker(breaker_failures, breaker_open_s),
                    credentials=credentials,
                    server_name=server_name,
                    fair_timeout_s=fair_timeout_s,
                )
                for address in addresses
            ]
        )
        self._max_attempts = max_attempts
        self._budget = RetryBudget(retry_budget)
        self._descriptions = Descriptions()

    async def close(self) -> None:
        """Ends all connections; calls in flight raise `Unavailable`."""
        await self._pool.close()
        await self._descriptions.close()

    def snapshot(self) -> list[ServerState]:
        """Returns how each server is doing, in the order of the addresses."""
        return self._pool.snapshot()

    def look_for_lost(self) -> None:
        """Has `snapshot` tell of the servers that were lost and are connected again."""
        self._pool.look_for_lost()

    async def call(
        self, method: str, request: bytes, *, timeout_s: float, metadata: Metadata = ()
    ) -> bytes:
        """Calls `method` ("PredictionService/Predict"), serialised messages in and out.

        `metadata` goes along; gRPC wants its names in lower case and its values in printable ASCII.
        """
        response, _ = await self._call(method, request, time.monotonic() + timeout_s, metadata)
        return response

    async def predict_instances(
        self,
        model: str,
        instances: Instances,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float,
        metadata: Metadata = (),
    ) -> list[Prediction]:
        """Returns a prediction for each row of `instances`, [n, 28, 28], white on black."""
        started = time.monotonic()
        deadline = started + timeout_s
        request = calls.instances_request(model, instances, version=version, label=label)
        response, connection = await self._call(calls.PREDICT, request, deadline, metadata)
        answer = calls.read_answer(response)
        if self._measured:
            took_s = time.monotonic() - started
            self._measured(model, answer.version, len(instances), took_s)
        description = self._descriptions.known(model, answer.version)
        if description is None:
            # Others may not have this version: they need not be updated at the same time.
            description = await self._describe(model, answer.version, deadline, connection)
        labels, probabilities = description.labels, answer.outputs["probabilities"]
        if self._answered:
            self._answered(model, answer.version, description, instances, probabilities)
        return to_predictions(probabilities, labels, model, answer.version)

    async def describe(self, model: str, version: int, *, timeout_s: float) -> Description:
        """Returns the labels and the card of a version; each version is asked once."""
        return await self._describe(model, version, time.monotonic() + timeout_s)

    async def status(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float,
    ) -> list[VersionStatus]:
        """Returns the states of all versions of a model, or of the one asked for."""
        request = calls.status_request(model, version=version, label=label)
        return calls.read_statuses(await self.call(calls.STATUS, request, timeout_s=timeout_s))

    async def all_statuses(
        self, model: str, *, timeout_s: float
    ) -> list[list[VersionStatus] | None]:
        """Returns what each server says of a model's versions: they need not be updated at the
        same time. None stands for one that does not answer; raises nothing."""
        return await self._pool.statuses(model, timeout_s=timeout_s)

    async def _call(
        self,
        method: str,
        request: bytes,
        deadline: float,
        metadata: Metadata = (),
        first: Connection | None = None,
    ) -> tuple[bytes, Connection]:
        """Also returns who answered; `first` is asked first, if it may be."""
        self._budget.deposit()
        connection = first if first and not first.wait_s() else await self._pool.whom(deadline)
        if connection is None:
            raise self._pool.all_left_alone()
        tried: list[Connection] = []
        while True:
            try:
                response = await connection.call(method, request, deadline, metadata)
            except grpc.aio.AioRpcError as error:
                tried.append(connection)
                reason = connection.explain(error)
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise reason from error
                another = await self._another(tried, deadline)
                if another is None:
                    raise reason from error
                connection = another
            else:
                return response, connection

    async def _describe(
        self, model: str, version: int, deadline: float, first: Connection | None = None
    ) -> Description:
        async def ask() -> Description:
            # Its deadline is its own: others share the answer, who may have more time.
            until = time.monotonic() + _DESCRIBE_S
            request = calls.describe_request(model, version)
            response, _ = await self._call(calls.PREDICT, request, until, first=first)
            return calls.read_description(response)

        left_s = deadline - time.monotonic()
        return await self._descriptions.get(model, version, ask, timeout_s=left_s)

    async def _another(self, tried: list[Connection], deadline: float) -> Connection | None:
        """Returns whom to ask next, once it is time to; None to give up."""
        fresh = self._pool.pick(but=tried)
        may_be_called = self._pool.may_be_called()
        if len(tried) >= self._max_attempts or not (may_be_called or self._pool.may_be_found()):
            return None
        wait_s = pause_s(len(tried)) if may_be_called and not fresh else 0.0
        if time.monotonic() + wait_s >= deadline or not self._budget.withdraw():
            return None
        self.retries += 1
        if fresh:
            return fresh
        await asyncio.sleep(wait_s)
        return await self._pool.whom(deadline)
