"""JSON of tensors: the values in `data`, flat or nested, and back."""

import base64
import binascii
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any

import numpy as np

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference import datatypes
from vitrine_client.open_inference.datatypes import Array
from vitrine_client.open_inference.messages import Parameters, V2Tensor, checked_count

_NUMBERS = {int, float, type(None)}


def tensor_of(
    name: str, datatype: str, shape: Sequence[int], data: Any, parameters: Parameters
) -> V2Tensor:
    """Returns the tensor of values in JSON: a list, flat or nested in any regular way.

    Whole numbers are exact, and never wrap as in Triton 2.51, which makes 0 of 256 in UINT8; null
    is NaN, as it is what NaN is answered with. Strings are UTF-8, or base64 with the parameter
    `content_type` "base64" or as `{"b64": ...}`. Raises `InvalidRequest`.
    """
    kind = datatypes.named(datatype)
    if not kind.field:
        raise InvalidRequest(
            f"{name!r} is {datatype}, which JSON has no form for; send it as binary data "
            "(`binary_data_size`)"
        )
    count = checked_count(shape, name)
    flat = _flat(name, data)
    if len(flat) != count:
        raise InvalidRequest(
            f"`data` of {name!r} has {len(flat)} values, and its shape {list(shape)} takes {count}"
        )
    if datatype == "BYTES":
        array = _strings(name, flat, is_base64=parameters.get("content_type") == "base64")
    elif datatype == "BOOL":
        array = _checked(name, datatype, flat, {bool}, "true or false")
    elif kind.dtype.kind == "f":
        array = _checked(name, datatype, flat, _NUMBERS, "a number")
    else:
        array = _whole(name, datatype, flat)
    return V2Tensor(name, datatype, array.reshape(shape), parameters)


def values_of(tensor: V2Tensor) -> Array | list[Any]:
    """Returns the values of a tensor for JSON, flat: an array that prints as doubles and whole
    numbers do, or a list. What is NaN or infinite becomes null where the encoder writes it.

    Raises `InvalidRequest` for a datatype that JSON has no form for, and for strings that are no
    UTF-8; as binary data they can be had.
    """
    kind = datatypes.named(tensor.datatype)
    flat = tensor.array.ravel()
    if not kind.field:
        raise InvalidRequest(
            f"Output {tensor.name!r} is {tensor.datatype}, which JSON has no form for; ask for it "
            'as binary data (`"parameters": {"binary_data": true}`)'
        )
    if tensor.datatype == "FP32":
        doubles: Array = flat.astype(np.float64)
        return doubles
    if tensor.datatype != "BYTES":
        return np.ascontiguousarray(flat)
    try:
        return [each if isinstance(each, str) else each.decode() for each in flat.tolist()]
    except UnicodeDecodeError as error:
        raise InvalidRequest(
            f"Output {tensor.name!r} has bytes that are no UTF-8, which JSON cannot hold; ask for "
            'it as binary data (`"parameters": {"binary_data": true}`)'
        ) from error


def _flat(name: str, data: Any) -> list[Any]:
    """Returns the values of nested lists, all of one length at each depth."""
    if not isinstance(data, list):
        raise InvalidRequest(f"`data` of {name!r} is a list of values")
    flat: list[Any] = data
    while flat and isinstance(flat[0], list):
        length = len(flat[0])
        if not all(isinstance(each, list) and len(each) == length for each in flat):
            raise InvalidRequest(f"`data` of {name!r} is ragged; its lists differ in length")
        flat = list(chain.from_iterable(flat))
    return flat


def _checked(name: str, datatype: str, flat: list[Any], types: set[type], wanted: str) -> Array:
    if not set(map(type, flat)) <= types:
        raise _misfit(name, datatype, flat, wanted, lambda value: type(value) in types)
    try:
        with np.errstate(over="ignore"):
            # Of None NumPy makes NaN.
            return np.array(flat, np.float64 if type(None) in types else np.bool_).astype(
                datatypes.named(datatype).dtype, copy=False
            )
    except OverflowError as error:
        raise InvalidRequest(f"{name!r} has a number that no {datatype} can be") from error


def _whole(name: str, datatype: str, flat: list[Any]) -> Array:
    limits = np.iinfo(datatypes.named(datatype).dtype)
    wanted = f"a whole number from {limits.min} to {limits.max}"
    if not set(map(type, flat)) <= {int}:
        raise _misfit(name, datatype, flat, wanted, lambda value: type(value) is int)
    if flat and not (limits.min <= min(flat) and max(flat) <= limits.max):
        raise _misfit(name, datatype, flat, wanted, lambda value: limits.min <= value <= limits.max)
    return np.array(flat, limits.dtype)


def _misfit(
    name: str, datatype: str, flat: list[Any], wanted: str, fits: Callable[[Any], bool]
) -> InvalidRequest:
    place, value = next((place, each) for place, each in enumerate(flat) if not fits(each))
    return InvalidRequest(
        f"`data` of {name!r} has {repr(value)[:40]} at place {place}, where {datatype} takes "
        f"{wanted}"
    )


def _strings(name: str, flat: list[Any], *, is_base64: bool) -> Array:
    array = np.empty(len(flat), object)
    array[:] = [_string(name, each, is_base64=is_base64) for each in flat]
    return array


def _string(name: str, value: Any, *, is_base64: bool) -> bytes:
    if isinstance(value, dict) and list(value) == ["b64"]:
        value, is_base64 = value["b64"], True
    if not isinstance(value, str):
        raise InvalidRequest(f"{name!r} is BYTES, and takes strings, not {repr(value)[:40]}")
    try:
        return base64.b64decode(value, validate=True) if is_base64 else value.encode()
    except (binascii.Error, ValueError) as error:
        wanted = "base64" if is_base64 else "Unicode"
        raise InvalidRequest(f"{name!r} has a string that is no {wanted}") from error
