"""Chunked transfer coding (RFC 9112, section 7.1): bodies, decoded as they come."""

import re

from vitrine_client.errors import InvalidRequest
from vitrine_serving.gateway.http.heads import FIELD_LINE, TOKEN, HeadLimits, HeadTooLarge

_QUOTED = r"\"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*\""
_EXTENSION = rf"[\t ]*+;[\t ]*+{TOKEN}(?:[\t ]*+=[\t ]*+(?:{TOKEN}|{_QUOTED}))?"
_SIZE_LINE = re.compile(rf"([0-9A-Fa-f]{{1,15}})(?:{_EXTENSION})*\r\n".encode("latin-1"))
_PLAIN_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})\r\n")
_TRAILER = re.compile(FIELD_LINE.encode("latin-1"))
_LINE_END = b"\r\n"

_NO_TRAILERS = frozenset(
    (b"host", b"content-length", b"transfer-encoding", b"trailer", b"authorization", b"te")
)
"""RFC 9110, section 6.5.1: what changes how a request is read comes before its body."""


class ChunkedBody:
    """Chunked body: takes bytes as they come, and returns their content, until `is_whole`.

    Lines of sizes and trailers have a header's limits; trailers are left out.
    """

    def __init__(self, limits: HeadLimits) -> None:
        self.is_whole = False
        self._line_bytes = limits.field_bytes or 2**20
        self._trailers_left = limits.fields or 2**20
        self._unread = b""
        self._missing = 0
        self._in_trailers = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Returns the content among the next bytes, and what follows the body, which is empty
        unless it is whole. Raises `InvalidRequest` and `HeadTooLarge`."""
        if self._unread:
            data, self._unread = self._unread + data, b""
        parts: list[bytes] = []
        at, end = 0, len(data)
        while at < end and not self.is_whole:
            if self._missing > 2:
                part = data[at : at + self._missing - 2]
                parts.append(part)
                at += len(part)
                self._missing -= len(part)
                continue
            if self._missing:
                if end - at < 2:
                    break
                if data[at : at + 2] != _LINE_END:
                    raise InvalidRequest("A chunk is longer than it says; send the right size")
                at, self._missing = at + 2, 0
                continue
            after = data.find(b"\n", at, at + self._line_bytes) + 1
            if not after:
                if end - at >= self._line_bytes:
                    raise HeadTooLarge("A line of the chunked body is too long; send a shorter one")
                break
            (self._trailer if self._in_trailers else self._size)(data, at, after)
            at = after
        rest = data[at:]
        if not self.is_whole:
            self._unread, rest = rest, b""
        return b"".join(parts), rest

    def _size(self, data: bytes, start: int, stop: int) -> None:
        found = _PLAIN_SIZE.fullmatch(data, start, stop) or _SIZE_LINE.fullmatch(data, start, stop)
        if not found:
            raise InvalidRequest("The size of a chunk is no number; send it in hexadecimal digits")
        size = int(found[1], 16)
        self._in_trailers = not size
        self._missing = size and size + 2

    def _trailer(self, data: bytes, start: int, stop: int) -> None:
        if stop - start == 2 and data[start:stop] == _LINE_END:
            self.is_whole = True
            return
        self._trailers_left -= 1
        if self._trailers_left < 0:
            raise HeadTooLarge("There are too many trailers; send fewer")
        name = data[start:stop].partition(b":")[0].lower()
        if not _TRAILER.fullmatch(data, start, stop) or name in _NO_TRAILERS:
            raise InvalidRequest("A trailer is none, or belongs before the body; leave it out")
