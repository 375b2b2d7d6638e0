"""Parser of HTTP requests as libevent has it, TensorFlow Serving's HTTP library; where two readers
of one message could see different requests in it, it is refused.

After evhttp_parse_headers_ and evhttp_get_body of
https://github.com/libevent/libevent/blob/release-2.1.12-stable/http.c: a line ends with LF, a CR
before it or not; the first of equal headers counts; names that are odd are names of nothing.
"""

import logging
import re
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NoReturn

from waitress.buffers import OverflowableBuffer
from waitress.parser import HTTPRequestParser
from waitress.receiver import FixedStreamReceiver
from waitress.utilities import (
    BadRequest,
    Error,
    RequestEntityTooLarge,
    RequestHeaderFieldsTooLarge,
    ServerNotImplemented,
)

from vitrine_serving.model_server.api import libevent
from vitrine_serving.model_server.bounded_log import BoundedLog
from vitrine_serving.model_server.http.chunks import ChunkReceiver
from vitrine_serving.model_server.http.lines import Lines, LineTooLong

_SHORTEST = len("GET / HTTP/1.0")
_FIRST_HEADER = 2
_VERSION = re.compile(rb"HTTP/(\d{1,9})\.(\d{1,9})")
_SIGNS = re.compile(rb"[^a-z]")
_DIGITS = re.compile(r"[0-9]+")
_MOST_DIGITS = 18
_MOST_LINES = 10_000
_MOST_OF_NAMES = 64
_LENGTH, _CODING = "CONTENT_LENGTH", "TRANSFER_ENCODING"
_FRAMING = (_LENGTH, _CODING)
_LIKE_FRAMING = frozenset(_SIGNS.sub(b"", name.lower().encode()) for name in _FRAMING)
_HEEDED = {
    name.lower().replace("_", "-").encode(): name
    for name in (*_FRAMING, "CONNECTION", "CONTENT_ENCODING", "EXPECT", "ORIGIN")
}

_malformed = BoundedLog(logging.getLogger("vitrine_serving.model_server"))


class Page(Error):
    """Refusal by libevent's page of an error."""

    def __init__(self, code: int) -> None:
        super().__init__("")
        self.code, self.reason = code, libevent.phrase(code)

    def to_response(self, _ident: str | None = None) -> tuple[str, list[tuple[str, str]], bytes]:
        """Returns the status, the headers and the body; waitress calls it."""
        page = libevent.page_text(self.code).encode()
        return f"{self.code} {self.reason}", [("Content-Type", libevent.PAGE_TYPE)], page


class _Refused(Exception):
    def __init__(self, error: Error) -> None:
        super().__init__(error.body)
        self.error = error


def _refuse(words: str, kind: type[Error] = BadRequest) -> NoReturn:
    raise _Refused(kind(words))


def _name(sent: bytes) -> str | None:
    """Returns the name of a header that something depends on here. Raises `_Refused` for a name
    that others could take for that of a body's length."""
    small = sent.lower()
    heeded = _HEEDED.get(small)
    if heeded is None and _SIGNS.sub(b"", small) in _LIKE_FRAMING:
        _refuse("The name of a header is like that of a body's length")
    return heeded


_short_name = lru_cache(1024)(_name)


class RequestParser(HTTPRequestParser):
    """Parser of one request, a waitress channel's. `headers` has the first of each name that is
    heeded here. `closes` says that the connection ends with the answer, whatever the client
    says."""

    completed: bool

    def __init__(self, adj: Any) -> None:
        super().__init__(adj)
        self.completed = self.closes = self._has_bare_lf = False
        self._lines = Lines(adj.max_request_header_size)
        self._lines_taken = 0
        self._found: dict[str, list[list[bytes]]] = {}
        self._last: list[bytes] | None = None  # parts of a heeded header, if that is the last one
        self.path = self.query = self.request_uri = self.command = self.first_line = ""
        self.url_scheme = adj.url_scheme

    def received(self, data: bytes) -> int:
        """Takes bytes of a request, and returns how many it needed; waitress calls it."""
        if self.completed:
            return 0
        self.expect_continue = False  # libevent sends no 100 where some of the body is there
        try:
            return self._read(data)
        except _Refused as refused:
            self.error = refused.error
        except LineTooLong:
            most = self.adj.max_request_header_size
            self.error = RequestHeaderFieldsTooLarge(f"exceeds max_header of {most}")
        except Exception as error:
            _malformed.line(logging.WARNING, "A request over HTTP cannot be read: %.200r", error)
            self.error = BadRequest("The request cannot be read")
        self.headers_finished = self.completed = True
        return len(data)

    def _read(self, data: bytes) -> int:
        taken = 0
        while taken < len(data) and not self.completed:
            if not self.headers_finished:
                line, taken = self._lines.take(data, taken)
                if line is not None:
                    self._has_bare_lf = self._has_bare_lf or not line.endswith(b"\r")
                    self._head_line(line.removesuffix(b"\r"), has_more=taken < len(data))
            else:
                taken += self.body_rcv.received(data[taken:])
                self._body_came()
        return taken

    def _head_line(self, line: bytes, *, has_more: bool) -> None:
        self._lines_taken += 1
        if b"\r" in line or b"\0" in line:
            _refuse("A bare CR or a NUL is in the head")
        if self._lines_taken == 1:
            self._request_line(line)
        elif not line:
            self._head_ended(has_more=has_more)
        elif self._lines_taken > _MOST_LINES:
            _refuse(f"exceeds {_MOST_LINES} lines", RequestHeaderFieldsTooLarge)
        elif line[0] not in b" \t":
            self._header(line)
        elif self._lines_taken == _FIRST_HEADER:
            _refuse("The first header begins with a blank")
        else:
            self._folded_line(line.strip(b" \t"))

    def _request_line(self, line: bytes) -> None:
        line = line.rstrip(b" ")
        method, _, rest = line.partition(b" ")
        uri, _, version = rest.rpartition(b" ")
        if len(line) < _SHORTEST or not uri:
            _refuse("Start line is invalid")
        found = _VERSION.fullmatch(version)
        if not found or int(found[1]) > 1:
            _refuse("HTTP/1 alone is spoken here")
        self.version = "1.1" if (int(found[1]), int(found[2])) >= (1, 1) else "1.0"
        self.command = method.decode("latin-1")
        self.path = self.request_uri = self.first_line = uri.decode("latin-1")

    def _folded_line(self, line: bytes) -> None:
        name, colon, _ = line.partition(b":")
        if colon and _SIGNS.sub(b"", name.lower()) in _LIKE_FRAMING:
            _refuse("A folded line is like the header of a body's length")
        if self._last is not None:
            self._last.append(line)

    def _header(self, line: bytes) -> None:
        name, colon, value = line.partition(b":")
        if not colon:
            _refuse("A header has no colon")
        heeded = _short_name(name) if len(name) <= _MOST_OF_NAMES else _name(name)
        self._last = None
        if heeded:
            self._last = [value.lstrip(b" ").rstrip(b" \t")]
            self._found.setdefault(heeded, []).append(self._last)

    def _head_ended(self, *, has_more: bool) -> None:
        found = {
            name: [b" ".join(parts).decode("latin-1") for parts in values]
            for name, values in self._found.items()
        }
        self.headers = {name: values[0] for name, values in found.items()}
        self.headers_finished = True
        self._connection()
        self._body(found.get(_LENGTH, []), found.get(_CODING, []))
        has_body = self.body_rcv is not None
        expects = self.headers.get("EXPECT") if self.version == "1.1" else None
        status = libevent.refusal(self.command, expects, has_body=has_body)
        if status:
            raise _Refused(Page(status))
        self.expect_continue = has_body and expects is not None and not has_more
        self.completed = not has_body

    def _connection(self) -> None:
        """Has `Connection` as waitress looks at it, and by libevent's rules: a request by a
        proxy's address is the last of its connection. So is one with lines that end in LF alone,
        of which others may make other headers."""
        said = self.headers.get("CONNECTION", "").lower()
        self.headers["CONNECTION"] = "keep-alive" if said.startswith("keep-alive") else said
        by_proxy = self.request_uri.lower().startswith(("http:", "https:"))
        self.closes = by_proxy or self._has_bare_lf

    def _body(self, lengths: list[str], codings: list[str]) -> None:
        """Finds out how the body ends. Raises `_Refused` where it is said in two ways."""
        codings = [each.lower() for each in codings]
        self.headers.pop(_CODING, None)
        self.headers.pop(_LENGTH, None)
        if codings == ["chunked"]:
            if lengths:
                _refuse("Content-Length and Transfer-Encoding are both there")
            self.closes = self.closes or self.version == "1.0"
            self.chunked = True
            self.body_rcv = ChunkReceiver(self._buffer(), self.adj.max_request_body_size - 1)
            return
        if set(codings) - {"identity"}:
            _refuse("Transfer-Encoding is chunked alone", ServerNotImplemented)
        self.closes = self.closes or bool(codings)
        self.content_length = _length(lengths)
        most = self.adj.max_request_body_size
        if self.content_length >= most:
            _refuse(f"exceeds max_body of {most}", RequestEntityTooLarge)
        if self.content_length:
            self.headers[_LENGTH] = str(self.content_length)
            self.body_rcv = FixedStreamReceiver(self.content_length, self._buffer())

    def _buffer(self) -> OverflowableBuffer:
        return OverflowableBuffer(self.adj.inbuf_overflow)

    def _body_came(self) -> None:
        body = self.body_rcv
        if self.chunked and body.is_malformed:
            _malformed.line(logging.WARNING, "A request over HTTP cannot be read: its chunks")
            raise _Refused(Page(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
        if self.chunked and body.is_too_long:
            most = self.adj.max_request_body_size
            _refuse(f"exceeds max_body of {most}", RequestEntityTooLarge)
        if body.completed:
            self.headers[_LENGTH] = str(len(body))
            self.completed = True


def _length(lengths: list[str]) -> int:
    """Returns the length that all of them say, 0 of none."""
    if not all(_DIGITS.fullmatch(each) for each in lengths):
        _refuse("Content-Length is invalid")
    said = {each.lstrip("0") for each in lengths}
    if len(said) > 1:
        _refuse("Content-Length is there twice, and differs")
    return int("".join(said)[:_MOST_DIGITS] or "0")
