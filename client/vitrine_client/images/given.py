"""Picture argument: the types that a caller may give as one picture, and errors for all others."""

import io
import os
import re
import stat
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrine_client.errors import InvalidImage, NotAPicture

_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://", re.IGNORECASE)
_PIECE = 2**20

ONE_PICTURE = "a path, bytes, a file opened in binary mode, a PIL image or an array"


def read(picture: object) -> bytes | Image.Image | NDArray[Any]:
    """Returns the bytes of an encoded picture, or its pixels as they are.

    Raises `OSError` where a path cannot be opened, `InvalidImage` where a file has no bytes to
    read, and `NotAPicture`, which is one, for other types.
    """
    match picture:
        case bytes() | Image.Image() | np.ndarray():
            return picture
        case bytearray() | memoryview():
            return bytes(picture)
        case str() | os.PathLike():
            return _content(picture)
    if callable(getattr(picture, "read", None)):
        return read_file(picture)
    if hasattr(picture, "__array__"):
        return array_of(picture)
    raise NotAPicture(f"{named(picture)} is not a picture: {_instead(picture)}")


def read_file(file: Any) -> bytes:
    """Returns the rest of an open file. Raises `InvalidImage` where that is empty, no bytes, or
    cannot be read."""
    if isinstance(file, io.TextIOBase):
        raise NotAPicture("The file is opened in text mode; open it with open(path, 'rb')")
    try:
        content = file.read()
    except ValueError as error:  # it was closed
        raise InvalidImage(f"The file cannot be read: {error}") from error
    if isinstance(content, bytes | bytearray | memoryview):
        if len(content):
            return bytes(content)
        raise InvalidImage(
            "The file has no bytes left to read; it is empty, or was read before: seek(0) goes back"
        )
    if isinstance(content, Coroutine):
        content.close()
        raise NotAPicture("read() is asynchronous; await it, and pass the bytes that it returns")
    raise NotAPicture(f"read() returned {named(content)}, not bytes; open it in binary mode")


def array_of(picture: Any) -> NDArray[Any]:
    """Returns the array of a tensor. Raises `NotAPicture` where it has none in this memory."""
    try:
        return np.asarray(picture)
    except Exception as error:  # each library has its own for tensors of a GPU or a graph
        raise NotAPicture(f"{named(picture)} cannot be read as an array: {error}") from error


def refuse_address(path: str | os.PathLike[str]) -> None:
    """Raises `NotAPicture` for a URL in place of a path."""
    text = path if isinstance(path, str) else ""
    shown = text if len(text) <= 80 else f"{text[:79]}…"
    if text.startswith("data:"):
        raise NotAPicture("This is a data: URL; pass the bytes that its Base64 stands for")
    if not (found := _ADDRESS.match(text)):
        return
    if found[1].lower() == "file":
        raise NotAPicture(f"{shown} is a URL; pass the path in it, without file://")
    raise NotAPicture(f"{shown} is a URL, not a file; download it first, and pass the bytes")


def named(thing: object) -> str:
    """Returns the name of an argument in a message: None, or its type with an article."""
    if thing is None:
        return "None"
    name = type(thing).__name__
    return f"{'An' if name[0] in 'aeiouAEIOU' else 'A'} {name}"


def _content(path: str | os.PathLike[str]) -> bytes:
    """Reads a file with four system calls; `open` makes nine, which is half of the time that many
    small pictures take here."""
    refuse_address(path)
    if not os.fspath(path):
        raise NotAPicture("The path is empty; name a file")
    try:
        file = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
    except ValueError as error:  # a NUL in it
        raise InvalidImage(f"The path cannot be opened: {error}") from error
    try:
        status = os.fstat(file)
        if stat.S_ISDIR(status.st_mode):
            raise NotAPicture(f"{Path(path)} is a folder; predict_many takes its pictures")
        parts = [os.read(file, status.st_size + 1)]
        if len(parts[0]) != status.st_size:  # a pipe, or one that is written to
            while parts[-1]:
                parts.append(os.read(file, _PIECE))
        return b"".join(parts)
    finally:
        os.close(file)


def _instead(thing: object) -> str:
    """Returns advice for an argument that is no picture."""
    hints: tuple[tuple[Callable[[Any], bool], str], ...] = (
        (_is_pixels, "make an array of its numbers, np.array(pixels, np.uint8)"),
        (lambda one: isinstance(one, Coroutine), "await it first"),
        (lambda one: hasattr(one, "content"), "pass its content"),
        (
            lambda one: hasattr(one, "__aiter__"),
            "for several pictures ask AsyncClient.predict_many",
        ),
        (lambda one: isinstance(one, Iterable), "for several pictures ask predict_many"),
    )
    return next((hint for fits, hint in hints if fits(thing)), f"pass {ONE_PICTURE}")


def _is_pixels(thing: Any) -> bool:
    """Says whether this is a list of numbers, or of rows of them."""
    while isinstance(thing, list | tuple) and thing:
        thing = thing[0]
        if isinstance(thing, int | float | np.number):
            return True
    return False
