"""Decoding of picture files: each as serving would show it to the model, as pixels.

Serving's own code does it (`fit_picture`), so that a model meets the same pixels in production as
it was trained on. Filters that give levels between whole ones are rounded here, by half a level at
most; those of Pillow are the same to the bit.
"""

import os
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from vitrine_client.errors import InvalidImage
from vitrine_client.images import MAX_PIXELS
from vitrine_client.images.files import check_header
from vitrine_client.images.headers import is_grey_jpeg
from vitrine_client.images.preprocessing import fit_picture, shown
from vitrine_client.images.rows import SIDE, read_row
from vitrine_client.results.profiles.profile import ModelProfile

Pixels = npt.NDArray[np.uint8]

RESIZE = "pillow-draft"
"""Filter by default: with antialias, the fastest for photos, and in whole levels, so that they are
kept as they are."""

MOST_FILE_BYTES = 64 << 20
"""Of a picture's file: the largest that may be read, a BMP of 16 million pixels, has fewer."""

_HEAD_BYTES = 1 << 20
"""Of a large file: its header, which tells its pixels before the rest is read."""

_PNG, _COLOUR_TYPE_AT, _GREY_TYPES = b"\x89PNG", 25, frozenset((0, 4))
"""Of PNG: https://www.w3.org/TR/png-3/, 11.2.1."""

TOO_LARGE = "files that are too large"
NO_PICTURE = "files that are no pictures, or of a format that is not read"
DAMAGED = "pictures that are damaged"
UNREADABLE = "files that cannot be read"
NOTHING = "pictures in which no item was found"
ENDED = "files at which the decoder ended"
"""Reasons for which a file has no pixels."""


class Undecodable(Exception):
    """File without pixels, for one of the reasons above; the message says more about it."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Fitting:
    """Fitting of pictures to a model: their side, a profile's `fit` and `resize`, and whether they
    are made grey; None where each keeps the colours that it has."""

    size: int
    fit: str
    resize: str
    grey: bool | None

    @cached_property
    def colour_profile(self) -> ModelProfile:
        """Profile of a model that takes such pictures in colour."""
        return ModelProfile(shape=(self.size, self.size, 3), fit=self.fit, resize=self.resize)

    @cached_property
    def grey_profile(self) -> ModelProfile:
        """Profile of a model that takes such pictures in grey."""
        return ModelProfile(shape=(self.size, self.size), fit=self.fit, resize=self.resize)


def decode(path: str | os.PathLike[str], fitting: Fitting) -> Pixels:
    """Returns the pixels of a file, uint8 [h, w] where they are grey, else [h, w, 3].

    Grey are those of a picture without colours, however it is stored. Raises `Undecodable`.
    """
    content = None
    try:
        content = _content(path)
        return _fitted(content, fitting)
    except OSError as error:
        raise Undecodable(UNREADABLE, error.strerror or str(error)) from error
    except InvalidImage as error:
        raise Undecodable(_reason(content, error), str(error)) from error
    except MemoryError as error:
        raise Undecodable(TOO_LARGE, "there is not enough memory for it") from error
    except Undecodable:
        raise
    except Exception as error:  # one bad file ends no training
        raise Undecodable(DAMAGED, f"{type(error).__name__}, {error}") from error


def _content(path: str | os.PathLike[str]) -> bytes:
    """Returns a file's bytes. Raises `OSError`, and `InvalidImage` where the file or the picture in
    it is too large, which is known by its header."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # a file object takes as long again
    try:
        size = os.fstat(descriptor).st_size
        head = os.read(descriptor, min(size + 1, _HEAD_BYTES))
        if size <= len(head):
            return head
        check_header(head, MAX_PIXELS)
        if size > MOST_FILE_BYTES:
            raise InvalidImage(f"The file has {size:,} bytes, and {MOST_FILE_BYTES:,} are the most")
        return head + os.read(descriptor, size - len(head))
    finally:
        os.close(descriptor)


def _reason(content: bytes | None, error: InvalidImage) -> str:
    """Returns why a file has no pixels; `content` is None of one that was not read whole."""
    if content is None:
        return TOO_LARGE
    try:
        check_header(content, MAX_PIXELS)
    except InvalidImage:
        return TOO_LARGE
    return NO_PICTURE if str(error).startswith(("This is ", "SVG is ")) else DAMAGED


def _fitted(content: bytes, fitting: Fitting) -> Pixels:
    if fitting.fit != "item" and fitting.size == SIDE and fitting.grey is not False:
        row = read_row(content)
        if row is not None:
            return row
    if fitting.grey is not None:
        return _levels(content, fitting.grey_profile if fitting.grey else fitting.colour_profile)
    is_grey_png = content.startswith(_PNG) and content[_COLOUR_TYPE_AT] in _GREY_TYPES
    if is_grey_png or is_grey_jpeg(content):
        return _levels(content, fitting.grey_profile)
    colour = _levels(content, fitting.colour_profile)
    first = colour[..., 0]
    if (colour != first[..., None]).any():
        return colour
    grey = _levels(content, fitting.grey_profile)
    return grey if (grey == first).all() else colour  # colours that a pixel's average hides


def _levels(content: bytes, profile: ModelProfile) -> Pixels:
    item = fit_picture(content, profile)
    if item.empty:
        raise Undecodable(NOTHING, "it looks empty")
    return shown(item.instance)
