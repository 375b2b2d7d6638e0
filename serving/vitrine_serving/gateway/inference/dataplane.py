"""Data plane: the one road of inference to the model servers, for adapters of every protocol.

An adapter decodes, calls `DataPlane.infer` and encodes. Batching, metrics of calls, drift and
tracing hang here, and so see all traffic. It knows no HTTP, no gRPC servicer and no picture.
"""

import asyncio
import math
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import numpy as np

from vitrine_client.errors import DeadlineExceeded, InvalidRequest, ModelFault, ServerError
from vitrine_client.images.preprocessing import model_input
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import FASHION_MNIST
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import Array
from vitrine_serving.gateway.inference.batcher import Batched, Batcher, BatchingSettings
from vitrine_serving.gateway.inference.fixed_rows import FixedRows, in_parts
from vitrine_serving.gateway.inference.known_answers import KnownAnswers
from vitrine_serving.gateway.inference.outputs import (
    check_classes,
    check_outputs,
    check_rows,
    classified,
    fault_of_model,
    senseless,
)
from vitrine_serving.gateway.inference.pixels import Answered, PixelWatch
from vitrine_serving.gateway.inference.profile_checks import check_profile
from vitrine_serving.gateway.inference.requests import (
    PROBABILITIES,
    SERVING,
    Caller,
    InferenceRequest,
    InferenceResponse,
    SignatureCall,
    WireCall,
)
from vitrine_serving.gateway.inference.shared_calls import (
    bytes_of,
    most_rows,
    parts_of,
    queue_name,
)
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.shedding import SheddingSettings
from vitrine_serving.gateway.upstream.connection import Connection, Metadata
from vitrine_serving.gateway.upstream.model_servers import HEDGE_S, ModelServers

CLASSIFY = "PredictionService/Classify"
REGRESS = "PredictionService/Regress"

LARGE_BYTES = 65_536
"""Of a body or a message: from here on, it takes milliseconds to read."""

_RESPONSES = {
    messages.PREDICT: wire.PredictResponse,
    CLASSIFY: wire.ClassificationResponse,
    REGRESS: wire.RegressionResponse,
}

_OURS = (PROBABILITIES,)

_QUICK_BYTES = 2**20
"""Of rows: those that have more become a message in a thread."""

_HEDGE_TIMES = 10
"""A call that takes longer than `HEDGE_S`, and so many times as long as usual, is asked of another
server as well; where nothing is known of what is usual, after half of its time."""

Offload = Callable[..., Awaitable[Any]]

Measured = Callable[[str, int, int, float], None]
"""Takes a model, the version that answered, the rows it got in a call and the seconds it took."""

Trace = Callable[[str, Metadata, dict[str, Any]], AbstractContextManager[Metadata]]
"""Makes a span of a call, by its method, metadata and attributes; yields the metadata to send."""


class DataPlane:
    """Data plane of one process; lives in one event loop.

    `measured` is told of every call that a version answered, `answered` of pictures that a
    classifier of ours answered, `pixels` sees the other requests with pixels, and `trace` makes
    spans of calls. None of them may raise. What has more than `LARGE_BYTES` is read by `offload`,
    which is called as `asyncio.to_thread` is, and messages of many pictures are made by it.
    """

    def __init__(
        self,
        servers: ModelServers,
        batching: BatchingSettings,
        shedding: SheddingSettings,
        *,
        measured: Measured | None = None,
        answered: Answered | None = None,
        pixels: PixelWatch | None = None,
        trace: Trace | None = None,
        offload: Offload = asyncio.to_thread,
    ) -> None:
        self._servers = servers
        self._measured = measured
        self._answered = answered
        self._pixels = pixels
        self._trace = trace
        self._offload = offload
        self._fixed_rows = FixedRows()
        self._known_answers = KnownAnswers()
        self._batcher = Batcher[InferenceResponse](
            self._send_batch,
            max_batch_size=batching.max_batch_size,
            max_queued_rows=shedding.max_queued_images,
            servers=servers.usable,
        )

    async def infer(self, request: InferenceRequest) -> InferenceResponse:
        """Runs a signature. Pictures for our classifiers may share a call with those of other
        callers: explanations wait as predictions do, in queues of their own with the same bounds.
        Those for another model wait in one queue, whatever their sizes.

        Raises `Unavailable` where too many rows wait, `DeadlineExceeded`, what the model server
        answers, and `ModelFault` where a model does not keep its signature's promise.
        """
        if request.wire:
            return await self._send_alone(request, request.wire)
        call = request.call
        rows = request.inputs[call.profile.input]
        if call.profile is not FASHION_MNIST or not isinstance(rows, np.ndarray):
            return await self._part_by_part(request, rows)
        return _timed(await self._batcher.ask(call, rows, request.deadline, request.caller))

    async def _part_by_part(
        self, request: InferenceRequest, rows: Array | Sequence[Array]
    ) -> InferenceResponse:
        """Asks about as many rows as may share a call, one part after the other, all of the same
        version."""
        call, responses = request.call, list[InferenceResponse]()
        for part in parts_of(call, rows):
            is_one = call.profile.has_fixed_size or call.profile.shares_calls
            asked = call._replace(shape=() if is_one else part.shape[1:])
            batched = await self._batcher.ask(
                *(asked, part, request.deadline, request.caller),
                queue_name=queue_name(asked),
                most_rows=most_rows(asked, part),
            )
            responses.append(_timed(batched))
            call = call._replace(model=ModelRef(call.model.model, responses[0].version))
        return responses[0] if len(responses) == 1 else InferenceResponse.joined(responses)

    def check_room(self, call: SignatureCall, rows: int, deadline: float) -> None:
        """Raises `Unavailable` where so many more rows would be too many, or too late."""
        name = call if call.profile is FASHION_MNIST else queue_name(call)
        self._batcher.check_room(name, rows, deadline)

    def rows_waiting(self) -> Counter[str]:
        """Returns the number of rows that wait to be sent, by model; from any thread."""
        counts: Counter[str] = Counter()
        for call, count in self._batcher.waiting().items():
            counts[call.model.model] += count
        return counts

    async def call(
        self, method: str, message: bytes, *, timeout_s: float, callers: Sequence[Caller] = ()
    ) -> bytes:
        """Calls a method that runs no model, serialised messages in and out."""
        return (await self._call(method, message, timeout_s, callers, {}, hedge_after_s=HEDGE_S))[0]

    async def _send_batch(
        self, call: SignatureCall, rows: Array, timeout_s: float, callers: Sequence[Caller]
    ) -> InferenceResponse:
        deadline = time.monotonic() + timeout_s
        model = call.model.model
        version, outputs, server = await self._run_rows(call, rows, deadline, callers)
        if call.as_given:
            check_rows(outputs, call.outputs, len(rows), model, version)
            if self._pixels:
                self._pixels.note_rows(call, rows, version, outputs)
            return InferenceResponse(version, outputs, calls=1 / len(callers))
        check_outputs(outputs, call.outputs, len(rows), model, version)
        answered = outputs
        if call.profile is not FASHION_MNIST and call.signature == call.profile.signature:
            outputs = classified(outputs, call.profile)
        description = await self._describe(outputs, call, version, deadline, server)
        if self._answered:
            self._answered(model, version, description, rows, outputs[PROBABILITIES])
        labels = description.labels
        if call.decode is None:
            return InferenceResponse(version, answered, labels, calls=1 / len(callers))
        decoded = call.decode(outputs, labels)
        return InferenceResponse(version, {}, labels, decoded=decoded)

    async def _describe(
        self,
        outputs: Mapping[str, Array],
        call: SignatureCall,
        version: int,
        deadline: float,
        server: Connection,
    ) -> Description:
        """Returns the description that fits the outputs of a version; one from before that does not
        fit any more is asked again. Raises `OtherProfile` where pictures are made in another
        way."""
        model = call.model.model
        while True:
            # Others may not have this version: they need not be updated at the same time.
            left = max(deadline - time.monotonic(), 0.001)
            found = await self._servers.describe(model, version, timeout_s=left, first=server)
            if found.profile is not call.profile:
                check_profile(call, found)
            try:
                check_classes(outputs, found.labels, model, version)
            except ModelFault:
                if not self._servers.forget_description(model, version):
                    raise
            else:
                return found

    async def _run_rows(
        self, call: SignatureCall, rows: Array, deadline: float, callers: Sequence[Caller]
    ) -> tuple[int, Mapping[str, Array], Connection]:
        """Runs a signature on rows, in as many calls as it needs: one, unless the signature has a
        fixed number of rows. That is looked up again where it is refused: a newer version may take
        another."""
        known = self._fixed_rows.recall(call)
        try:
            return await self._run_parts(call, rows, deadline, callers, known)
        except InvalidRequest:
            fixed = await self._fixed_rows.learn(call, self.call, left_s(deadline))
            if fixed == (known or len(rows)) or (fixed is None and known is None):
                raise
        return await self._run_parts(call, rows, deadline, callers, fixed)

    def _run_parts(
        self,
        call: SignatureCall,
        rows: Array,
        deadline: float,
        callers: Sequence[Caller],
        fixed: int | None,
    ) -> Awaitable[tuple[int, Mapping[str, Array], Connection]]:
        """Makes a call with all rows, or as many as it takes with a `fixed` number of them."""
        if not fixed:
            return self._run(call, rows, deadline, callers)
        run = partial(self._run, deadline=deadline, callers=callers)
        return in_parts(run, call, rows, fixed)

    async def _run(
        self, call: SignatureCall, rows: Array, deadline: float, callers: Sequence[Caller]
    ) -> tuple[int, Mapping[str, Array], Connection]:
        """Makes one call; returns the version that answered, its outputs, and the connection."""
        started = time.monotonic()
        model, count = call.model.model, len(rows)
        is_ours = call.profile is FASHION_MNIST and not call.as_given
        if is_ours or bytes_of(rows) <= _QUICK_BYTES:
            message = _message(call, rows)
        else:
            message = await self._offload(_message, call, rows)
        response, server = await self._call(
            messages.PREDICT,
            message,
            left_s(deadline),
            callers,
            _about(model, count),
            call.model,
            self._hedge_after_s(call, deadline),
        )
        try:
            answer = self._known_answers.read(response, call.outputs, model)
        except ServerError as error:
            raise senseless(error, call.model) from error
        if self._measured:
            self._measured(model, answer.version, count, time.monotonic() - started)
        return answer.version, answer.outputs, server

    def _hedge_after_s(self, call: SignatureCall, deadline: float) -> float:
        usual_s = self._batcher.usual_s(queue_name(call))
        return max(HEDGE_S, _HEDGE_TIMES * usual_s if usual_s else left_s(deadline) / 2)

    async def _send_alone(self, request: InferenceRequest, call: WireCall) -> InferenceResponse:
        started = time.monotonic()
        model = request.call.model.model
        response, _ = await self._call(
            call.method,
            call.message,
            left_s(request.deadline),
            [request.caller],
            _about(model, call.rows),
            request.call.model,
            max(HEDGE_S, left_s(request.deadline) / 2),
        )
        arguments = _RESPONSES[call.method], response, call.decode
        try:
            if len(response) <= LARGE_BYTES:
                message, decoded = _read(*arguments)
            else:
                message, decoded = await self._offload(_read, *arguments)
        except ServerError as error:
            raise senseless(error, request.call.model) from error
        call_s = time.monotonic() - started
        version = message.model_spec.version.value
        if self._measured:
            self._measured(model, version, call.rows, call_s)
        if self._pixels and call.method == messages.PREDICT:
            self._pixels.note(request, version, message)
        return InferenceResponse(version, {}, call_s=call_s, decoded=decoded)

    async def _call(
        self,
        method: str,
        message: bytes,
        timeout_s: float,
        callers: Sequence[Caller],
        about: dict[str, Any],
        asked: ModelRef | None = None,
        hedge_after_s: float = math.inf,
    ) -> tuple[bytes, Connection]:
        """Makes each call there is; also returns the connection that has answered."""
        metadata = self._metadata(callers)
        exchange = partial(
            self._servers.exchange,
            *(method, message),
            timeout_s=timeout_s,
            model=asked,
            hedge_after_s=hedge_after_s,
        )
        try:
            if self._trace is None:
                return await exchange(metadata=metadata)
            with self._trace(f"tensorflow.serving.{method}", metadata, about) as sent:
                return await exchange(metadata=sent)
        except InvalidRequest as error:
            fault = fault_of_model(error, asked) if asked else None
            raise fault or error from error.__cause__

    def _metadata(self, callers: Sequence[Caller]) -> list[tuple[str, str]]:
        """Returns gRPC metadata that tells a model server the ids and traces of the callers."""
        if not callers:
            return []
        traces = [caller.traceparent for caller in callers if caller.traceparent]
        # A call has one parent, and the first that has a trace is it; the tracer links the others.
        kept = traces if self._trace else traces[:1]
        ids = ",".join([caller.id for caller in callers])
        return [("x-request-id", ids), *(("traceparent", trace) for trace in kept)]


def _timed(batched: Batched[InferenceResponse]) -> InferenceResponse:
    response = batched.answers
    response.queue_s, response.call_s = batched.queue_s, batched.rpc_s
    return response


def _about(model: str, rows: int) -> dict[str, Any]:
    return {"vitrine.model": model, "vitrine.images": rows}


def left_s(deadline: float) -> float:
    """Returns the seconds until a deadline. Raises `DeadlineExceeded` where it is over."""
    remaining_s = deadline - time.monotonic()
    if remaining_s <= 0:
        raise DeadlineExceeded("Deadline Exceeded")
    return remaining_s


def _message(call: SignatureCall, rows: Array) -> bytes:
    """Returns the serialised message for pictures, as an `InferenceRequest` has them."""
    model, version, label = call.model
    profile = call.profile
    if call.as_given:
        return messages.rows_request(
            *(model, call.signature, profile.input, rows, call.outputs),
            version=version,
            label=label,
        )
    if call.outputs == _OURS and profile is FASHION_MNIST and call.signature == SERVING:
        return messages.instances_request(model, rows, version=version, label=label)
    constants = {name: np.full(len(rows), value, np.int64) for name, value in call.constants}
    return messages.predict_request(
        model,
        {profile.input: rows if rows.dtype == object else model_input(rows, profile), **constants},
        version=version,
        label=label,
        signature_name=call.signature,
        output_filter=call.outputs,
    )


def _read(kind: Any, response: bytes, decode: Callable[[Any], Any]) -> tuple[Any, Any]:
    message = messages.parsed(kind, response)
    return message, decode(message)
