"""Raw bytes of tensors: little-endian and row-major, strings after their lengths."""

import struct
from collections.abc import Sequence

import numpy as np

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference import datatypes
from vitrine_client.open_inference.datatypes import Array
from vitrine_client.open_inference.messages import V2Tensor, checked_count

_LENGTH = struct.Struct("<I")


def unpacked(
    name: str, datatype: str, shape: Sequence[int], content: bytes | memoryview
) -> V2Tensor:
    """Returns the tensor of raw bytes; numbers are a view of them.

    Raises `InvalidRequest` where there are more or fewer than the shape takes.
    """
    kind = datatypes.named(datatype)
    count = checked_count(shape, name)
    if datatype == "BYTES":
        array = _strings(name, content, count)
    else:
        expected = count * kind.dtype.itemsize
        if len(content) != expected:
            raise InvalidRequest(
                f"{name!r} has {len(content)} bytes, and its shape {list(shape)} of {datatype} "
                f"takes {expected}"
            )
        array = np.frombuffer(content, kind.dtype)
        if datatype == "BOOL":
            array = np.frombuffer(content, np.uint8) != 0
    return V2Tensor(name, datatype, array.reshape(shape))


def packed(tensor: V2Tensor) -> bytes:
    """Returns the raw bytes of a tensor."""
    if tensor.datatype != "BYTES":
        return tensor.array.astype(datatypes.named(tensor.datatype).dtype, copy=False).tobytes()
    parts = []
    for each in tensor.array.ravel().tolist():
        content = each.encode() if isinstance(each, str) else bytes(each)
        parts += [_LENGTH.pack(len(content)), content]
    return b"".join(parts)


def _strings(name: str, content: bytes | memoryview, count: int) -> Array:
    """Returns the strings, `bytes` [count]. Each has a length, so that no shape makes an array
    larger than what was sent."""
    found: list[bytes] = []
    place, end = 0, len(content)
    while place < end and len(found) < count:
        if end - place < _LENGTH.size:
            raise InvalidRequest(f"{name!r} ends within the length of a string")
        (length,) = _LENGTH.unpack_from(content, place)
        place += _LENGTH.size
        if length > end - place:
            raise InvalidRequest(
                f"{name!r} has a string of {length} bytes where {end - place} are left"
            )
        found.append(bytes(content[place : place + length]))
        place += length
    if len(found) != count:
        raise InvalidRequest(f"{name!r} has {len(found)} strings, and its shape takes {count}")
    if place < end:
        raise InvalidRequest(f"{name!r} has {count} strings by its shape, and more follow them")
    array = np.empty(count, object)
    array[:] = found
    return array
