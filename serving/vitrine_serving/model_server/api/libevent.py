"""HTTP as libevent has it, which is TensorFlow Serving's HTTP library: its methods, its addresses,
its reason phrases and its pages of errors.

Those of https://github.com/libevent/libevent/blob/release-2.1.12-stable/http.c, with what
evhttp_server.cc and evhttp_request.cc set.
"""

import re
from http import HTTPStatus
from typing import NamedTuple

from werkzeug.wrappers import Request, Response

CLOSES = "vitrine.closes"
"""Key of a request's environment; true where its connection ends with the answer."""

PAGE_TYPE, NO_TYPE = "text/html", "text/html; charset=ISO-8859-1"
"""Content types of its pages, and of an answer that has been given none."""

_METHODS = frozenset(("GET", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"))
_WITH_BODY = _METHODS - {"HEAD"}

_CLIENT_ERROR, _LAST_OF_CLIENT_ERRORS = "Client Error", 417
_PHRASES = {
    413: "Request Entity Too Large",
    504: "Gateway Time-out",
}
"""Reason phrases that are not those of Python's `HTTPStatus`."""

_PAGE = (
    "<HTML><HEAD>\n<TITLE>{code} {phrase}</TITLE>\n</HEAD><BODY>\n<H1>{phrase}</H1>\n"
    "</BODY></HTML>\n"
)
_NAME = r"[\w.~!$&'()*+,;=-]|%[0-9a-f]{2}"
_AUTHORITY = rf"(?:(?:{_NAME}|:)*@)?(?:\[[0-9a-f:.]+\]|(?:{_NAME})*)(?::\d*)?"
_ADDRESS = re.compile(
    rf"(?:[a-z][a-z0-9+.-]*:|(?![^/?#]*:))(?://{_AUTHORITY}(?=[/?#]|$)|(?!//))"
    rf"((?:{_NAME}|[:@/])*)((?:\?(?:{_NAME}|[:@/?])*)?(?:#(?:{_NAME}|[:@/?])*)?)",
    re.IGNORECASE | re.ASCII,
)
_USUAL = re.compile(r"/[\w.~:/-]*", re.ASCII)
"""Paths that need no closer look."""


class Address(NamedTuple):
    """Address of a request: its path, and that with query and fragment, both as they were sent."""

    path: str
    whole: str


def phrase(code: int) -> str:
    """Returns the reason phrase of a status: that of its class where libevent has none."""
    if _LAST_OF_CLIENT_ERRORS < code < 500:
        return _CLIENT_ERROR
    return _PHRASES.get(code) or HTTPStatus(code).phrase


def answer(body: bytes | str, code: int, content_type: str) -> Response:
    """Returns an answer with libevent's reason phrase."""
    return Response(body, f"{code} {phrase(code)}", content_type=content_type)


def page(request: Request, code: int) -> Response:
    """Returns libevent's page of an error, which ends the request's connection."""
    request.environ[CLOSES] = True
    return answer(page_text(code), code, PAGE_TYPE)


def page_text(code: int) -> str:
    """Returns the HTML of a page of an error."""
    return _PAGE.format(code=code, phrase=phrase(code))


def address(uri: str) -> Address | None:
    """Returns the address that a request line names, None where RFC 3986 allows none like it."""
    if _USUAL.fullmatch(uri) and not uri.startswith("//"):
        return Address(uri, uri)
    found = _ADDRESS.fullmatch(uri)
    if not found:
        return None
    path, rest = found.groups()
    return Address(path, path + rest)


def refusal(method: str, expects: str | None, *, has_body: bool) -> int:
    """Returns the status of the page that a request gets whatever its address is, else 0; `expects`
    is what HTTP/1.1 has a header for."""
    if method not in _METHODS:
        return HTTPStatus.NOT_IMPLEMENTED
    may_expect = expects is None or expects.lower() == "100-continue"
    if has_body and method in _WITH_BODY and not may_expect:
        return HTTPStatus.EXPECTATION_FAILED
    return 0
