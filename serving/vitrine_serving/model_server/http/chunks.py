"""Body in chunks, of an HTTP request, read strictly: a size is digits and blanks alone, without an
extension, and a line ends with CR LF, as does a chunk.

libevent takes more than that (evhttp_handle_chunked_read), and a proxy before this server may see
another end of the body there than it does.
"""

import re
from typing import Any

from waitress.buffers import OverflowableBuffer

from vitrine_serving.model_server.http.lines import Lines, LineTooLong

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16}) *")
_FIRST_LINE = re.compile(_SIZE.pattern + rb"\r\n")
_MAX_LINE_BYTES = 256
_MAX_TRAILER_BYTES = 2**16


class ChunkReceiver:
    """Receiver of a body of at most `max_bytes`, as waitress calls it. Trailers are passed over."""

    def __init__(self, buffer: OverflowableBuffer, max_bytes: int) -> None:
        self.completed = self.is_malformed = self.is_too_long = False
        self._buffer = buffer
        self._left = max_bytes
        self._lines = Lines(_MAX_LINE_BYTES)
        self._chunk_left = 0
        self._take_line = self._size
        self._begins_chunk = True

    def __len__(self) -> int:
        return int(self._buffer.__len__())

    def getbuf(self) -> OverflowableBuffer:
        """Returns the buffer that has the body; waitress calls it."""
        return self._buffer

    def getfile(self) -> Any:
        """Returns the body as a file; waitress calls it."""
        return self._buffer.getfile()

    def received(self, data: bytes) -> int:
        """Takes bytes, and returns how many of them are the body's."""
        taken, parts = 0, []
        while taken < len(data) and not self._is_done():
            if self._begins_chunk and (whole := self._whole(data, taken)):
                begin, end = whole
                parts.append(data[begin:end])
                taken = end + 2
            elif self._chunk_left:
                part = data[taken : taken + self._chunk_left]
                parts.append(part)
                taken += len(part)
                self._chunk_left -= len(part)
            else:
                taken = self._line(data, taken)
        if parts:
            self._buffer.append(b"".join(parts))
        return taken

    def _whole(self, data: bytes, start: int) -> tuple[int, int] | None:
        """Returns where a chunk is that is there from its size to its end; they may be small, and
        many."""
        found = _FIRST_LINE.match(data, start)
        if not found:
            return None
        size, begin = int(found[1], 16), found.end()
        if not 0 < size <= self._left or data[begin + size : begin + size + 2] != b"\r\n":
            return None
        self._left -= size
        return begin, begin + size

    def _is_done(self) -> bool:
        return self.completed or self.is_malformed or self.is_too_long

    def _line(self, data: bytes, start: int) -> int:
        try:
            line, start = self._lines.take(data, start)
        except LineTooLong:
            self.is_malformed = True
            return start
        self._begins_chunk = False
        if line is not None:
            if line[-1:] == b"\r" and b"\r" not in line[:-1]:
                self._take_line(line[:-1])
            else:
                self.is_malformed = True
        return start

    def _size(self, line: bytes) -> None:
        found = _SIZE.fullmatch(line)
        if not found:
            self.is_malformed = True
            return
        size = int(found[1], 16)
        self._left -= size
        self.is_too_long = self._left < 0
        self._chunk_left = size
        self._lines.left = _MAX_LINE_BYTES if size else _MAX_TRAILER_BYTES
        self._take_line = self._end if size else self._trailer

    def _end(self, line: bytes) -> None:
        self.is_malformed = bool(line)
        self._lines.left = _MAX_LINE_BYTES
        self._take_line = self._size
        self._begins_chunk = True

    def _trailer(self, line: bytes) -> None:
        self.completed = not line
        self.is_malformed = bool(line) and line[0] not in b" \t" and b":" not in line
