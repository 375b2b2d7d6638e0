"""Model management over gRPC: signatures of a model, and the reload of `models.config`."""

from typing import Any

from google.protobuf import json_format, text_format
from google.protobuf.message import DecodeError, Message

from vitrine_client.errors import InvalidRequest, ServerError
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire

METADATA = "PredictionService/GetModelMetadata"
RELOAD = "ModelService/HandleReloadConfigRequest"

_FIELD = "signature_def"


def metadata_request(model: str, *, version: int | None = None, label: str | None = None) -> bytes:
    """Returns the request of `METADATA` for the signatures of a version."""
    spec = messages.model_spec(model, version, label)
    request = wire.GetModelMetadataRequest(model_spec=spec, metadata_field=[_FIELD])
    return request.SerializeToString()


def read_metadata(response: bytes) -> dict[str, Any]:
    """Reads the response of `METADATA`, as the JSON of TensorFlow Serving's REST API. Raises
    `ServerError` where it makes no sense."""
    message = messages.parsed(wire.GetModelMetadataResponse, response)
    signatures = wire.SignatureDefMap()
    try:
        signatures.MergeFromString(message.metadata[_FIELD].value)
    except DecodeError as error:
        raise ServerError(f"The signatures cannot be read: {error}") from error
    # Twice the same name, as there.
    return {
        "model_spec": _json(message.model_spec),
        "metadata": {_FIELD: _json(signatures)},
    }


def _json(message: Message) -> dict[str, Any]:
    content: dict[str, Any] = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return content


def reload_request(config: str | bytes) -> bytes:
    """Returns the request of `RELOAD` to serve the models of a `models.config`, and nothing else;
    raises as `parse_config` does."""
    return wire.ReloadConfigRequest(config=parse_config(config, "This")).SerializeToString()


def parse_config(config: str | bytes, source: str) -> wire.ModelServerConfig:
    """Reads a `models.config`, which errors call `source`. Raises `InvalidRequest` with the line
    that makes no sense."""
    try:
        text = config.decode() if isinstance(config, bytes) else config
        return text_format.Parse(text, wire.ModelServerConfig())
    except (UnicodeDecodeError, text_format.ParseError) as error:
        raise InvalidRequest(f"{source} is no ModelServerConfig: {error}") from error


def check_reloaded(response: bytes) -> None:
    """Raises the error that `RELOAD` answers, if it does."""
    status = messages.parsed(wire.ReloadConfigResponse, response).status
    if status.error_code:
        raise messages.error_for(messages.code_of(status.error_code), status.error_message)
