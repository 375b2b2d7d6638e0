"""Calls of gRPC of the Open Inference Protocol that are nearly right."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import grpc
from google.protobuf.message import Message

from tests.contract.open_inference import arithmetic, calls
from tests.contract.open_inference.calls import Rpc
from tests.fuzz import mutations
from tests.fuzz.open_inference import wire_fields
from tests.fuzz.open_inference.good_requests import inferences, rpcs
from tests.fuzz.open_inference.json_trees import ODD_NUMBERS, ODD_TEXTS
from vitrine_client.open_inference import wire_pb2 as wire

STREAM = "ModelStreamInfer"
LONGEST_STREAM = 5


@dataclass(frozen=True)
class GrpcRequest:
    """Call with what was done to it."""

    kind: str
    rpc: Rpc


def grpc_request(chance: random.Random) -> GrpcRequest:
    """Returns a good call with a message that was changed, or a stream of such messages."""
    kind = chance.choice(list(_KINDS))
    if chance.random() < 0.25:
        count = chance.randint(1, LONGEST_STREAM)
        sent = [_changed(chance, kind, _message(chance)) for _ in range(count)]
        return GrpcRequest(f"stream of {kind}", Rpc(STREAM, sent, _options(chance)))
    asked = chance.choice(rpcs_of_all())
    given = _message(chance) if asked.method == "ModelInfer" else _parsed(asked.requests[0])
    method = asked.method if chance.random() < 0.9 else chance.choice(_METHODS)
    return GrpcRequest(kind, Rpc(method, [_changed(chance, kind, given)], _options(chance)))


@cache
def rpcs_of_all() -> list[Rpc]:
    """Returns the good calls, those of inference more often."""
    return [*inferences(), *rpcs()]


@cache
def _inferences() -> list[Message | bytes]:
    return [each.requests[0] for each in inferences()]


def _message(chance: random.Random) -> wire.ModelInferRequest:
    made = wire.ModelInferRequest()
    made.CopyFrom(chance.choice(_inferences()))  # type: ignore[arg-type]
    return made


def _parsed(request: Message | bytes) -> Message | bytes:
    if isinstance(request, bytes):
        return request
    made = type(request)()
    made.CopyFrom(request)
    return made


def _changed(chance: random.Random, kind: str, message: Message | bytes) -> bytes:
    if chance.random() < 0.1:  # as it is, between others
        return _serialised(message)
    content = _KINDS[kind](chance, message)
    return content if chance.random() < 0.85 else mutations.mutated(chance, content)


def _serialised(message: Message | bytes) -> bytes:
    return message if isinstance(message, bytes) else message.SerializeToString()


def _in_message(chance: random.Random, message: Message | bytes) -> bytes:
    """Other values in fields of the right types."""
    if isinstance(message, bytes):
        return wire_fields.mutated(chance, message)
    for _ in range(chance.choice((1, 1, 1, 2, 4))):
        mutate = chance.choice(
            _IN_MESSAGE if isinstance(message, wire.ModelInferRequest) else [_field]
        )
        mutate(chance, message)
    return _serialised(message)


def _field(chance: random.Random, message: Any) -> None:
    """Any field of the message or of one in it."""
    if not message.DESCRIPTOR.fields:
        return
    field = chance.choice(message.DESCRIPTOR.fields)
    value = getattr(message, field.name)
    if field.message_type and field.message_type.GetOptions().map_entry:
        _parameter(chance, value)
    elif field.is_repeated and field.message_type:
        if value and chance.random() < 0.7:
            _field(chance, chance.choice(value))
        elif value and chance.random() < 0.5:
            value.add().CopyFrom(chance.choice(value))
        else:
            value.add()
    elif field.is_repeated:
        if value and chance.random() < 0.5:
            del value[chance.randrange(len(value)) :]
        else:
            value.extend([_scalar(chance, field)] * chance.choice((1, 1, 2, 70)))
    elif field.message_type:
        _field(chance, value)
    else:
        setattr(message, field.name, _scalar(chance, field))


def _scalar(chance: random.Random, field: Any) -> Any:
    kind = field.cpp_type
    if field.type == field.TYPE_BYTES:
        return chance.randbytes(chance.choice((0, 1, 4, 8, 100)))
    if kind == field.CPPTYPE_STRING:
        return chance.choice(ODD_TEXTS).replace("\ud800", "?")
    if kind == field.CPPTYPE_BOOL:
        return chance.random() < 0.5
    if kind in (field.CPPTYPE_FLOAT, field.CPPTYPE_DOUBLE):
        return float(min(chance.choice(ODD_NUMBERS), 1e308))
    bits = 32 if kind in (field.CPPTYPE_INT32, field.CPPTYPE_UINT32) else 64
    if kind in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64):
        return chance.choice((0, 1, 2, 255, 256, 2**bits - 1))
    return chance.choice((0, 1, 2, -1, 300, 2 ** (bits - 1) - 1, -(2 ** (bits - 1))))


def _parameter(chance: random.Random, parameters: Any) -> None:
    value = parameters[chance.choice(_PARAMETERS)]
    field = chance.choice(value.DESCRIPTOR.fields)
    if chance.random() < 0.8:  # else it has no value
        setattr(value, field.name, _scalar(chance, field))


_PARAMETERS = (
    *("binary_data_size", "binary_data_output", "binary_data", "classification", "timeout", ""),
    *("priority", "sequence_id", "sequence_start", "content_type", "shared_memory_region", "x"),
    *("triton_enable_empty_final_response", "signature_name", "headers"),
)


def _tensor(message: wire.ModelInferRequest, chance: random.Random) -> Any:
    return chance.choice(message.inputs) if message.inputs else message.inputs.add()


def _shape(chance: random.Random, message: wire.ModelInferRequest) -> None:
    shapes = (
        *([], [0], [-1], [1], [2], [1, 2], [2, 0], [784], [1, 784], [28, 28], [1] * 65, [2**62, 0]),
        *([2**31, 2**31], [2**63 - 1], [-(2**63)], [2**40, 2**40, 0], [1, 28, 28, 1], [2, 28, 28]),
    )
    _tensor(message, chance).shape[:] = chance.choice(shapes)


def _datatype(chance: random.Random, message: wire.ModelInferRequest) -> None:
    _tensor(message, chance).datatype = chance.choice(list(arithmetic.DATATYPES.values()))


def _contents(chance: random.Random, message: wire.ModelInferRequest) -> None:
    """Values of any type, be it beside raw ones."""
    contents = _tensor(message, chance).contents
    field = chance.choice(contents.DESCRIPTOR.fields)
    getattr(contents, field.name).extend(
        [_scalar(chance, field) for _ in range(chance.choice((0, 1, 2, 784)))]
    )


def _raw(chance: random.Random, message: wire.ModelInferRequest) -> None:
    """Raw contents: more, fewer, longer, shorter, or strings that lie about their lengths."""
    raw = message.raw_input_contents
    kind = chance.randrange(4)
    if kind == 0 or not raw:
        raw.append(chance.choice((b"", b"\0" * 8, calls.PIXELS, calls.lengths(b"a", b""))))
    elif kind == 1:
        del raw[chance.randrange(len(raw))]
    else:
        raw[chance.randrange(len(raw))] = mutations.mutated(chance, chance.choice(raw))


def _output(chance: random.Random, message: wire.ModelInferRequest) -> None:
    added = message.outputs.add(
        name=chance.choice(("out", "sum", "probabilities", "class_ids", ""))
    )
    if chance.random() < 0.6:
        _parameter(chance, added.parameters)


def _input(chance: random.Random, message: wire.ModelInferRequest) -> None:
    """An input that is there twice, or is another model's, or is missing."""
    if message.inputs and chance.random() < 0.3:
        del message.inputs[chance.randrange(len(message.inputs))]
    elif message.inputs and chance.random() < 0.5:
        message.inputs.add().CopyFrom(chance.choice(message.inputs))
    else:
        message.inputs.extend(_message(chance).inputs)


def _model(chance: random.Random, message: wire.ModelInferRequest) -> None:
    names = (
        "mlp",
        "clothes",
        "opt",
        "echo_bytes",
        "echo_bool",
        "mlpb",
        "gone",
        "",
        "a/b",
        "\0",
        ".",
    )
    if chance.random() < 0.5:
        message.model_name = chance.choice(names)
    else:
        message.model_version = chance.choice(("1", "2", "9", "-1", "01", "x", "9" * 30, "\u0661"))


_IN_MESSAGE: list[Callable[[random.Random, Any], None]] = [
    *(_field, _shape, _shape, _datatype, _contents, _raw, _raw, _output, _input, _model),
]


def _in_fields(chance: random.Random, message: Message | bytes) -> bytes:
    """Other fields than the message has, or fields that cannot be read."""
    content = _serialised(message)
    for _ in range(chance.choice((1, 1, 2, 3))):
        content = wire_fields.mutated(chance, content)
    return content


def _in_bytes(chance: random.Random, message: Message | bytes) -> bytes:
    return mutations.mutated(chance, _serialised(message))


_KINDS: dict[str, Callable[[random.Random, Message | bytes], bytes]] = {
    "message": _in_message,
    "fields": _in_fields,
    "bytes": _in_bytes,
}
_METHODS = (
    *("ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata", "ModelConfig"),
    *("ModelStatistics", "ModelInfer", "RepositoryIndex", "RepositoryModelLoad", "Gone"),
    *("RepositoryModelUnload", "TraceSetting", "LogSettings", "SystemSharedMemoryStatus"),
    *("SystemSharedMemoryRegister", "CudaSharedMemoryUnregister", STREAM),
    *("/grpc.health.v1.Health/Check", "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"),
)


def _options(chance: random.Random) -> dict[str, Any]:
    if chance.random() < 0.8:
        return {}
    pairs = (
        *(("x-request-id", "r" * 300), ("traceparent", "00-zz")),
        *(("authorization", "Bearer x"), ("x-bin", b"\0\xff"), ("user-agent", "u" * 999)),
        *(("triton-grpc-protocol-x", "y"), ("x-request-id", "")),
    )
    compression = chance.choice((None, grpc.Compression.Gzip, grpc.Compression.Deflate))
    return {"metadata": (chance.choice(pairs),), "compression": compression}
