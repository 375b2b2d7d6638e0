"""Inference: a request of the protocol on its road to the data plane.

It is checked against the signature of the version that answered last; nothing is refused because of
what was remembered, but only by what the model server says now.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference import datatypes, tensorflow, validation
from vitrine_client.open_inference.classification import classified
from vitrine_client.open_inference.messages import V2Request, V2Response, V2Tensor
from vitrine_client.open_inference.specs import VersionSpecs
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.gateway.api.json_bodies import check_pictures
from vitrine_serving.gateway.api.open_inference import parameters
from vitrine_serving.gateway.api.open_inference.labels import Labels
from vitrine_serving.gateway.api.open_inference.pictures import (
    PictureInputs,
    PictureQuery,
    pictures_in,
)
from vitrine_serving.gateway.api.open_inference.raw_input import raw_tensor
from vitrine_serving.gateway.api.open_inference.shared_rows import SharedRows
from vitrine_serving.gateway.inference.dataplane import DataPlane, Offload, left_s
from vitrine_serving.gateway.inference.outcomes import Outcome
from vitrine_serving.gateway.inference.outputs import NotByRow
from vitrine_serving.gateway.inference.requests import (
    SERVING,
    Caller,
    InferenceRequest,
    InferenceResponse,
    SignatureCall,
    WireCall,
)
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.models.signatures import KnownSignatures, ask_signatures

_QUICK_BYTES = 2**20
"""Of inputs: those that have more become a message in a thread."""

_QUICK_STRINGS = 4096  # of inputs, and of classes
_MOST_FORMS = 256  # as many as heads are known


class V2Inference(NamedTuple):
    """Inference response, and what telemetry notes of it: also its rows, and the
    calls that were made for it, or its part of one that it shared."""

    response: V2Response
    outcome: Outcome[Any]
    rows: int
    calls: float


@dataclass(slots=True, eq=False)
class _Query:
    """Query of one request. `name` is the signature that is asked for, "" where none is named."""

    request: V2Request
    name: str
    model: ModelRef
    caller: Caller
    deadline: float


class _Answered(NamedTuple):
    """Answer of a version by a signature: its outputs, or those that are wanted, by name."""

    response: InferenceResponse
    outputs: Sequence[V2Tensor]
    signature: str
    rows: int
    decode_s: float = 0.0


class Inference:
    """Inference of one process; lives in one event loop. `offload` calls a function in a thread; a
    picture for the model to decode has `max_pixels` at most."""

    def __init__(
        self,
        plane: DataPlane,
        shared: SharedRows,
        pictures: PictureInputs,
        labels: Labels,
        offload: Offload,
        max_pixels: int,
    ) -> None:
        self._plane = plane
        self._shared = shared
        self._pictures = pictures
        self._labels = labels
        self._offload = offload
        self._max_pixels = max_pixels
        self._known = KnownSignatures(VersionSpecs.of)
        self._fitting: dict[object, tuple[VersionSpecs, Sequence[str]]] = {}

    async def learn(self, model: ModelRef, caller: Caller, deadline: float) -> VersionSpecs:
        """Returns the specs of a version, as a model server says them now."""
        found = await ask_signatures(
            self._plane.call, model, timeout_s=left_s(deadline), callers=[caller]
        )
        return self._known.learn(model, found)

    def version_of(self, model: ModelRef) -> int | None:
        """Returns the version that a reference meant last, None where it meant none yet."""
        known = self._known.recall(model)
        return known.version if known else None

    async def infer(
        self, request: V2Request, model: ModelRef, caller: Caller, deadline: float
    ) -> V2Inference:
        """Answers a request; see `V2Service.infer`."""
        began = time.monotonic()
        name = validation.signature_name(request.parameters)
        deadline = parameters.deadline_of(request.parameters, deadline)
        counts = {each.name: each.classification for each in request.outputs}
        query = _Query(request, name, model, caller, deadline)
        answered = await self._answered(query)
        found, outputs = answered.response, answered.outputs
        if any(counts.values()):
            outputs = await self._classified(query, answered, counts)
        version = found.version
        took = found.queue_s, found.call_s, began, answered.decode_s
        return V2Inference(
            V2Response(model.model, str(version), outputs, request.id),
            Outcome((), model.model, version, None, *took),
            answered.rows,
            found.calls,
        )

    async def _answered(self, query: _Query) -> _Answered:
        """Asks by what is known of the version; where another has answered, or would now, whose
        signature is another, all is done again."""
        model, name = query.model, query.name or SERVING
        known = self._known.recall(model)
        if known is None:
            now = await self.learn(model, query.caller, query.deadline)
            return await self._ask(query, now)
        try:
            answered = await self._ask(query, known)
        except InvalidRequest:
            now = await self.learn(model, query.caller, query.deadline)
            if now.takes_the_same(known, name):
                raise
        else:
            version = answered.response.version
            if version == known.version:
                return answered  # as nearly always
            now = self._known.note_version(model, version) or await self.learn(
                model, query.caller, query.deadline
            )
            if now.takes_the_same(known, name):
                return answered
        return await self._ask(query, now)

    async def _ask(self, query: _Query, specs: VersionSpecs) -> _Answered:
        name = query.name or SERVING
        signature = specs.signature(name)
        request, model = query.request, query.model
        inputs = request.inputs
        if request.raw is not None:
            inputs = [raw_tensor(request.raw, signature, model.model)]
        fitting = self._fitting.get(request.form)
        if fitting and fitting[0] is specs:
            wanted = fitting[1]
        elif pictures := pictures_in(inputs, signature):
            return await self._ask_pictures(query, specs, pictures)
        else:
            validation.check_inputs(inputs, signature, model.model)
            wanted = validation.wanted_outputs(request.outputs, signature, model.model)
            self._note_fitting(request.form, specs, wanted)
        call = self._shared.call(model, specs.version, name, signature, inputs, wanted)
        if call:
            asked = InferenceRequest(
                call, {inputs[0].name: inputs[0].array}, query.caller, query.deadline
            )
            try:
                response = await self._plane.infer(asked)
            except NotByRow:  # it goes alone
                pass
            else:
                tensors = _tensors(response, call.outputs)
                return _Answered(response, tensors, name, len(inputs[0].array))
        return await self._ask_alone(query, name, inputs, wanted)

    def _note_fitting(self, form: object, specs: VersionSpecs, wanted: Sequence[str]) -> None:
        """Notes that requests of a form fit a version, and ask for these outputs of it."""
        if form is None:
            return
        self._fitting[form] = specs, wanted
        if len(self._fitting) > _MOST_FORMS:
            del self._fitting[next(iter(self._fitting))]  # the oldest

    async def _ask_alone(
        self, query: _Query, name: str, inputs: Sequence[V2Tensor], wanted: Sequence[str]
    ) -> _Answered:
        given = query.model, name, inputs, wanted, self._max_pixels
        message = await self._offload(_message, *given) if _is_large(inputs) else _message(*given)
        rows = _rows(inputs)
        response = await self._plane.infer(
            InferenceRequest(
                SignatureCall(query.model, name),
                {tensor.name: tensor.array for tensor in inputs},
                query.caller,
                query.deadline,
                WireCall(message, tensorflow.from_response, rows),
            )
        )
        return _Answered(response, response.decoded, name, rows)

    async def _ask_pictures(
        self, query: _Query, specs: VersionSpecs, pictures: list[bytes]
    ) -> _Answered:
        model, asked = query.model, query.request.outputs

        def outputs_of(name: str) -> Sequence[str]:
            signature = specs.signature(name)
            return validation.wanted_outputs(asked, signature, model.model) or [*signature.outputs]

        response, name, decode_s = await self._pictures.infer(
            PictureQuery(pictures, query.name, outputs_of, query.caller), model, query.deadline
        )
        outputs = _tensors(response, outputs_of(name))
        return _Answered(response, outputs, name, len(pictures), decode_s)

    async def _classified(
        self, query: _Query, answered: _Answered, counts: Mapping[str, int]
    ) -> Sequence[V2Tensor]:
        """Returns the outputs, as so many classes where that is more than 0."""
        version = answered.response.version
        known = self._known.recall(ModelRef(query.model.model, version))
        signature = known and known.signatures.get(answered.signature)
        is_batching = bool(signature and signature.is_batching)
        made = list[V2Tensor]()
        for tensor in answered.outputs:
            count = counts.get(tensor.name, 0)
            if count:
                labels = await self._labels.of_output(
                    query.model.model, version, answered.signature, tensor.name, query.deadline
                )
                tensor = await self._classes(tensor, count, labels, is_batching)
            made.append(tensor)
        return made

    async def _classes(
        self, tensor: V2Tensor, count: int, labels: Sequence[str], is_batching: bool
    ) -> V2Tensor:
        def make() -> V2Tensor:
            return classified(tensor, count, labels, is_batching=is_batching)

        if tensor.array.size <= _QUICK_STRINGS:
            return make()
        made: V2Tensor = await self._offload(make)
        return made


def _tensors(response: InferenceResponse, names: Sequence[str]) -> list[V2Tensor]:
    outputs = response.outputs
    return [
        V2Tensor(name, datatypes.of_dtype(outputs[name].dtype).name, outputs[name])
        for name in names
    ]


def _message(
    model: ModelRef,
    name: str,
    inputs: Sequence[V2Tensor],
    wanted: Sequence[str],
    max_pixels: int,
) -> bytes:
    """Returns the message to the model server. Raises what `check_pictures` raises."""
    check_pictures((tensor.array for tensor in inputs), max_pixels)
    message = wire.PredictRequest(
        model_spec=messages.model_spec(*model, name),
        inputs={tensor.name: tensorflow.to_tensor(tensor) for tensor in inputs},
        output_filter=wanted,
    )
    return message.SerializeToString()


def _is_large(inputs: Sequence[V2Tensor]) -> bool:
    return sum(tensor.array.nbytes for tensor in inputs) > _QUICK_BYTES or any(
        tensor.datatype == "BYTES" and tensor.array.size > _QUICK_STRINGS for tensor in inputs
    )


def _rows(inputs: Sequence[V2Tensor]) -> int:
    shape = inputs[0].array.shape if inputs else ()
    return shape[0] if shape else 1
