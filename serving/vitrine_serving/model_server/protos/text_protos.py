"""Text files of protocol buffers, which flags name; with the errors of TensorFlow Serving's
`ParseProtoTextFile` (util/proto_util.h), as seen on TensorFlow 2.20.0."""

import errno
import os
import stat
from pathlib import Path
from typing import TypeVar

import grpc
from google.protobuf import text_format
from google.protobuf.message import Message

from vitrine_serving.errors import ServingError

Read = TypeVar("Read", bound=Message)

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
    try:
        text_format.Parse(content(path), message)
    except (text_format.ParseError, ValueError, RecursionError) as error:
        where = _place(error) if is_secret else str(error) or "It is not UTF-8"
        raise ServingError.invalid(f"Invalid protobuf file: '{path}'", where) from error
    return message


def _place(error: Exception) -> str:
    line = error.GetLine() if isinstance(error, text_format.ParseError) else None
    return f"It is wrong in line {line}" if line else "It is no text of a protocol buffer"


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
