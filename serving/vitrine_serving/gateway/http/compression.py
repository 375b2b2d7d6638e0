"""Compression of bodies: requests unpacked within a limit, answers packed where a client asks."""

import zlib
from functools import lru_cache

from vitrine_client.errors import InvalidRequest, PayloadTooLarge

_DEFLATE_RATIO = 1032  # zlib's documentation: the most that deflate makes of a byte

MIN_BYTES = 1024
"""Of an answer that is packed: a smaller one goes in one packet anyhow, and is sooner written."""

_LEVEL = 1
"""Of zlib: the others take several times as long for a tenth less."""

_WBITS = {"gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
"""Codings of answers, the preferred one first."""


def promised_bytes(body: bytes) -> int:
    """Returns how much a gzip body says that it holds, modulo 2^32: so gzip ends."""
    return int.from_bytes(body[-4:], "little")


def most_bytes(body: bytes, encoding: str) -> int:
    """Returns the most that a body in gzip, by its own words, or in deflate can hold."""
    return promised_bytes(body) if encoding == "gzip" else _DEFLATE_RATIO * len(body)


def inflate(
    body: bytes,
    max_bytes: int,
    hint: str = "send fewer or smaller pictures at once",
    encoding: str = "gzip",
) -> bytes:
    """Returns a body unpacked of `gzip`, or of `deflate`, which is zlib's format (RFC 9110, section
    8.4.1.2; the bare stream that some clients send is refused); an empty one stays empty.

    Raises `PayloadTooLarge`, with a hint, where it holds more than `max_bytes`, and
    `InvalidRequest` where it is broken, truncated or followed by something else. No more is
    unpacked than it says it holds.
    """
    if not body:
        return body
    if encoding == "deflate":
        return _inflate_zlib(body, max_bytes, hint)
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


def _inflate_zlib(body: bytes, max_bytes: int, hint: str) -> bytes:
    unpack = zlib.decompressobj()
    try:
        inflated = unpack.decompress(body, max_bytes + 1)
    except zlib.error as error:
        raise InvalidRequest(
            "The body's deflate is broken, or has no zlib header; send what `zlib.compress` makes, "
            "or send gzip"
        ) from error
    if len(inflated) > max_bytes:
        raise PayloadTooLarge(f"The body's deflate holds more than {max_bytes} bytes; {hint}")
    if not unpack.eof:
        raise InvalidRequest("The body's deflate is truncated; send it whole")
    if unpack.unused_data:
        raise InvalidRequest("The body's deflate is followed by something else; send one of all")
    return inflated


@lru_cache(256)
def accepted(accept_encoding: str) -> str:
    """Returns the coding that an Accept-Encoding prefers, "" where it takes none of ours: a coding
    with `q=0` is refused, and `*` stands for those that are not named (RFC 9110, section
    12.5.3)."""
    weights = dict(map(_weighted, accept_encoding.lower().split(",")))
    best, found = 0.0, ""
    for coding in _WBITS:
        weight = weights.get(coding, weights.get("*", 0.0))
        if weight > best:
            best, found = weight, coding
    return found if best >= weights.get("identity", 0.0) else ""


def deflated(body: bytes, coding: str) -> bytes:
    """Returns a body packed in one of the codings that `accepted` returns."""
    return zlib.compress(body, _LEVEL, _WBITS[coding])


def _weighted(text: str) -> tuple[str, float]:
    coding, *parameters = (part.strip() for part in text.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return coding, float(value)
            except ValueError:
                return coding, 0.0
    return coding, 1.0
