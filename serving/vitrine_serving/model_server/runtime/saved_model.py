"""SavedModel's graph file: read, or refused with the code and words of TensorFlow's C++ loader
(saved_model/reader.cc, platform/env.cc ReadBinaryProto), as TensorFlow Serving 2.20.0 has them."""

from pathlib import Path
from typing import Any

import grpc
from google.protobuf import text_format
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

from vitrine_client.store.layout import without_graph
from vitrine_serving.errors import ServingError

_LEN, _SIZES = 2, {1: 8, 5: 4}
"""Wire types: that with a length, and those of so many bytes."""


def saved_model(path: Path) -> Any:
    """Returns the `SavedModel` message in a version directory; raises `ServingError`."""
    file = path / "saved_model.pb"
    if not file.exists():
        file = path / "saved_model.pbtxt"
    if not file.exists():
        raise ServingError(
            grpc.StatusCode.NOT_FOUND,
            "Specified file path does not appear to contain a SavedModel bundle (should have a "
            f"file called `saved_model.pb`)\nSpecified file path: {path}",
            hint=str(without_graph(path) or ""),
        )
    if not file.is_file():  # a pipe would never be read to its end
        raise ServingError.invalid(f"{file} is no regular file")
    content = file.read_bytes()
    try:
        if file.suffix == ".pbtxt":
            return text_format.Parse(content, saved_model_pb2.SavedModel())
        return saved_model_pb2.SavedModel.FromString(content)
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise ServingError(
            grpc.StatusCode.DATA_LOSS, f"Can't parse {file} as text proto", hint=str(error)
        ) from error
    except DecodeError as error:
        if _is_cut(content):
            raise ServingError(
                grpc.StatusCode.OUT_OF_RANGE,
                "Read less bytes than requested",
                hint=f"{file} is cut off",
            ) from error
        raise ServingError(
            grpc.StatusCode.DATA_LOSS, f"Can't parse {file} as binary proto"
        ) from error


def _is_cut(content: bytes) -> bool:
    """Whether bytes that are no message end too early, and are well-formed up to there:
    https://protobuf.dev/programming-guides/encoding."""
    place = 0
    try:
        while place < len(content):
            tag, place = _varint(content, place)
            field, kind = tag >> 3, tag & 7
            if not field:
                return False
            if kind == 0:
                _, place = _varint(content, place)
            elif kind == _LEN:
                size, place = _varint(content, place)
                place += size
            elif kind in _SIZES:
                place += _SIZES[kind]
            else:
                return False
    except IndexError:
        return True
    except ValueError:
        return False
    return place > len(content)


def _varint(content: bytes, place: int) -> tuple[int, int]:
    """Returns a number, and the place after it. Raises `IndexError` at the end, and `ValueError`
    for one of more than ten bytes."""
    found = 0
    for shift in range(0, 70, 7):
        byte = content[place]
        place += 1
        found |= (byte & 127) << shift
        if byte < 128:
            return found, place
    raise ValueError("no number is as long")
