"""Heads of answers: the status and all headers as bytes, of which most are made once."""

import re
import time
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus

from vitrine_serving.gateway.http import headers
from vitrine_serving.gateway.http.headers import Cors, Headers
from vitrine_serving.gateway.http.messages import Answer

_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
}
_LINE = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~\x80-\xff]*")
_CLOSE = b"connection: close\r\n"
_KEEP = b"connection: keep-alive\r\n"
_API_TYPES = ("application/json", "application/octet-stream", "application/problem+json")
_NO_BODY = (204, 304)
"""Statuses without a body, and so without its length."""


class AnswerHeads:
    """Heads of the answers of one process; `tls` where it speaks HTTPS itself."""

    def __init__(self, cors: Cors, *, tls: bool) -> None:
        self._cors = cors
        self._api = _lines(headers.api(tls=tls))
        self._page = _lines(headers.page(tls=tls))
        self._common = _lines(headers.common(tls=tls))
        self._by_type: dict[str, bytes] = {}
        self._second = 0
        self._date = b""

    def head(
        self,
        answer: Answer,
        request_id: str = "",
        origin: str | None = None,
        *,
        close: bool,
        keep: bool = False,
    ) -> bytes:
        """Returns the head of an answer, to a request with this id from a page of `origin`.

        With `close` it says that the connection ends, with `keep` that it does not, which HTTP/1.0
        has to be told. Raises `ValueError` for headers that would be more than that.
        """
        status = answer.status
        more = b""
        if close or keep:
            more = _CLOSE if close else _KEEP
        if answer.headers:
            more += _lines(answer.headers)
        if origin is not None:
            more += _lines(self._cors.headers(origin))
        if request_id:
            more += b"x-request-id: %b\r\n" % request_id.encode("latin-1")
        if status not in _NO_BODY:
            more += b"content-length: %d\r\n" % len(answer.body)
        kind = answer.content_type
        fixed = self._by_type.get(kind) or self._fixed(kind)
        return b"%b%b%b%b\r\n" % (_STATUS_LINES[status], self._now(), fixed, more)

    def _fixed(self, kind: str) -> bytes:
        found = self._common
        bare = kind.partition(";")[0]
        if bare in _API_TYPES:
            found = self._api
        elif bare == "text/html":
            found = self._page
        found = b"server: vitrine\r\n" + found
        if kind:
            found += _lines([("content-type", kind)])
        self._by_type[kind] = found  # as many as there are endpoints, and types of pages' files
        return found

    def _now(self) -> bytes:
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._date = f"date: {formatdate(now, usegmt=True)}\r\n".encode()
        return self._date


def _lines(pairs: Headers) -> bytes:
    return b"".join(_line(*pair) for pair in pairs)


@lru_cache(512)
def _line(name: str, value: str) -> bytes:
    """A line end in a value would begin a header, or a body, of its own."""
    line = f"{name.lower()}: {value}"
    if not _LINE.fullmatch(line):
        raise ValueError(f"The header {name!r} of an answer has characters that none may have")
    return f"{line}\r\n".encode("latin-1")
