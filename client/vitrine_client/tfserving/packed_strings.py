"""Packed strings: those of a `tensor_content`, all lengths as varints and then all bytes
(tensorflow/core/platform/tstring coding, `EncodeStringList`)."""

from collections.abc import Sequence
from itertools import accumulate, pairwise

_MOST_BITS = 32
"""Bits of a length."""


def pack(strings: Sequence[bytes]) -> bytes:
    """Returns strings as a `tensor_content` holds them."""
    return b"".join((*(varint(len(text)) for text in strings), *strings))


def unpack(content: bytes, count: int) -> list[bytes]:
    """Returns the strings in a `tensor_content`. Raises `ValueError` where they are not `count`."""
    sizes, place = [], 0
    for _ in range(count):
        size = shift = 0
        while True:
            if place == len(content) or shift >= _MOST_BITS:
                raise ValueError("the length of a string is cut off")
            byte = content[place]
            size |= (byte & 127) << shift
            place, shift = place + 1, shift + 7
            if byte < 128:
                break
        sizes.append(size)
    if place + sum(sizes) != len(content):
        raise ValueError("strings have another number of bytes than their lengths say")
    ends = list(accumulate(sizes, initial=place))
    return [content[start:end] for start, end in pairwise(ends)]


def varint(number: int) -> bytes:
    """Returns a length as messages have it: https://protobuf.dev/programming-guides/encoding."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes((*found, number))
