"""Headers of one's own, as a command line has them."""

import re

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A token of RFC 9110, section 5.6.2."""

_METADATA = re.compile(r"[0-9a-z_.-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

_FRAMING = {"content-length", "transfer-encoding", "connection", "expect", "upgrade"}
"""What says where a request ends, or what becomes of its connection."""


def parsed(text: str) -> tuple[str, str]:
    """Reads "Name: value". Raises `ValueError`, with what is wrong."""
    name, colon, value = text.partition(":")
    name, value = name.strip(), value.strip()
    if not colon or not _NAME.fullmatch(name):
        raise ValueError(f"{text!r} is no header; write it like 'X-Team: vision'")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"The value of the header {name} has a line's end, or no Latin letters")
    if name.lower() in _FRAMING:
        raise ValueError(f"The header {name} is set by the load test itself")
    return name, value


def check_metadata(own: tuple[tuple[str, str], ...]) -> None:
    """Raises `ValueError` for a header that gRPC does not take as metadata: its names are lower
    case letters, digits, `_`, `-` and `.`, those in `-bin` have bytes, and `grpc-` is its own
    (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)."""
    for name, value in own:
        known = _METADATA.fullmatch(name.lower())
        if not known or name.lower().endswith("-bin") or name.lower().startswith("grpc-"):
            raise ValueError(f"The header {name} is none that gRPC takes as metadata")
        if not (value.isascii() and value.isprintable()):
            raise ValueError(f"The value of the header {name} is not ASCII, as gRPC wants it")


def merged(usual: dict[str, str], own: tuple[tuple[str, str], ...]) -> list[tuple[str, str]]:
    """Returns the usual headers and one's own, which replace those of the same name in any case."""
    names = {name.lower() for name, _ in own}
    kept = [(name, value) for name, value in usual.items() if name.lower() not in names]
    return [*kept, *own]
