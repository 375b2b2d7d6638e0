"""JSON strings as RapidJSON's writer makes them of bytes, which need not be UTF-8."""

import re

_ESCAPED = re.compile(rb'["\\\x00-\x1f]')
_SHORT = {b'"': b'\\"', b"\\": b"\\\\", b"\b": b"\\b", b"\f": b"\\f"}
_SHORT |= {b"\n": b"\\n", b"\r": b"\\r", b"\t": b"\\t"}
_ESCAPES = {bytes([code]): b"\\u%04X" % code for code in range(32)} | _SHORT


def until_nul(name: str) -> str:
    """Returns a name as json_tensor.cc has it where it takes it for a string of C: it ends at a
    NUL."""
    return name.partition("\0")[0]


def quoted(text: bytes) -> bytes:
    """Returns the bytes of a string as JSON."""
    return b'"' + _ESCAPED.sub(lambda found: _ESCAPES[found[0]], text) + b'"'
