"""gRPC client of an Open Inference server. Install it with `vitrine-client[grpc]`."""

from collections.abc import Sequence
from typing import Any, Self

import grpc
from google.protobuf.message import DecodeError

from vitrine_client import errors
from vitrine_client.http import protocol
from vitrine_client.http.streaming import Stop
from vitrine_client.open_inference import grpc_messages
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_client.open_inference.client.metadata import BINARY, ModelMetadata, TensorMetadata
from vitrine_client.open_inference.messages import V2Request, V2Response
from vitrine_client.process.trust import Trust
from vitrine_client.tfserving import messages
from vitrine_client.tfserving.channel import new_channel


class V2GrpcClient:
    """Client of the server at `address` (HOST:PORT); `trust` is whom to trust, None without TLS.
    `headers` are sent as metadata with each call.

    All calls raise a `VitrineError`.
    """

    def __init__(
        self,
        address: str,
        *,
        timeout_s: float = 10.0,
        trust: Trust | None = None,
        api_key: str = "",
        headers: Sequence[tuple[str, str]] = (),
        most_bytes: int = protocol.MAX_ANSWER_BYTES,
    ) -> None:
        self._address, self._timeout_s = address, protocol.checked_timeout_s(timeout_s)
        shown = [*protocol.key_headers(api_key).items(), *headers]
        self._metadata = [(name.lower(), value) for name, value in shown] or None
        self._channel = new_channel(address, trust, most_bytes=most_bytes)
        self._ask = {
            name: self._channel.unary_unary(grpc_messages.path_of(name))
            for name in ("ServerMetadata", "ModelMetadata", "ModelInfer")
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()

    def extensions(self) -> Sequence[str]:
        """Returns the extensions that the server says it has, and binary data, which is gRPC's own
        form."""
        try:
            found = self._called("ServerMetadata", b"", wire.ServerMetadataResponse)
        except errors.VitrineError:
            return (BINARY,)
        return (*found.extensions, BINARY)

    def model_metadata(self, model: str, version: int | None = None) -> ModelMetadata:
        """Returns the inputs and outputs of a model. Raises `NotFound` where it is not there."""
        asked = wire.ModelRequest(name=model, version=_text(version)).SerializeToString()
        found = self._called("ModelMetadata", asked, wire.ModelMetadataResponse)
        return ModelMetadata(found.name or model, _tensors(found.inputs), _tensors(found.outputs))

    def profile_report(self, model: str, version: int | None = None) -> None:
        """Returns None: no server says by gRPC how pictures are made."""

    def infer(
        self,
        request: V2Request,
        model: str,
        version: int | None = None,
        *,
        is_binary: bool = True,  # noqa: ARG002 - always raw, as all servers take it
        stop: Stop | None = None,
    ) -> V2Response:
        """Asks for an inference."""
        request.model_name, request.model_version = model, _text(version)
        call = self._ask["ModelInfer"].future(
            grpc_messages.write_request(request), timeout=self._timeout_s, metadata=self._metadata
        )
        with (stop or Stop()).during(call.cancel):
            return grpc_messages.read_response(self._result(call))

    def _called(self, name: str, asked: bytes, kind: Any) -> Any:
        call = self._ask[name].future(asked, timeout=self._timeout_s, metadata=self._metadata)
        try:
            return kind.FromString(self._result(call))
        except DecodeError as error:
            raise errors.ServerError(f"The answer of {self._address} cannot be read") from error

    def _result(self, call: Any) -> bytes:
        try:
            answer: bytes = call.result()
        except grpc.RpcError as error:
            raise error_for(error.code(), error.details(), self._address) from error
        return answer


def error_for(code: grpc.StatusCode, details: str | None, address: str) -> errors.VitrineError:
    """Returns the error for a code of the server at an address."""
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return errors.Unimplemented(
            f"What answers at {address} knows no such call of the Open Inference Protocol "
            f"({details or code.name}); is that its gRPC port?"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.DeadlineExceeded(f"{address} did not answer one call in time")
    if code is grpc.StatusCode.UNAVAILABLE:
        return errors.Unreachable(
            f"No server answers by gRPC at {address} ({details or code.name}); is that the port of "
            "gRPC, and not that of HTTP?"
        )
    return messages.error_for(code, details, address)


def _text(version: int | None) -> str:
    return "" if version is None else str(version)


def _tensors(listed: Any) -> tuple[TensorMetadata, ...]:
    return tuple(TensorMetadata(each.name, each.datatype, tuple(each.shape)) for each in listed)
