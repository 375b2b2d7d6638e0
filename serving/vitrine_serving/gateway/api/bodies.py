"""Request bodies of pictures and arrays: parsed within limits of number and size.

All limits are looked at before anything of that size is made. Nothing here knows HTTP.
"""

import io
import re
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from vitrine_client.errors import InvalidRequest, UnsupportedMediaType
from vitrine_client.images import SIDE
from vitrine_serving.gateway.api.forms import read_form, too_many

_MAX_NPY_HEADER_BYTES = 1024  # numpy writes 128
_NPY_DTYPES = {"|u1", "<f2", "<f4", "<f8"}
_MAKES_PYTHON_WARN = re.compile(rb"\\|\d\s*[A-Za-z_]")  # nobody is to write to the log
_NPY_HINT = (
    f"send what `numpy.save` writes of an array [n, {SIDE}, {SIDE}], uint8 or little-endian floats "
    "in 0..1"
)


@lru_cache(256)  # clients have few, and it is asked several times a request
def media_type(content_type: str) -> str:
    """Returns the media type of a content type in lower case, without parameters."""
    return content_type.partition(";")[0].strip().lower()


def read_pictures(content_type: str, body: bytes, *, max_images: int) -> list[bytes]:
    """Returns the bytes of each picture in a body: the body itself, or a form's parts `image`.

    Raises `UnsupportedMediaType`, `InvalidRequest` for a form that is broken or has no image, and
    `PayloadTooLarge` for one with more than `max_images`.
    """
    kind = media_type(content_type)
    if kind.startswith("image/") or kind == "application/octet-stream":
        return [body]
    if kind == "multipart/form-data":
        return read_form(content_type, body, max_images)
    raise UnsupportedMediaType(
        f"Content type {kind or '(none)'} is not supported; send a picture with "
        "`-H 'Content-Type: image/png' --data-binary @shoe.png`, "
        "several with `-F image=@shoe.png -F image=@bag.jpg`, "
        "an array as application/x-npy, or TensorFlow Serving's JSON as application/json"
    )


def read_npy(body: bytes, *, max_images: int) -> NDArray[np.uint8]:
    """Returns the instances in an `.npy` file, uint8 [n, 28, 28], without a copy where it can.

    Takes uint8 or float16/32/64 in 0..1, [n, 28, 28] or [28, 28], in C or Fortran order. Raises
    `InvalidRequest` for all else, `PayloadTooLarge` where n is more than `max_images`.
    """
    shape, fortran_order, dtype, start = _npy_header(body)
    if dtype.str not in _NPY_DTYPES:
        raise InvalidRequest(f"The array is of dtype {dtype.str}; {_NPY_HINT}")
    count, *sides = shape if len(shape) == 3 else (1, *shape)
    if sides != [SIDE, SIDE] or count < 1 or bool in map(type, shape):  # numpy takes True for 1
        raise InvalidRequest(f"The array has the shape {list(shape)}; {_NPY_HINT}")
    if count > max_images:
        raise too_many(f"{count:,}", max_images)
    expected = count * SIDE * SIDE * dtype.itemsize
    if len(body) - start != expected:
        raise InvalidRequest(
            f"The array's data has {len(body) - start} bytes where its header promises {expected}"
        )
    array = np.frombuffer(body, dtype, offset=start)
    if dtype.kind == "f":
        array = _eight_bits(array)
    array = array.reshape(shape[::-1]).T if fortran_order else array.reshape(shape)
    return np.ascontiguousarray(array.reshape(count, SIDE, SIDE))


def _npy_header(body: bytes) -> tuple[tuple[int, ...], bool, np.dtype[np.generic], int]:
    end = 10 + int.from_bytes(body[8:10], "little")
    try:
        if end > _MAX_NPY_HEADER_BYTES + 10:
            raise ValueError
        return (*_parsed_npy_header(body[:end]), end)
    except Exception as error:  # the header is a Python literal, and reading it raises much
        raise InvalidRequest(
            f"This is no .npy file, or its header is broken; {_NPY_HINT}"
        ) from error


@lru_cache(256)
def _parsed_npy_header(begin: bytes) -> tuple[tuple[int, ...], bool, np.dtype[np.generic]]:
    """Returns shape, order and dtype; most clients send arrays of the same few shapes."""
    file = io.BytesIO(begin)
    # Later versions of the format are for headers that are longer than any of ours.
    if np.lib.format.read_magic(file) != (1, 0) or _MAKES_PYTHON_WARN.search(begin, 10):
        raise ValueError
    return np.lib.format.read_array_header_1_0(file, max_header_size=_MAX_NPY_HEADER_BYTES)


def _eight_bits(array: NDArray[np.generic]) -> NDArray[np.uint8]:
    if not (array.min() >= 0 and array.max() <= 1):  # which NaN fails, too
        raise InvalidRequest("The array's floats must lie in 0..1, without NaN; scale it")
    return np.rint(array.astype(np.float32) * 255).astype(np.uint8)
