"""Compression of request bodies: gzip, unpacked within a limit."""

import zlib

from vitrine_client.errors import InvalidRequest, PayloadTooLarge

_DEFLATE_RATIO = 1032  # zlib's documentation: the most that deflate makes of a byte


def promised_bytes(body: bytes) -> int:
    """Returns how much a gzip body says that it holds, modulo 2^32: so gzip ends."""
    return int.from_bytes(body[-4:], "little")


def inflate(
    body: bytes, max_bytes: int, hint: str = "send fewer or smaller pictures at once"
) -> bytes:
    """Returns a gzip body unpacked; an empty one stays empty.

    Raises `PayloadTooLarge`, with a hint, where it holds more than `max_bytes`, and
    `InvalidRequest` where it is broken, truncated or followed by something else. No more is
    unpacked than it says it holds.
    """
    if not body:
        return body
    promised = promised_bytes(body)
    # What no gzip of this size can hold is no length, but the end of something cut off.
    if max_bytes < promised <= _DEFLATE_RATIO * len(body):
        raise PayloadTooLarge(
            f"The body's gzip says that it holds {promised} bytes, more than {max_bytes}; {hint}"
        )
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        inflated = unpack.decompress(body, min(promised, max_bytes) + 1)
    except zlib.error as error:
        raise InvalidRequest(
            "The body's gzip is broken; send it as `gzip -c` writes it, or without Content-Encoding"
        ) from error
    if not unpack.eof:
        raise InvalidRequest("The body's gzip is truncated, or longer than it says; send it whole")
    if unpack.unused_data:
        raise InvalidRequest(
            "The body's gzip is followed by something else; send all in one gzip, as `gzip -c` does"
        )
    return inflated
