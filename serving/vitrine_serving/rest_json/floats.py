"""Numbers of arrays as JSON: in the digits of TensorFlow Serving, or in the fewest."""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

_MANY = 48
"""Values from which on arrays are faster than one after the other: 640 take a sixth of the time."""

_POWERS = 10.0 ** np.arange(-3, 6)
_TO_SIX = 10.0 ** np.arange(9, -1, -1)
_TO_NINE = 1000 * _TO_SIX
_POINT, _EXPONENT = b".e"  # numbers: to look for bytes in bytes takes ten times as long
_TINY = {char: float(np.finfo(char).tiny) for char in "fd"}
_SMALL, _LARGE = 1e-4, 1e6
"""Between them `%g` writes a number of six digits as orjson does, without an exponent."""

_NEAR = 1e-5
"""Distance from the middle between two numbers of nine digits within which doubles may err."""


def shortest(array: npt.NDArray[Any]) -> bytes:
    """Returns a numeric or boolean array as compact JSON, with bare NaN and Infinity.

    Floats have the shortest form that round-trips for their dtype, and always a point or exponent.
    """
    text = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in text:  # what orjson makes of NaN and Infinity
        odd = array[~np.isfinite(array)]
        tokens = np.where(np.isnan(odd), b"NaN", np.where(odd > 0, b"Infinity", b"-Infinity"))
        between = [*tokens.tolist(), b""]
        text = b"".join(chain.from_iterable(zip(text.split(b"null"), between, strict=True)))
    return text if array.ndim else text[1:-1]


def shortest_tokens(values: npt.NDArray[Any]) -> list[bytes]:
    """Returns each of a vector as `shortest` does."""
    return shortest(values)[1:-1].split(b",") if len(values) else []


def numbers(array: npt.NDArray[Any]) -> bytes:
    """Returns an array of one value at least as `shortest` does, floats by json_tensor.cc's
    WriteDecimal.

    That is `%.6g` if it reads back to the same value, else `%.9g` (of doubles `%.17g`), and `.0`
    after what has neither point nor exponent. Subnormal numbers are 0.0, as its threads flush them.
    """
    if array.dtype.kind != "f":
        return shortest(array)
    if array.dtype.char == "f" and array.size >= _MANY:
        return _many(array)
    return _nested(decimals(array.ravel()), array.shape)


def decimals(values: npt.NDArray[Any]) -> list[bytes]:
    """Returns each of a vector of floats as `numbers` does."""
    if not len(values):
        return []
    if values.dtype.char == "f" and len(values) >= _MANY:
        return _many(values)[1:-1].split(b",")
    given = values.tolist()
    form = _form(len(given), 9 if values.dtype.char == "f" else 17)
    fewest, exactly = shortest(values)[1:-1].split(b","), (form % tuple(given)).split(b",")
    tiny = _TINY[values.dtype.char]
    return [
        exact
        if len(few.strip(b"-0.")) > 7 and _POINT in exact and _EXPONENT not in few
        else _decimal(few, exact, value, tiny)
        for few, exact, value in zip(fewest, exactly, given, strict=True)
    ]


@lru_cache(_MANY)
def _form(count: int, digits: int) -> bytes:
    return b",".join([b"%%.%dg" % digits] * count)


def _decimal(few: bytes, exact: bytes, value: float, tiny: float) -> bytes:
    """Returns a number's text: by its shortest form, that of nine or seventeen digits, and the
    smallest number that is not subnormal."""
    if abs(value) < tiny:
        return b"-0.0" if few.startswith(b"-") else b"0.0"
    if not math.isfinite(value):
        return few
    mantissa = few.partition(b"e")[0].replace(b".", b"")
    if len(mantissa.strip(b"-0")) <= 6:  # then no other number of six digits reads back
        exact = b"%.6g" % value
    return exact if _POINT in exact or _EXPONENT in exact else exact + b".0"


def _many(array: npt.NDArray[np.float32]) -> bytes:
    """Returns an array of float32 as text.

    Each is rounded to nine digits, and to six: the shortest form of the double that is nearest to
    those is these digits. What lies near the middle between two, or has an exponent, is done alone.
    """
    with np.errstate(all="ignore"):
        exact = array.astype(np.float64)
        sizes = np.abs(exact)
        power = _POWERS.searchsorted(sizes, "right")
        scaled = exact * _TO_NINE[power]
        nine = np.rint(scaled)
        alone = ~(np.abs(np.abs(scaled - nine) - 0.5) > _NEAR)
        nine /= _TO_NINE[power]
        made = np.rint(exact * _TO_SIX[power]) / _TO_SIX[power]
        np.copyto(made, nine, where=made.astype(np.float32) != array)
    alone |= (sizes < _SMALL) & (sizes > 0) | ~(sizes < _LARGE)
    if not alone.any():
        return orjson.dumps(np.ascontiguousarray(made), option=orjson.OPT_SERIALIZE_NUMPY)
    made[alone] = np.nan  # which orjson makes null of
    text = orjson.dumps(np.ascontiguousarray(made), option=orjson.OPT_SERIALIZE_NUMPY)
    left = array[alone]
    tokens = [decimals(left[at : at + _MANY - 1]) for at in range(0, len(left), _MANY - 1)]
    between = [*chain.from_iterable(tokens), b""]
    return b"".join(chain.from_iterable(zip(text.split(b"null"), between, strict=True)))


def _nested(texts: list[bytes], shape: Sequence[int]) -> bytes:
    """Returns the texts of an array's values as that of the array."""
    if shape and len(texts) == shape[-1]:
        return b"[" * len(shape) + b",".join(texts) + b"]" * len(shape)
    for size in reversed(shape):
        texts = [
            b"[" + b",".join(texts[at : at + size]) + b"]" for at in range(0, len(texts), size)
        ]
    return texts[0]
