"""Answers as they were seen, over either transport: a status, words, JSON, and tensors.

They are read here by hand, and not by what the servers write them with.
"""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from google.protobuf.message import Message

STATUSES = {
    "OK": 200,
    "INVALID_ARGUMENT": 400,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}
"""The status of HTTP that says what a code of gRPC says."""

DTYPES = {
    "BOOL": "u1",
    **{f"UINT{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"INT{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{"FP16": "<f2", "BF16": "<u2", "FP32": "<f4", "FP64": "<f8"},
}


@dataclass(frozen=True)
class Output:
    """A tensor of an answer: its values as JSON has them, flat, and whether they came as bytes."""

    datatype: str
    shape: list[int]
    values: list[Any]
    is_binary: bool


@dataclass(frozen=True)
class Seen:
    """An answer: `words` are those of an error, `json` is the body or the message, `error` whether
    an error has the form that all clients read."""

    transport: str
    status: int
    words: str = ""
    json: Any = None
    outputs: Mapping[str, Output] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    code: str = ""

    def __str__(self) -> str:
        return f"{self.code or self.status} {self.words or self.json or ''}".strip()

    @property
    def is_readable_error(self) -> bool:
        """Whether an error is JSON by its Content-Type, with words, and not compressed."""
        return self.transport != "http" or (
            self.headers.get("content-type") == "application/json"
            and isinstance(self.json, dict)
            and isinstance(self.json.get("error"), str)
            and "content-encoding" not in self.headers
        )


def of_http(status: int, headers: Mapping[str, str], content: bytes) -> Seen:
    """Reads an answer over HTTP; the names of its headers are in small letters."""
    plain = content
    if coding := headers.get("content-encoding"):
        plain = zlib.decompress(content, wbits=31 if coding == "gzip" else 15)
    size = int(headers.get("inference-header-content-length", len(plain)))
    try:
        value = json.loads(plain[:size].decode(errors="surrogateescape")) if plain else None
    except ValueError:
        value = plain.decode(errors="replace")
    words = ""
    if status != 200:
        words = str(value.get("error", value)) if isinstance(value, dict) else str(value or "")
    outputs = _of_json(value, plain[size:]) if isinstance(value, dict) else {}
    return Seen("http", status, words, value, outputs, headers)


def of_grpc(answer: Message | bytes) -> Seen:
    """Reads a message."""
    if isinstance(answer, bytes):
        return Seen("grpc", 200, json=answer, code="OK")
    raw = list(getattr(answer, "raw_output_contents", ()))
    outputs = {
        each.name: Output(
            each.datatype, list(each.shape), unpacked(each.datatype, content), is_binary=True
        )
        for each, content in zip(getattr(answer, "outputs", ()), raw, strict=False)
        if isinstance(content, bytes)
    }
    return Seen("grpc", 200, json=as_json(answer), outputs=outputs, code="OK")


def of_error(error: grpc.RpcError) -> Seen:
    """Reads an error of gRPC."""
    name = error.code().name
    return Seen("grpc", STATUSES.get(name, 500), error.details() or "", code=name)


def unpacked(datatype: str, content: bytes) -> list[Any]:
    """Returns the elements in bytes; those of BYTES as text, of BF16 as bits."""
    if datatype != "BYTES":
        values = np.frombuffer(content, DTYPES[datatype])
        return (values != 0 if datatype == "BOOL" else values).tolist()
    found = []
    while content:
        end = 4 + int.from_bytes(content[:4], "little")
        found.append(content[4:end].decode(errors="surrogateescape"))
        content = content[end:]
    return found


def as_json(message: Message) -> Any:
    """Returns a message as the JSON of HTTP, without what is not set; bytes are left out."""
    made: dict[str, Any] = {}
    for each, value in message.ListFields():
        if each.type == each.TYPE_BYTES:
            continue
        if each.message_type and each.message_type.GetOptions().map_entry:
            made[each.name] = {key: as_json(item) for key, item in value.items()}
        elif each.is_repeated:
            made[each.name] = [_value(each, item) for item in value]
        else:
            made[each.name] = _value(each, value)
    return made


def _value(of: Any, value: Any) -> Any:
    if of.type == of.TYPE_MESSAGE:
        return as_json(value)
    return of.enum_type.values_by_number[value].name if of.type == of.TYPE_ENUM else value


def _of_json(value: Mapping[str, Any], rest: bytes) -> dict[str, Output]:
    found = {}
    outputs = value.get("outputs")
    for each in outputs if isinstance(outputs, list) else []:
        size = (each.get("parameters") or {}).get("binary_data_size")
        values = each.get("data", [])
        if size is not None:
            values, rest = unpacked(each["datatype"], rest[:size]), rest[size:]
        found[each["name"]] = Output(
            each["datatype"], each["shape"], values, is_binary=size is not None
        )
    assert not rest, f"{len(rest)} bytes are of no output"
    return found
