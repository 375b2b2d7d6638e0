"""Model management over gRPC: signatures of a model, its profile files, and the reload of
`models.config`."""

import json
from collections.abc import Mapping
from typing import Any

from google.protobuf import json_format, text_format
from google.protobuf.message import DecodeError, Message

from vitrine_client.errors import InvalidRequest, ServerError
from vitrine_client.results.json_values import members, text
from vitrine_client.results.profiles.completion import LABELS_FILE, PROFILE_FILE
from vitrine_client.results.profiles.profile import ProfileError
from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire

METADATA = "PredictionService/GetModelMetadata"
RELOAD = "ModelService/HandleReloadConfigRequest"

PROFILE_FIELD = "profile"
"""Metadata that the embedded model server alone has: any other refuses it (`InvalidRequest`)."""

_FIELD = "signature_def"
_ERROR = "error"
_MOST_BYTES = 50_000_000  # of the JSON of two files, in which a byte may take six


def metadata_request(model: str, *, version: int | None = None, label: str | None = None) -> bytes:
    """Returns the request of `METADATA` for the signatures of a version."""
    return _request(_FIELD, model, version, label)


def profile_request(model: str, version: int) -> bytes:
    """Returns the request of `METADATA` for the profile files of a version."""
    return _request(PROFILE_FIELD, model, version)


def _request(field: str, model: str, version: int | None, label: str | None = None) -> bytes:
    spec = messages.model_spec(model, version, label)
    request = wire.GetModelMetadataRequest(model_spec=spec, metadata_field=[field])
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


def written_profile_files(texts: Mapping[str, str] | ProfileError) -> bytes:
    """Returns what `PROFILE_FIELD` is answered with, for what `profile_files.texts` returns or
    raises: JSON, the text of each file by its name, or an `error`."""
    told = {_ERROR: str(texts)} if isinstance(texts, ProfileError) else dict(texts)
    return json.dumps(told, ensure_ascii=False).encode()


def read_profile_files(response: bytes) -> dict[str, str]:
    """Reads the response to `profile_request`: the text of each file that the version has, by its
    name. Raises `ProfileError` where the server could not read one, as `profile_files.texts` does,
    and `ServerError` where the response makes no sense."""
    value = messages.parsed(wire.GetModelMetadataResponse, response).metadata[PROFILE_FIELD].value
    try:
        if len(value) > _MOST_BYTES:
            raise ValueError(f"they have {len(value):,} bytes")
        found = {name: text(each) for name, each in members(json.loads(value)).items()}
    except (ValueError, RecursionError) as error:  # no JSON, or no UTF-8, too
        raise ServerError(f"The profile files cannot be read: {error}") from error
    if _ERROR in found:
        raise ProfileError(found[_ERROR])
    return {name: found[name] for name in (PROFILE_FILE, LABELS_FILE) if name in found}


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
        content = config.decode() if isinstance(config, bytes) else config
        return text_format.Parse(content, wire.ModelServerConfig())
    except (UnicodeDecodeError, text_format.ParseError) as error:
        raise InvalidRequest(f"{source} is no ModelServerConfig: {error}") from error


def check_reloaded(response: bytes) -> None:
    """Raises the error that `RELOAD` answers, if it does."""
    status = messages.parsed(wire.ReloadConfigResponse, response).status
    if status.error_code:
        raise messages.error_for(messages.code_of(status.error_code), status.error_message)
