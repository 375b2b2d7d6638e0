"""gRPC methods of the Open Inference Protocol: messages around a `V2Service`, as bytes in and out.

As Triton has them: outputs are raw, a model that is not there is not ready, and a stream answers a
fault and goes on.
"""

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError, Message

from vitrine_client.errors import InvalidRequest, NotFound, Unimplemented
from vitrine_client.open_inference import grpc_messages
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_client.open_inference.messages import V2Request
from vitrine_serving.gateway.api.open_inference.service import V2Service
from vitrine_serving.gateway.http.messages import Request
from vitrine_serving.gateway.http.routes import GrpcMethod, Route
from vitrine_serving.gateway.inference.dataplane import LARGE_BYTES, Offload
from vitrine_serving.gateway.inference.requests import Caller
from vitrine_serving.gateway.models.reference import ModelRef

M = TypeVar("M", bound=Message)

_FINAL = "triton_final_response"
_MOST_VERSION = 2**63
_NO_SETTINGS = (
    "Traces and logs are set up by the environment of the gateway (VITRINE_TRACES_URL, "
    "VITRINE_ACCESS_LOG, VITRINE_LOG_FORMAT), and by no request"
)
_NO_SHARED_MEMORY = "This server has no shared memory; send tensors as raw contents"


class GrpcMethods:
    """gRPC methods of the service; live in the running event loop. Large requests are read by
    `offload`, which is called as `asyncio.to_thread` is."""

    def __init__(self, service: V2Service, offload: Offload) -> None:
        self._service = service
        self._offload = offload

    @property
    def by_path(self) -> Mapping[str, GrpcMethod]:
        """The methods by their paths."""
        methods = (
            _method("ServerLive", "v2_live_grpc", self.live, public=True),
            _method("ServerReady", "v2_ready_grpc", self.ready, public=True),
            _method("ServerMetadata", "v2_server_grpc", self.server),
            _method("ModelReady", "v2_model_ready_grpc", self.model_ready),
            _method("ModelMetadata", "v2_metadata_grpc", self.metadata),
            _method("ModelConfig", "v2_config_grpc", self.config),
            _method("ModelStatistics", "v2_statistics_grpc", self.statistics),
            _method("ModelInfer", "infer_grpc", self.infer),
            _method("ModelStreamInfer", "infer_stream_grpc", self.infer_in_stream)._replace(
                failed=failed_in_stream
            ),
            _method("RepositoryIndex", "v2_index_grpc", self.index),
            _method("RepositoryModelLoad", "v2_load_grpc", self.load),
            _method("RepositoryModelUnload", "v2_unload_grpc", self.unload),
            _method("TraceSetting", "v2_settings_grpc", _refusing(_NO_SETTINGS)),
            _method("LogSettings", "v2_settings_grpc", _refusing(_NO_SETTINGS)),
            *(
                _method(f"{kind}SharedMemory{verb}", "v2_memory_grpc", answer)
                for kind in ("System", "Cuda")
                for verb, answer in (
                    ("Status", _nothing),  # there is no region,
                    ("Unregister", _nothing),  # and so none to end
                    ("Register", _refusing(_NO_SHARED_MEMORY)),
                )
            ),
        )
        return {each.route.pattern: each for each in methods}

    async def live(self, _: bytes, __: Request) -> bytes:
        """Liveness: answers as long as the event loop runs."""
        return wire.ServerLiveResponse(live=True).SerializeToString()

    async def ready(self, _: bytes, __: Request) -> bytes:
        """Readiness: each listed model has an AVAILABLE version, and the gateway is not ending."""
        is_ready = await self._service.is_ready()
        return wire.ServerReadyResponse(ready=is_ready).SerializeToString()

    async def server(self, _: bytes, __: Request) -> bytes:
        """Server metadata."""
        return _written(await self._service.server_metadata(), wire.ServerMetadataResponse())

    async def model_ready(self, content: bytes, request: Request) -> bytes:
        """Readiness of a model or a version; one that is not there is not ready."""
        asked = _read(content, wire.ModelRequest)
        is_ready = bool(asked.name) and await self._service.model_is_ready(
            _model(asked.name, asked.version, request)
        )
        return wire.ModelReadyResponse(ready=is_ready).SerializeToString()

    async def metadata(self, content: bytes, request: Request) -> bytes:
        """Model metadata: inputs and outputs."""
        model = _named(content, request)
        found = await self._service.model_metadata(model, _caller(request), request.deadline)
        return _written(found, wire.ModelMetadataResponse())

    async def config(self, content: bytes, request: Request) -> bytes:
        """Model configuration, as Triton has it."""
        model = _named(content, request)
        found = await self._service.model_config(model, _caller(request), request.deadline)
        return _written({"config": found}, wire.ModelConfigResponse())

    async def statistics(self, content: bytes, request: Request) -> bytes:
        """Statistics of all models, of one, or of a version."""
        asked = _read(content, wire.ModelRequest)
        model = _model(asked.name, asked.version, request) if asked.name else None
        return _written(await self._service.statistics(model), wire.ModelStatisticsResponse())

    async def index(self, content: bytes, _: Request) -> bytes:
        """Repository index: the models, with the states of their versions."""
        asked = _read(content, wire.RepositoryIndexRequest)
        found = await self._service.index(only_ready=asked.ready)
        return _written({"models": found}, wire.RepositoryIndexResponse())

    async def load(self, content: bytes, _: Request) -> bytes:
        """Loads a model, where the service does that."""
        await self._service.load(_name_to_change(content))
        return b""

    async def unload(self, content: bytes, _: Request) -> bytes:
        """Unloads a model, where the service does that."""
        await self._service.unload(_name_to_change(content))
        return b""

    async def infer(self, content: bytes, request: Request) -> bytes:
        """Inference; leaves the outcome in the request."""
        response = await self._inferred(content, request)
        return response.SerializeToString()

    async def infer_in_stream(self, content: bytes, request: Request) -> bytes:
        """Inference of a request of a stream, which has one response."""
        response = await self._inferred(content, request)
        response.parameters[_FINAL].bool_param = True
        return wire.ModelStreamInferResponse(infer_response=response).SerializeToString()

    async def _inferred(self, content: bytes, request: Request) -> wire.ModelInferResponse:
        began = time.monotonic()
        if len(content) > LARGE_BYTES:
            asked: V2Request = await self._offload(_read_inference, content)
        else:
            asked = _read_inference(content)
        decode_s = time.monotonic() - began
        model = _model(asked.model_name, asked.model_version, request)
        inferred = await self._service.infer(asked, model, _caller(request), request.deadline)
        outcome = inferred.outcome
        decode_s += outcome.decode_s
        request.outcome = outcome._replace(began=began, decode_s=decode_s)
        if sum(each.array.nbytes for each in inferred.response.outputs) > LARGE_BYTES:
            written: wire.ModelInferResponse = await self._offload(
                grpc_messages.write_response, inferred.response
            )
            return written
        return grpc_messages.write_response(inferred.response)


def failed_in_stream(content: bytes, words: str) -> bytes:
    """Returns the response of a stream to a request that failed, with its id."""
    try:
        name = wire.ModelInferRequest.FromString(content).id
    except DecodeError:
        name = ""
    response = wire.ModelInferResponse(id=name)
    return wire.ModelStreamInferResponse(
        error_message=words, infer_response=response
    ).SerializeToString()


def _method(
    name: str,
    endpoint: str,
    answer: Callable[[bytes, Request], Awaitable[bytes]],
    *,
    public: bool = False,
) -> GrpcMethod:
    route = Route(endpoint, grpc_messages.path_of(name), ("POST",), public=public)
    return GrpcMethod(route, answer)


def _refusing(words: str) -> Callable[[bytes, Request], Awaitable[bytes]]:
    async def refuse(_: bytes, __: Request) -> bytes:
        raise Unimplemented(words)

    return refuse


async def _nothing(_: bytes, __: Request) -> bytes:
    return b""


def _read(content: bytes, kind: type[M]) -> M:
    """Reads a request. Raises `InvalidRequest` for bytes that are none."""
    try:
        message = kind()
        message.ParseFromString(content)
    except DecodeError as error:
        raise InvalidRequest(f"This is no {kind.__name__}: {error}") from error
    return message


def _read_inference(content: bytes) -> V2Request:
    return grpc_messages.read_request(grpc_messages.parsed(content))


def _named(content: bytes, request: Request) -> ModelRef:
    asked = _read(content, wire.ModelRequest)
    return _model(asked.name, asked.version, request)


def _model(name: str, version: str, request: Request) -> ModelRef:
    """Returns the model of a name and a version, which may be empty, and notes it in the request.
    Raises `NotFound` for no name, and `InvalidRequest` for a version that is no number."""
    if not name:
        raise NotFound("The request names no model")
    request.target = ModelRef(name)
    if not version:
        return request.target
    digits = version.lstrip("0") or "0"
    is_number = version.isascii() and version.isdecimal() and len(digits) < 20
    if not is_number or int(digits) >= _MOST_VERSION:
        raise InvalidRequest(f"{version!r} is no version of a model; send a number, or none")
    request.target = ModelRef(name, int(digits))
    return request.target


def _name_to_change(content: bytes) -> str:
    """Returns the name in a request to load or unload: KServe has it where others have the
    repository's."""
    asked = _read(content, wire.RepositoryModelRequest)
    return asked.model_name or asked.repository_name


def _written(content: Any, message: Message) -> bytes:
    """Returns the message with a content that is in JSON; what the message lacks is left out."""
    return ParseDict(content, message, ignore_unknown_fields=True).SerializeToString()


def _caller(request: Request) -> Caller:
    return Caller(request.id, request.traceparent)
