"""Values of a JSON request to arrays, by the rules of TensorFlow Serving's json_tensor.cc.

`to_array` works on whole arrays and only says whether a value fits; `check` goes through it value
by value, to name the first misfit as TensorFlow Serving does.
"""

import array
import base64
import string
from collections.abc import Mapping
from itertools import chain
from typing import Any

import grpc
import numpy as np
import numpy.typing as npt

from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.errors import ServingError
from vitrine_serving.rest_json.deep import DeepArray, shaped
from vitrine_serving.rest_json.echoes import echo, type_name

_INT32 = (-(2**31), 2**31 - 1)
# What a JSON integer may be for each dtype. The small ones wrap, as TensorFlow Serving's do.
_INTEGERS: dict[int, tuple[Any, int, int]] = {
    wire.DT_INT8: (np.int8, *_INT32),
    wire.DT_INT16: (np.int16, *_INT32),
    wire.DT_UINT8: (np.uint8, *_INT32),
    wire.DT_INT32: (np.int32, *_INT32),
    wire.DT_UINT32: (np.uint32, 0, 2**32 - 1),
    wire.DT_INT64: (np.int64, -(2**63), 2**63 - 1),
    wire.DT_UINT64: (np.uint64, 0, 2**64 - 1),
}
_FLOATS: dict[int, Any] = {wire.DT_FLOAT: np.float32, wire.DT_DOUBLE: np.float64}
_NO_SPACES = dict.fromkeys(map(ord, string.whitespace))
_OTHERS: dict[int, Any] = {wire.DT_BOOL: np.bool_, wire.DT_STRING: np.object_}
JSON_DTYPES: dict[int, Any] = {
    **{dtype: known[0] for dtype, known in _INTEGERS.items()},
    **_FLOATS,
    **_OTHERS,
}
"""The dtypes that JSON has, by TensorFlow's numbers: no uint16, half or complex."""

EMPTY_DTYPES = {**JSON_DTYPES, wire.DT_HALF: np.float16, wire.DT_UINT16: np.uint16}
"""Dtypes of lists without values: TensorFlow Serving asks each value, and no list, for its dtype.
NumPy and the gateway's messages have these of the others."""

_REFERENCES = 100
"""From here on are the dtypes of references to variables: types.cc's kDataTypeRefOffset."""


def dtype_name(dtype: int) -> str:
    """Returns TensorFlow's name for a dtype, as types.cc (DataTypeString) has it: `float`, where
    NumPy says `float32`."""
    if dtype > _REFERENCES:
        return f"{_name(dtype - _REFERENCES)}_ref"
    return _name(dtype)


def _name(dtype: int) -> str:
    if dtype == wire.DT_INVALID:
        return "INVALID"
    if dtype not in wire.DataType.values():
        return f"unknown dtype enum ({dtype})"
    return wire.DataType.Name(dtype).removeprefix("DT_").lower()


def is_base64(value: Any) -> bool:
    """Says whether a value is an object of one string named `b64`."""
    return type(value) is dict and value.keys() == {"b64"} and isinstance(value["b64"], str)


def to_bytes(value: Any) -> bytes:
    """Returns the bytes of a string or a base64 object. Raises `ServingError`."""
    if isinstance(value, str):
        return value.encode(errors="surrogateescape")
    if not is_base64(value):
        raise ServingError.invalid(
            f"JSON Value: {echo(value)} not formatted correctly for base64 data"
        )
    text = value["b64"]
    try:
        return _from_base64(text)
    except ValueError as error:
        raise ServingError.invalid("Unable to base64 decode", _base64_hint(text)) from error


def _from_base64(text: str) -> bytes:
    """Returns what absl's Base64Unescape does: spaces do not count, and pads, `=` or `.`, are none,
    or as many as are missing. Raises `ValueError`."""
    if any(space in text for space in string.whitespace):  # ASCII's
        text = text.translate(_NO_SPACES)
    digits = text.rstrip("=.")
    pads, missing = len(text) - len(digits), -len(digits) % 4
    if pads not in (0, missing):
        raise ValueError(f"{pads} pads, not {missing}")
    return base64.b64decode(digits + "=" * missing, validate=True)


def _base64_hint(text: str) -> str:
    if text.startswith("data:"):
        return "leave out what is before the comma, `data:` and all"
    if "-" in text or "_" in text:
        return "use the standard alphabet, with `+` and `/`, not that of URLs"
    return ""


def to_array(
    value: Any, dtype: int, *, bools: bool = True, empties: Mapping[int, Any] = EMPTY_DTYPES
) -> npt.NDArray[Any] | DeepArray | None:
    """Returns a value as an array of a dtype (strings as bytes in objects), or None if it is none.

    Small integers wrap, as they do in TensorFlow Serving. Numbers are read faster where the caller
    knows that there are no `bools` among them. `empties` are NumPy's dtypes of lists without
    values.
    """
    dense = _flatten(value)
    if dense is None:
        return None
    shape, leaves = dense
    if not leaves and dtype in empties:
        return shaped(np.empty(0, empties[dtype]), shape)
    if not leaves or dtype not in JSON_DTYPES:
        return None
    if dtype in _OTHERS:
        flat = _strings(leaves) if dtype == wire.DT_STRING else _bools(leaves)
    elif bools and bool in set(map(type, leaves)):
        return None
    else:
        flat = _floats(leaves, dtype) if dtype in _FLOATS else _integers(leaves, dtype)
    return None if flat is None else shaped(flat, shape)


def _flatten(value: Any) -> tuple[list[int], list[Any]] | None:
    """Returns the shape and the leaves of nested lists, or None where they are ragged."""
    shape: list[int] = []
    level = [value]
    while level and type(level[0]) is list:
        if set(map(type, level)) != {list}:
            return None
        lengths = set(map(len, level))
        if len(lengths) > 1:
            return None
        shape += lengths
        level = list(chain.from_iterable(level))
    return shape, level


def _floats(leaves: list[Any], dtype: int) -> npt.NDArray[Any] | None:
    try:
        doubles = np.frombuffer(array.array("d", leaves))
    except TypeError:
        return None
    with np.errstate(over="ignore"):  # what no float32 holds is rounded, or Infinity
        return doubles.astype(_FLOATS[dtype], copy=False)


def _integers(leaves: list[Any], dtype: int) -> npt.NDArray[Any] | None:
    numpy_dtype, smallest, largest = _INTEGERS[dtype]
    try:
        if dtype == wire.DT_UINT64:
            return np.frombuffer(array.array("Q", leaves), np.uint64)
        whole = np.frombuffer(array.array("q", leaves), np.int64)
    except (OverflowError, TypeError):
        return None
    if whole.min() < smallest or whole.max() > largest:
        return None
    return whole.astype(numpy_dtype, copy=False)


def _bools(leaves: list[Any]) -> npt.NDArray[Any] | None:
    return np.array(leaves, np.bool_) if set(map(type, leaves)) == {bool} else None


def _strings(leaves: list[Any]) -> npt.NDArray[Any] | None:
    if not set(map(type, leaves)) <= {str, dict}:
        return None
    flat = np.empty(len(leaves), np.object_)
    try:
        flat[:] = [to_bytes(leaf) for leaf in leaves]
    except ServingError:
        return None
    return flat


def check(value: Any, dtype: int) -> tuple[int, list[int]]:
    """Returns how many leaves a value has, and its shape.

    Raises `ServingError` for the first thing that keeps it from being an array of the dtype.
    """
    shape: list[int] = []
    first = value
    while isinstance(first, list):
        shape.append(len(first))
        if not first:
            break
        first = first[0]
    count, rank = 0, len(shape)
    lists = [iter([value])]  # each one level deeper, and what is left of it
    while lists:
        level = len(lists) - 1
        for item in lists[-1]:
            if isinstance(item, list):
                _check_list(item, level, shape)
                lists.append(iter(item))
                break
            if level != rank:
                raise ServingError.invalid(
                    f"JSON Value: {echo(item)} found at incorrect level: {level + 1}"
                    f" in the JSON DOM. Expected at level: {rank}"
                )
            _check_leaf(item, dtype)
            count += 1
        else:
            lists.pop()
    return count, shape


def _check_list(value: list[Any], level: int, shape: list[int]) -> None:
    if level >= len(shape):
        raise ServingError.invalid(
            f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        )
    if len(value) != shape[level]:
        raise ServingError.invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level}"
            f" expected size: {shape[level]}"
        )


def _check_leaf(value: Any, dtype: int) -> None:
    if dtype == wire.DT_STRING and isinstance(value, str | dict):
        to_bytes(value)
        return
    if dtype not in JSON_DTYPES and not isinstance(value, dict):
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Conversion of JSON Value: {echo(value)} to type: {dtype_name(dtype)}",
        )
    if type(value) in (int, float) and dtype in _FLOATS:
        return
    if type(value) is int and dtype in _INTEGERS:
        _, smallest, largest = _INTEGERS[dtype]
        if smallest <= value <= largest:
            return
    if type(value) is bool and dtype == wire.DT_BOOL:
        return
    raise ServingError.invalid(
        f"JSON Value: {echo(value)} Type: {type_name(value)}"
        f" is not of expected type: {dtype_name(dtype)}"
    )
