"""What a model server is asked about its models over gRPC: signatures, and another list of them."""

from typing import Any

from google.protobuf import json_format, text_format
from google.protobuf.message import DecodeError, Message

from vitrine_client.errors import InvalidRequest, ServerError
from vitrine_client.tfserving import messages as calls
from vitrine_client.tfserving import wire_pb2 as wire

METADATA = "PredictionService/GetModelMetadata"
RELOAD = "ModelService/HandleReloadConfigRequest"

_FIELD = "signature_def"


def metadata_request(model: str, *, version: int | None = None, label: str | None = None) -> bytes:
    """Returns what `METADATA` is sent for the signatures of a version."""
    spec = calls.model_spec(model, version, label)
    request = wire.GetModelMetadataRequest(model_spec=spec, metadata_field=[_FIELD])
    return request.SerializeToString()


def read_metadata(response: bytes) -> dict[str, Any]:
    """Reads what `METADATA` answers, as the JSON of TensorFlow Serving's REST API. Raises
    `ServerError` where it makes no sense."""
    message = calls.parsed(wire.GetModelMetadataResponse, response)
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
    """Returns what `RELOAD` is sent to serve what a `models.config` says, and nothing else.

    Raises `InvalidRequest` with the line that makes no sense.
    """
    try:
        text = config.decode() if isinstance(config, bytes) else config
        message = text_format.Parse(text, wire.ModelServerConfig())
    except (UnicodeDecodeError, text_format.ParseError) as error:
        raise InvalidRequest(f"This is no ModelServerConfig: {error}") from error
    return wire.ReloadConfigRequest(config=message).SerializeToString()


def check_reloaded(response: bytes) -> None:
    """Raises the error that `RELOAD` answers, if it does."""
    status = calls.parsed(wire.ReloadConfigResponse, response).status
    if status.error_code:
        raise calls.error_for(calls.code_of(status.error_code), status.error_message)
