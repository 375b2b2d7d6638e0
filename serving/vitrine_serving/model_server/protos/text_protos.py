"""Text files of protocol buffers, which flags name; with the errors of TensorFlow Serving's
`ParseProtoTextFile` (util/proto_util.h), as seen on TensorFlow 2.20.0."""

import errno
import os
import re
import stat
from pathlib import Path
from typing import TypeVar

import grpc
from google.protobuf import text_format
from google.protobuf.message import Message

from vitrine_serving.errors import ServingError

Read = TypeVar("Read", bound=Message)

_WRAPPERS = "google/protobuf/wrappers.proto"
"""The file of messages that have one value each, for numbers that may be absent."""
_JSON = re.compile(rb"\s*\[?\s*\{")

_CODES = {
    errno.ENOENT: grpc.StatusCode.NOT_FOUND,
    errno.ENODEV: grpc.StatusCode.NOT_FOUND,
    errno.EINVAL: grpc.StatusCode.INVALID_ARGUMENT,
    errno.ENAMETOOLONG: grpc.StatusCode.INVALID_ARGUMENT,
    errno.EACCES: grpc.StatusCode.PERMISSION_DENIED,
    errno.EPERM: grpc.StatusCode.PERMISSION_DENIED,
    errno.ENOTDIR: grpc.StatusCode.FAILED_PRECONDITION,
}


def read(path: Path, message: Read, *, is_secret: bool = False) -> Read:
    """Returns `message`, with the fields of the file at `path`.

    Raises `ServingError` where it cannot be read, has no bytes (a file is mapped there, and one
    without bytes cannot be), or makes no sense; the hint then says where, with words of the file
    unless it `is_secret`.
    """
    text = content(path)
    try:
        text_format.Parse(text, message)
    except (text_format.ParseError, ValueError, RecursionError) as error:
        where = _place(error) if is_secret else str(error) or "It is not UTF-8"
        way_out = _way_out(error, text, message, is_secret=is_secret)
        hint = f"{where} {way_out}".rstrip()
        raise ServingError.invalid(f"Invalid protobuf file: '{path}'", hint) from error
    return message


def _place(error: Exception) -> str:
    line = error.GetLine() if isinstance(error, text_format.ParseError) else None
    return f"It is wrong in line {line}." if line else "It is no text of a protocol buffer."


def _way_out(error: Exception, text: bytes, message: Message, *, is_secret: bool) -> str:
    """Returns what is probably to be done: for JSON, for a text of several lines (a key or a
    certificate), and for a value in place of a message, which has words of the file."""
    if _JSON.match(text):
        return (
            f"This looks like JSON; {message.DESCRIPTOR.name} is written in text-proto syntax: "
            "`name: value`, without braces around the whole"
        )
    if "String missing ending quote" in str(error):
        return "A text ends on its line: write \\n where it has a line break"
    if is_secret or not isinstance(error, text_format.ParseError):
        return ""
    lines, column = text.decode(errors="replace").split("\n"), (error.GetColumn() or 1) - 1
    line = lines[(error.GetLine() or 1) - 1]
    name = re.search(r"(\w+)\s*:\s*$", line[:column])
    if not (name and str(error).endswith('Expected "{".')):
        return ""
    given = re.match(r"[\w.+-]+", line[column:])
    value = f"value: {given[0]}" if given and _is_wrapper(message, name[1]) else "…"
    return f"Write {name[1]} {{ {value} }}"


def _is_wrapper(message: Message, name: str) -> bool:
    """Says whether a field is a message that has one value."""
    field = message.DESCRIPTOR.fields_by_name.get(name)
    return bool(field and field.message_type and field.message_type.file.name == _WRAPPERS)


def content(path: Path) -> bytes:
    """Returns the bytes of the file, of which there are some. Raises `ServingError`."""
    try:
        return _content(path)
    except OSError as error:
        code = _CODES.get(error.errno or 0, grpc.StatusCode.UNKNOWN)
        raise ServingError(code, f"{path}; {os.strerror(error.errno or 0)}") from error


def _content(path: Path) -> bytes:
    found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise OSError(errno.ENODEV, "")
    if not found.st_size:  # of pipes and devices as well, which might have no end
        raise OSError(errno.EINVAL, "")
    return path.read_bytes()
