"""Cases of HTTP from the source of libevent 2.1.12, which 2.20.0 is built with: ends of lines,
headers, chunks, expectations and versions. No real server was asked."""

from tests.contract.case import Answer, Case, Page, Wire
from tests.contract.cases.rest import HALF
from tests.contract.cases.rest_http import FOUR, NOTHING, STATUS, page

_LINE, _HEADERS = "evhttp_parse_firstline_", "evhttp_parse_headers_"
_BODY, _CHUNKS, _LENGTH = "evhttp_get_body", "evhttp_handle_chunked_read", "evhttp_get_body_length"
_TOO_LARGE, _EXPECTED = page("413 Request Entity Too Large"), page("417 Expectation Failed")
_ONE = b'{"instances": [2.0]}'
_GET = f"GET {HALF} HTTP/1.1\r\n".encode()
_POST = f"POST {HALF}:predict HTTP/1.1\r\n".encode()
_SIZED = _POST + b"Content-Length: %d\r\n" % len(_ONE)
_CHUNKED = _POST + b"Transfer-Encoding: chunked\r\n"
_IN_ONE = b"%x\r\n%b\r\n0\r\n\r\n" % (len(_ONE), _ONE)


def _case(name: str, sent: bytes, answer: Answer, source: str) -> Case:
    return Case(f"HTTP, {name}", Wire(sent), answer, f"not seen; libevent's http.c {source}")


def _lf(sent: bytes) -> bytes:
    return sent.replace(b"\r\n", b"\n")


LINES = [
    _case("lines that end with LF", _lf(_GET + b"Host: x\r\n\r\n"), STATUS, _LINE),
    _case("lines that end with LF, and a body", _lf(_SIZED + b"\r\n") + _ONE, FOUR, _HEADERS),
    _case("lines that end in both ways", _lf(_GET) + b"Host: x\r\n\n", STATUS, _HEADERS),
    _case("blanks after the version", _GET[:-2] + b"  \r\n\r\n", STATUS, _LINE),
    _case(
        "a method of two words",
        b"GET " + _GET + b"\r\n",
        page("400 Bad Request"),
        "evhttp_parse_request_line, evhttp_uri_parse: the address has a blank",
    ),
    *(
        _case(
            f"a method {method!r}", method + _GET[3:] + b"\r\n", page("501 Not Implemented"), _LINE
        )
        for method in (b"get", b"", b"G\xffT", b"GETS")
    ),
    _case("HTTP/1.2", _GET.replace(b"1.1", b"1.2") + b"\r\n", STATUS, _LINE),
    _case(
        "a page for HTTP/1.0",
        b"GET /nowhere HTTP/1.0\r\n\r\n",
        page("404 Not Found"),
        "evhttp_send_page_",
    ),
]

HEADERS = [
    *(
        _case(f"a header {line!r}", _GET + line + b"\r\n\r\n", STATUS, _HEADERS)
        for line in (
            *(b": empty name", b"two words: x", b"blank before the colon : x", b"\xff\x01: x"),
            *(b"control: \x01\x7f\xff", b"tab:\tx", b"empty:", b"colons: a:b", b"under_score: x"),
            *(
                b"folded: a\r\n b",
                b"folded: a\r\n\tb\r\n c",
                b"folded:\r\n a",
                b"Host: a b/",
                b"Host:",
            ),
        )
    ),
    _case(
        "1,000 headers",
        _GET + b"".join(b"X-%d: y\r\n" % i for i in range(1000)) + b"\r\n",
        STATUS,
        _HEADERS,
    ),
    _case("Host twice", _GET + b"Host: a\r\nHost: b\r\n\r\n", STATUS, "evhttp_find_header"),
    _case(
        "Content-Encoding twice, gzip later",
        _SIZED + b"Content-Encoding: identity\r\nContent-Encoding: gzip\r\n\r\n" + _ONE,
        FOUR,
        "evhttp_find_header: the first",
    ),
    _case(
        "Content-Encoding twice, gzip first",
        _SIZED + b"Content-Encoding: gzip\r\nContent-Encoding: identity\r\n\r\n" + _ONE,
        NOTHING,
        "evhttp_find_header: the first",
    ),
    _case(
        "Content-Length twice, the same",
        _SIZED + _SIZED.removeprefix(_POST) + b"\r\n" + _ONE,
        FOUR,
        "evhttp_find_header: the first",
    ),
    _case(
        "Connection twice, close first",
        _GET + b"Connection: close\r\nConnection: keep-alive\r\n\r\n",
        Page("200 OK", lambda _: None, {"connection": "close"}),
        "evhttp_is_connection_close",
    ),
    *(
        _case(
            f"Connection: {said}",
            _GET + f"{said}\r\n\r\n".encode(),
            Page("200 OK", lambda _: None, {"connection": None}),
            "evhttp_is_connection_close",
        )
        for said in ("Connection: close, TE", "Connection: keep-alive\r\nConnection: close")
    ),
    _case(
        "Origin twice, the first of the web",
        f"OPTIONS {HALF} HTTP/1.1\r\nOrigin: http://a\r\nOrigin: null\r\n\r\n".encode(),
        Page("200 OK", b"", {}),
        "evhttp_find_header: the first",
    ),
]

BODIES = [
    _case(
        "a length of zeros before it", _POST + b"Content-Length: 0020\r\n\r\n" + _ONE, FOUR, _LENGTH
    ),
    _case(
        "a coding of identity", _SIZED + b"Transfer-Encoding: identity\r\n\r\n" + _ONE, FOUR, _BODY
    ),
    _case(
        "a coding of identity, and no length",
        _POST + b"Transfer-Encoding: Identity\r\n\r\n",
        NOTHING,
        f"{_BODY}: no body",
    ),
    _case(
        "a coding in capitals", _POST + b"TRANSFER-ENCODING: CHUNKED\r\n\r\n" + _IN_ONE, FOUR, _BODY
    ),
    _case("chunks of HTTP/1.0", _CHUNKED.replace(b"1.1", b"1.0") + b"\r\n" + _IN_ONE, FOUR, _BODY),
    _case(
        "a chunk for each byte",
        _CHUNKED + b"\r\n" + b"".join(b"1\r\n%c\r\n" % sign for sign in _ONE) + b"0\r\n\r\n",
        FOUR,
        _CHUNKS,
    ),
    _case("a size with blanks after it", _CHUNKED + b"\r\n14  \r\n" + _IN_ONE[4:], FOUR, _CHUNKS),
    _case(
        "trailers",
        _CHUNKED + b"\r\n" + _IN_ONE[:-2] + b"A: b\r\nC:\r\n d\r\n\r\n",
        FOUR,
        "evhttp_read_trailer",
    ),
    _case("no chunk but the last", _CHUNKED + b"\r\n0\r\n\r\n", NOTHING, _CHUNKS),
    *(
        _case(f"a size {size!r}", _CHUNKED + b"\r\n" + size + b"\r\n", _TOO_LARGE, _CHUNKS)
        for size in (b"14;a=b", b"14;", b"zz", b"-1", b"1g", b"1.5", b"1,")
    ),
    _case(
        "a trailer without a colon",
        _CHUNKED + b"\r\n" + _IN_ONE[:-2] + b"x\r\n\r\n",
        _TOO_LARGE,
        "evhttp_read_trailer",
    ),
]

EXPECTATIONS = [
    _case("another expectation", _SIZED + b"Expect: more\r\n\r\n", _EXPECTED, _BODY),
    _case("an expectation of nothing", _SIZED + b"Expect:\r\n\r\n", _EXPECTED, _BODY),
    _case("another expectation, and chunks", _CHUNKED + b"Expect: more\r\n\r\n", _EXPECTED, _BODY),
    *(
        _case(
            f"an expectation of {method}",
            f"{method} {HALF} HTTP/1.1\r\n".encode() + rest,
            _EXPECTED,
            _BODY,
        )
        for method in ("GET", "DELETE", "OPTIONS")
        for rest in (b"Content-Length: 2\r\nExpect: more\r\n\r\n",)
    ),
    _case("another expectation without a body", _GET + b"Expect: more\r\n\r\n", STATUS, _BODY),
    _case(
        "another expectation of HTTP/1.0",
        _SIZED.replace(b"1.1", b"1.0") + b"Expect: more\r\n\r\n" + _ONE,
        FOUR,
        "evhttp_have_expect",
    ),
    _case(
        "100-continue, and an empty body in chunks",
        _CHUNKED + b"Expect: 100-continue\r\n\r\n0\r\n\r\n",
        NOTHING,
        _BODY,
    ),
    *(
        _case(
            f"100-continue without a body{more.decode()[:16]}", _POST + more + rest, NOTHING, _BODY
        )
        for more in (b"", b"Content-Length: 0\r\n")
        for rest in (b"Expect: 100-continue\r\n\r\n",)
    ),
    _case(
        "the first of two expectations",
        _SIZED + b"Expect: 100-continue\r\nExpect: more\r\n\r\n" + _ONE,
        FOUR,
        _BODY,
    ),
]

CASES = [*LINES, *HEADERS, *BODIES, *EXPECTATIONS]
