"""HTTP endpoints of the Open Inference Protocol: JSON and binary bodies around a `V2Service`.

As KServe's and Triton's clients take them: health has a body, an answer with 200 alone is a
success, and only answers of inference are packed.
"""

import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import numpy as np
import orjson

from vitrine_client.errors import InvalidRequest, NotFound, Unimplemented
from vitrine_client.open_inference import datatypes, http_bodies, packing
from vitrine_client.open_inference.messages import V2Request, V2Response, V2Tensor
from vitrine_serving.gateway.api.open_inference.bodies import BodyReader
from vitrine_serving.gateway.api.open_inference.service import V2Service
from vitrine_serving.gateway.http import problems
from vitrine_serving.gateway.http.compression import MIN_BYTES, accepted, deflated
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.http.routes import Handler
from vitrine_serving.gateway.inference.dataplane import LARGE_BYTES, Offload
from vitrine_serving.gateway.inference.requests import Caller
from vitrine_serving.gateway.models.reference import ModelRef

_OCTETS = "application/octet-stream"

_WORTH = 0.9
"""Of its bytes: what an answer has packed, at most, for its client to unpack it."""


class OpenInferenceEndpoints:
    """Endpoints under `/v2`; live in the running event loop. Each raises `VitrineError`.

    What has more than `LARGE_BYTES` is written and packed by `offload`, which is called as
    `asyncio.to_thread` is.
    """

    def __init__(self, service: V2Service, reader: BodyReader, offload: Offload) -> None:
        self._service = service
        self._reader = reader
        self._offload = offload

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """The handlers by the endpoints of the route table."""
        return {
            "v2_live": self.live,
            "v2_ready": self.ready,
            "v2_server": self.server,
            "v2_all_statistics": self.statistics,
            "v2_metadata": self.metadata,
            "v2_model_ready": self.model_ready,
            "v2_config": self.config,
            "v2_statistics": self.statistics,
            "infer": self.infer,
            "v2_index": self.index,
            "v2_load": self.load,
            "v2_unload": self.unload,
            "v2_settings": self.settings,
            "v2_memory": self.memory,
        }

    async def live(self, _: Request) -> Answer:
        """Liveness: answers as long as the event loop runs."""
        return _json({"live": True})

    async def ready(self, _: Request) -> Answer:
        """Readiness: each listed model has an AVAILABLE version, and the gateway is not ending."""
        if await self._service.is_ready():
            return _json({"ready": True})
        return problems.v2_problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "Not every model is ready, or the gateway is ending; `GET /readyz?models=1` says which",
        )

    async def server(self, _: Request) -> Answer:
        """Server metadata."""
        return _json(await self._service.server_metadata())

    async def model_ready(self, _: Request, model: ModelRef) -> Answer:
        """Readiness of a model, or of a version."""
        if await self._service.model_is_ready(model):
            return _json({"name": model.model, "ready": True})
        raise NotFound(f"{model.described} is not ready: no such version is AVAILABLE")

    async def metadata(self, request: Request, model: ModelRef) -> Answer:
        """Model metadata: inputs and outputs."""
        return _json(await self._service.model_metadata(model, _caller(request), request.deadline))

    async def config(self, request: Request, model: ModelRef) -> Answer:
        """Model configuration, as Triton has it."""
        return _json(await self._service.model_config(model, _caller(request), request.deadline))

    async def statistics(self, _: Request, model: ModelRef | None = None) -> Answer:
        """Statistics of inference, as Triton has them: of all models, of one, or of a version."""
        return _json(await self._service.statistics(model))

    async def index(self, request: Request) -> Answer:
        """Repository index: the models, with the states of their versions."""
        only_ready = _members(request).get("ready", False)
        if not isinstance(only_ready, bool):
            raise InvalidRequest("`ready` is true, to list those that are ready alone, or false")
        return _json(await self._service.index(only_ready=only_ready))

    async def load(self, request: Request, model: ModelRef) -> Answer:
        """Loads a model, where the service does that."""
        _members(request)
        await self._service.load(model.model)
        return Answer(200, b"", "")

    async def unload(self, request: Request, model: ModelRef) -> Answer:
        """Unloads a model, where the service does that."""
        _members(request)
        await self._service.unload(model.model)
        return Answer(200, b"", "")

    async def settings(self, *_: Request | ModelRef) -> Answer:
        """Refuses to tell or change settings of traces and logs."""
        raise Unimplemented(
            "Traces and logs are set up by the environment of the gateway (VITRINE_TRACES_URL, "
            "VITRINE_ACCESS_LOG, VITRINE_LOG_FORMAT), and by no request"
        )

    async def memory(self, request: Request) -> Answer:
        """Shared memory, of which there is none: no region is listed, and there is nothing to
        unregister. Refuses to register one, and to tell of one."""
        _, *parts, last = request.path.split("/")
        if last == "unregister":
            return Answer(200, b"", "")
        if last == "status" and "region" not in parts:
            return _json([])
        raise Unimplemented(
            "This server has no shared memory; send tensors as binary data, or as JSON"
        )

    async def infer(self, request: Request, model: ModelRef) -> Answer:
        """Inference; leaves the outcome in the request."""
        began = time.monotonic()
        header = request.headers.get(http_bodies.HEADER)
        asked = await self._reader.read(request.body, header, request.deadline)
        decode_s = time.monotonic() - began
        inferred = await self._service.infer(asked, model, _caller(request), request.deadline)
        outcome = inferred.outcome
        decode_s += outcome.decode_s
        request.outcome = outcome._replace(began=began, decode_s=decode_s)
        response = inferred.response
        if sum(each.array.nbytes for each in response.outputs) > LARGE_BYTES:
            answer: Answer = await self._offload(written, response, asked)
        else:
            answer = written(response, asked)
        return await self._packed(answer, request.headers.get("accept-encoding", ""))

    async def _packed(self, answer: Answer, accept_encoding: str) -> Answer:
        """Returns the answer, packed where the client takes that and it is shorter by that."""
        body = answer.body
        coding = accepted(accept_encoding) if accept_encoding else ""
        if not coding or len(body) < MIN_BYTES:
            return answer
        if len(body) > LARGE_BYTES:
            packed = await self._offload(deflated, body, coding)
        else:
            packed = deflated(body, coding)
        if len(packed) < _WORTH * len(body):
            answer.body = packed
            answer.headers += [("Content-Encoding", coding), ("Vary", "Accept-Encoding")]
        return answer


def written(response: V2Response, asked: V2Request) -> Answer:
    """Returns the answer of a response: JSON, and after it the outputs that were asked for as
    binary data. Raises `InvalidRequest` for one that JSON cannot hold."""
    if _is_known_by_form(response, asked):
        described = tuple((each.name, each.datatype, each.array.shape) for each in response.outputs)
        text = _json_of(response.model_name, response.model_version, described)
        parts = list(filter(None, map(packing.packed, response.outputs)))
    else:
        content, parts = http_bodies.write_response(response, asked)
        text = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    if not parts:
        return Answer(200, text)
    length = (http_bodies.HEADER, str(len(text)))
    return Answer(200, b"".join((text, *parts)), _OCTETS, [length])


def _is_known_by_form(response: V2Response, asked: V2Request) -> bool:
    """Says whether the JSON of a response is that of any with outputs of the same names, datatypes
    and shapes."""
    is_plain = not (response.id or response.parameters)
    return is_plain and http_bodies.are_binary(response.outputs, asked)


@lru_cache(256)
def _json_of(
    model: str, version: str, outputs: Sequence[tuple[str, str, tuple[int, ...]]]
) -> bytes:
    """Returns the JSON of a response without `id`, all of whose outputs are binary numbers."""
    tensors = [
        V2Tensor(name, datatype, np.zeros(shape, datatypes.named(datatype).dtype))
        for name, datatype, shape in outputs
    ]
    asked = V2Request([], parameters={"binary_data_output": True})
    content, _ = http_bodies.write_response(V2Response(model, version, tensors), asked)
    return orjson.dumps(content)


def _json(content: Any) -> Answer:
    return Answer(200, orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE))


def _caller(request: Request) -> Caller:
    return Caller(request.id, request.traceparent)


def _members(request: Request) -> dict[str, Any]:
    """Returns the members of a small request, none where its body is empty, as some clients send
    it."""
    try:
        content = orjson.loads(request.body) if request.body.strip() else {}
    except orjson.JSONDecodeError as error:
        raise InvalidRequest(f"The JSON cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise InvalidRequest("The request is a JSON object, or empty")
    return content
