"""gRPC codec of the model server: requests and responses as bytes, and errors by code.

Nothing here connects or waits, so the client that blocks and the gateway's, which does not, share
it. Methods are named as in "PredictionService/Predict".
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import grpc
import numpy as np
from google.protobuf.message import DecodeError, Message

from vitrine_client import errors
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.results.profiles.description import DESCRIBED, Description
from vitrine_client.tfserving import packed_strings
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import Array, from_tensor, to_tensor

_Message = TypeVar("_Message", bound=Message)

PREDICT = "PredictionService/Predict"
STATUS = "ModelService/GetModelStatus"

EXPLAIN = "explain"
"""The signature that says why: which pixels speak for a class; -1 is the one that is answered."""

RECONNECT_S = 0.5
"""How long a call waits for a lost connection to come back: longer than the backoff below, so that
a server that is up again is never called unavailable."""

_KEYS = np.array(DESCRIBED, object)

_MOST_METADATA = 1 << 20

_CHANNEL_OPTIONS: list[tuple[str, Any]] = [
    ("grpc.max_send_message_length", -1),  # the gateway bounds what it takes, in bytes and images
    # Errors come as metadata; beyond gRPC's own bound, 16 KiB, an error becomes another.
    ("grpc.max_metadata_size", _MOST_METADATA),
    ("grpc.absolute_max_metadata_size", _MOST_METADATA),
    # Channels to one address share no connection, so that one can tell what the other is worth.
    ("grpc.use_local_subchannel_pool", 1),
    # Model servers are hardly ever behind a proxy for HTTP, and http_proxy is set for browsers.
    ("grpc.enable_http_proxy", 0),
    # A model server that comes back is found at once; gRPC's own default is 20 s and more.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 250),
    # Despite its name it is what an attempt to connect may take, TLS included.
    # A far server takes four round trips of up to 0.5 s.
    ("grpc.min_reconnect_backoff_ms", 2500),
    # A container that comes back may have another address; gRPC's own default is 30 s.
    ("grpc.dns_min_time_between_resolutions_ms", 1000),
]

_ERRORS: dict[grpc.StatusCode, type[errors.VitrineError]] = {
    grpc.StatusCode.INVALID_ARGUMENT: errors.InvalidRequest,
    grpc.StatusCode.FAILED_PRECONDITION: errors.InvalidRequest,
    grpc.StatusCode.OUT_OF_RANGE: errors.InvalidRequest,
    grpc.StatusCode.NOT_FOUND: errors.NotFound,
    grpc.StatusCode.RESOURCE_EXHAUSTED: errors.ResourceExhausted,
    grpc.StatusCode.UNIMPLEMENTED: errors.Unimplemented,
    grpc.StatusCode.UNAVAILABLE: errors.Unavailable,
    grpc.StatusCode.CANCELLED: errors.Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: errors.DeadlineExceeded,
}
"""The one place where gRPC's codes become ours; any other is a `ServerError`."""

_OF_STATUS = {
    401: grpc.StatusCode.UNAUTHENTICATED,
    404: grpc.StatusCode.NOT_FOUND,
    408: grpc.StatusCode.DEADLINE_EXCEEDED,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    429: grpc.StatusCode.RESOURCE_EXHAUSTED,
    499: grpc.StatusCode.CANCELLED,
    500: grpc.StatusCode.INTERNAL,
    501: grpc.StatusCode.UNIMPLEMENTED,
    502: grpc.StatusCode.UNKNOWN,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}
"""gRPC's codes for the statuses of our errors. A fault of a model is not one of the gateway."""

_TOO_LONG = "metadata size exceeds"
"""Words of gRPC 1.85 for an error that it does not let through; its code is that of overload."""

_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

_OTHER_PROTOCOLS = ("Failed parsing HTTP/2", "missing selected ALPN")
"""Words of gRPC's for a server that speaks something else, without TLS and with it."""

_HUNG_UP = (
    "it hung up; it may want TLS (--ca, VITRINE_MODEL_SERVER_CA), or a certificate that it trusts "
    "(--cert, VITRINE_MODEL_SERVER_CERT)"
)
_HINTS = {
    "CERTIFICATE_VERIFY_FAILED": "its certificate is not signed by the CA that is trusted "
    "here; --ca, VITRINE_MODEL_SERVER_CA or `verify` name another",
    "Hostname Verification Check failed": "its certificate is for another name than it is asked by",
    "WRONG_VERSION_NUMBER": "it does not speak TLS",
    "Failed to create security handshaker": "the CA, certificate or key given here is no PEM file",
    "Socket closed": _HUNG_UP,
    "Connection reset by peer": _HUNG_UP,
}
"""Remedies for the messages of gRPC."""


@dataclass(frozen=True)
class SignatureOutputs:
    """Outputs by name, and the version of the model that gave them."""

    outputs: dict[str, Array]
    version: int


def path_of(method: str) -> str:
    """Returns the path by which gRPC calls a method."""
    return f"/tensorflow.serving.{method}"


def channel_options(server_name: str = "", most_bytes: int = -1) -> list[tuple[str, Any]]:
    """Returns the options of a channel; `server_name` is whose certificate is expected, if not
    that of the address, and `most_bytes` are of an answer, -1 for any number."""
    named = [("grpc.ssl_target_name_override", server_name)] if server_name else []
    return [*_CHANNEL_OPTIONS, ("grpc.max_receive_message_length", most_bytes), *named]


def code_of(number: int) -> grpc.StatusCode:
    """Returns the code that a message has as a number."""
    return _CODES.get(number, grpc.StatusCode.UNKNOWN)


def error_for(
    code: grpc.StatusCode, details: str | None, unanswered: str = ""
) -> errors.VitrineError:
    """Returns the error for a code; `unanswered` is the address, where it was not reached."""
    details = details or code.name
    if code is grpc.StatusCode.UNAVAILABLE and unanswered:
        if any(words in details for words in _OTHER_PROTOCOLS):
            seen = f"The model server at {unanswered} {errors.NotGrpc.reason}"
            return errors.NotGrpc(f"{seen} ({details})")
        hints = [hint for words, hint in _HINTS.items() if words in details]
        hint = f": {hints[0]}" if hints and "failed to connect" in details else ""
        return errors.Unreachable(
            f"The model server at {unanswered} is not answering{hint} ({details})"
        )
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and _TOO_LONG in details:
        return errors.ServerError(f"The model server's error is too long for gRPC ({details})")
    return _ERRORS.get(code, errors.ServerError)(details)


def code_for_status(status: int) -> grpc.StatusCode:
    """Returns gRPC's code for the status of an error."""
    usual = grpc.StatusCode.INVALID_ARGUMENT if 400 <= status < 500 else grpc.StatusCode.INTERNAL
    return _OF_STATUS.get(status, usual)


def predict_request(
    model: str,
    inputs: Mapping[str, Array],
    *,
    version: int | None = None,
    label: str | None = None,
    signature_name: str = "serving_default",
    output_filter: Sequence[str] = (),
) -> bytes:
    """Returns the request of `PREDICT` to run a signature on named arrays."""
    request = wire.PredictRequest(
        model_spec=model_spec(model, version, label, signature_name),
        inputs={name: to_tensor(array) for name, array in inputs.items()},
        output_filter=output_filter,
    )
    return request.SerializeToString()


def instances_request(
    model: str, instances: Array, *, version: int | None = None, label: str | None = None
) -> bytes:
    """Returns the request of `PREDICT` for the probabilities of uint8 [n, 28, 28]."""
    named = "serving_default", "images"
    return rows_request(
        model, *named, scaled(instances), ("probabilities",), version=version, label=label
    )


def rows_request(
    model: str,
    signature_name: str,
    name: str,
    rows: Array,
    outputs: tuple[str, ...],
    *,
    version: int | None = None,
    label: str | None = None,
) -> bytes:
    """Returns the request of `PREDICT` for the outputs of numbers [n, ...], the only input of a
    signature; leaner than `predict_request`.

    All but the numbers is made once for as many of them, and these are copied once.
    """
    kind = rows.dtype.str, rows.shape
    start = _rows_start(model, signature_name, name, *kind, outputs, version, label)
    return b"".join((start, np.ascontiguousarray(rows).data))


@lru_cache(maxsize=1024)
def _rows_start(
    model: str,
    signature_name: str,
    name: str,
    dtype: str,
    shape: tuple[int, ...],
    outputs: tuple[str, ...],
    version: int | None,
    label: str | None,
) -> bytes:
    """Returns what goes before the numbers of a request, which are the end of it."""
    spec = model_spec(model, version, label, signature_name)
    request = wire.PredictRequest(model_spec=spec, output_filter=outputs)
    tensor = to_tensor(np.empty((0, *shape[1:]), dtype))
    tensor.tensor_shape.dim[0].size = shape[0]
    entry = wire.PredictRequest.InputsEntry(key=name)
    left = np.dtype(dtype).itemsize * math.prod(shape)
    # From the inside: each message is opened with its own length, and what is in it follows.
    start = tensor.SerializeToString() + _opened(tensor, "tensor_content", left)
    start = entry.SerializeToString() + _opened(entry, "value", len(start) + left) + start
    opened = _opened(request, "inputs", len(start) + left)
    return request.SerializeToString() + opened + start


def _opened(message: Message, field: str, size: int) -> bytes:
    """Returns the beginning of a field of so many bytes, as messages have it:
    https://protobuf.dev/programming-guides/encoding."""
    number = message.DESCRIPTOR.fields_by_name[field].number
    return bytes([number << 3 | 2]) + packed_strings.varint(size)


def scaled(instances: Array) -> Array:
    """Returns uint8 as models take it: float32, 0 for black and 1 for white."""
    # Not `* (1 / 255)`: for half of all pixels that is another float32 than the models trained on.
    return instances.astype(np.float32) / 255


def describe_requests(model: str, version: int) -> tuple[bytes, bytes]:
    """Returns the requests of `PREDICT` for the labels and the card of a version: by keys, and
    without any input for versions until November 2026, which refuse them (`wants_no_keys`)."""
    inputs: tuple[Mapping[str, Any], ...] = ({"keys": _KEYS}, {})
    by_keys, without = (
        predict_request(model, each, version=version, signature_name="describe") for each in inputs
    )
    return by_keys, without


def wants_no_keys(error: errors.InvalidRequest) -> bool:
    """Says whether a version refuses the keys of `describe_requests`, as it has no such input: in
    the words of TensorFlow Serving 2.20.0 (predict_util.cc), which tests/contract has."""
    return "input size does not match signature" in str(error)


def wants_other_tensors(error: errors.InvalidRequest) -> bool:
    """Says whether a model has no input or output that `instances_request` names, in the words of
    TensorFlow Serving 2.20.0 (predict_util.cc)."""
    return any(
        words in str(error) for words in ("input alias", "input size", "output tensor alias")
    )


def status_request(model: str, *, version: int | None = None, label: str | None = None) -> bytes:
    """Returns the request of `STATUS` for all versions of a model, or for the one asked for."""
    request = wire.GetModelStatusRequest(model_spec=model_spec(model, version, label))
    return request.SerializeToString()


def read_answer(response: bytes, wanted: Collection[str] = ()) -> SignatureOutputs:
    """Reads the response of `PREDICT`, and of its outputs those that are wanted, all where none is
    named. Raises `ServerError` where it makes no sense."""
    message = parsed(wire.PredictResponse, response)
    outputs = {
        name: from_tensor(tensor)
        for name, tensor in message.outputs.items()
        if not wanted or name in wanted
    }
    return SignatureOutputs(outputs, message.model_spec.version.value)


def read_description(response: bytes) -> Description:
    """Reads the response of `PREDICT` to either of `describe_requests`. Raises `ServerError`, and
    `ValueError` where it describes nothing."""
    return Description.from_outputs(read_answer(response, ("values", "labels", "card")).outputs)


def is_description(response: bytes) -> bool:
    """Says whether the response of `PREDICT` to either of `describe_requests` has the form of a
    description, by keys or by name, whatever is in it: a signature `describe` may be for something
    else."""
    try:
        outputs = read_answer(response, ("values", "labels", "card")).outputs
    except errors.ServerError:
        return False
    if "values" in outputs:
        values = outputs["values"]
        return values.shape == (len(DESCRIBED),) and values.dtype.kind == "O"
    return bool(outputs)


def read_statuses(response: bytes) -> list[VersionStatus]:
    """Reads the response of `STATUS`. Raises `ServerError` where it makes no sense."""
    return [
        VersionStatus(
            version=status.version,
            state=wire.ModelVersionStatus.State.Name(status.state),
            error_code=code_of(status.status.error_code).name,
            error_message=status.status.error_message,
        )
        for status in parsed(wire.GetModelStatusResponse, response).model_version_status
    ]


def parsed(kind: type[_Message], response: bytes) -> _Message:
    """Reads a message. Raises `ModelFault` where it is none."""
    try:
        return kind.FromString(response)
    except DecodeError as error:
        raise errors.ModelFault(f"The model server's answer cannot be read: {error}") from error


def model_spec(
    model: str, version: int | None, label: str | None, signature_name: str = ""
) -> wire.ModelSpec:
    """Returns the spec that names a model, and a version of it by number, by version label or not
    at all."""
    try:
        spec = wire.ModelSpec(name=model, signature_name=signature_name)
        if version is not None:
            spec.version.value = version
        elif label is not None:
            spec.version_label = label
    except UnicodeEncodeError as error:
        raise errors.InvalidRequest(f"{error.object!r} is no name: it is not Unicode") from error
    return spec
