"""Heads of requests, held against gunicorn's own parser; their limits; chunked bodies."""

import random
import re

import pytest
from gunicorn.asgi import parser as theirs

from vitrine_client.errors import InvalidRequest, VitrineError
from vitrine_serving.gateway.http import heads
from vitrine_serving.gateway.http.chunks import ChunkedBody
from vitrine_serving.gateway.http.heads import CHUNKED, HeadLimits, check_partial, read_head

HOST = "Host: x\r\n"


def get(*lines: str, start: str = "GET / HTTP/1.1", host: str = HOST) -> str:
    return f"{start}\r\n{host}" + "".join(f"{line}\r\n" for line in lines)


def post(*lines: str) -> str:
    return get(*lines, start="POST / HTTP/1.1")


GOOD = {
    "the least": get(),
    "HTTP/1.0 without a host": get(start="GET / HTTP/1.0", host=""),
    "a query": get(start="GET /a?b=c&d=%20?/ HTTP/1.1"),
    "odd characters of an address": get(start="GET /a'\"<>[]{}|\\^`#~ HTTP/1.1"),
    "the absolute form": get(start="GET http://x:1/a?b HTTP/1.1"),
    "the absolute form without a path": get(start="GET http://x HTTP/1.1"),
    "the absolute form of another scheme": get(start="GET ftp://x/a HTTP/1.1"),
    "the asterisk form": get(start="OPTIONS * HTTP/1.1"),
    "CONNECT": get(start="CONNECT x:1 HTTP/1.1"),
    "an unknown method": get(start="BREW-2 / HTTP/1.1"),
    "a method of 20 letters": get(start=f"{'A' * 20} / HTTP/1.1"),
    "an empty value": get("X-Y:"),
    "spaces around a value": get("X-Y: \t a b \t "),
    "no space before a value": get("X-Y:a"),
    "a colon in a value": get("X-Y: a:b"),
    "bytes beyond ASCII in a value": get("X-Y: \xe9\xff"),
    "all characters of a name": get("!#$%&'*+-.^`|~09azAZ: x"),
    "a repeated header": get("Accept: a", "Accept: b"),
    "an empty host": get(host="Host:\r\n"),
    "a host with a port": get(host="Host: a_b.example:80\r\n"),
    "a host of IPv6": get(host="Host: [::1]:80\r\n"),
    "a length": post("Content-Length: 3"),
    "a length with zeros before it": post("Content-Length: 003"),
    "a length with spaces around it": post("Content-Length:  3 "),
    "a length of 50 digits": post(f"Content-Length: {'1' * 50}"),
    "chunked": post("Transfer-Encoding: chunked"),
    "Chunked": post("Transfer-Encoding:  Chunked "),
    "keep-alive": get("Connection: Keep-Alive"),
    "close": get("Connection: close"),
    "close among others": get("Connection: TE, close"),
    "HTTP/1.0 with keep-alive": get("Connection: keep-alive", start="GET / HTTP/1.0"),
    "an offer of HTTP/2": post("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c"),
    "a websocket": get("Connection: Upgrade", "Upgrade: websocket"),
    "an expectation": post("Expect: 100-continue", "Content-Length: 3"),
    "an unknown expectation": get("Expect: 200-maybe"),
    "100 headers": get(*(f"X-{n}: y" for n in range(99))),
    "a long address": get(start=f"GET /{'a' * (4094 - 14)} HTTP/1.1"),
    "a long header": get(f"X-Y: {'a' * (8190 - 7)}"),
}

BAD = {
    "nothing but words": "nonsense\r\n",
    "an empty line": "\r\n",
    "no version": get(start="GET /"),
    "no address": get(start="GET HTTP/1.1"),
    "two spaces": get(start="GET  / HTTP/1.1"),
    "two spaces before the version": get(start="GET /  HTTP/1.1"),
    "a tab": get(start="GET\t/ HTTP/1.1"),
    "a space before the method": get(start=" GET / HTTP/1.1"),
    "a space after the version": get(start="GET / HTTP/1.1 "),
    "a space in the address": get(start="GET /a b HTTP/1.1"),
    "a NUL in the address": get(start="GET /\0 HTTP/1.1"),
    "a byte beyond ASCII in the address": get(start="GET /\xe9 HTTP/1.1"),
    "DEL in the address": get(start="GET /\x7f HTTP/1.1"),
    "an address without a slash": get(start="GET a HTTP/1.1"),
    "nothing but a query": get(start="GET ?a HTTP/1.1"),
    "an asterisk for GET": get(start="GET * HTTP/1.1"),
    "an authority for GET": get(start="GET x:1 HTTP/1.1"),
    "a small method": get(start="get / HTTP/1.1"),
    "a short method": get(start="GO / HTTP/1.1"),
    "a long method": get(start=f"{'A' * 21} / HTTP/1.1"),
    "a method with a slash": get(start="GE/T / HTTP/1.1"),
    "a method with #": get(start="GET# / HTTP/1.1"),
    "HTTP/2.0": get(start="GET / HTTP/2.0"),
    "HTTP/0.9": get(start="GET / HTTP/0.9"),
    "HTTP/1.2": get(start="GET / HTTP/1.2"),
    "HTTP/1.10": get(start="GET / HTTP/1.10"),
    "small http": get(start="GET / http/1.1"),
    "the start of HTTP/2": "PRI * HTTP/2.0\r\n",
    "the start of TLS": "\x16\x03\x01\x02\x00\x01\r\n",
    "a line without a colon": get("nonsense"),
    "a header without a name": get(": x"),
    "a space before the colon": get("X-Y : z"),
    "a space before the colon of a length": post("Content-Length : 3"),
    "a tab before the colon": get("X-Y\t: z"),
    "a space in a name": get("X Y: z"),
    "a space before a name": get(" X-Y: z", "Accept: a"),
    "a header in two lines": get("X-Y: z", " more"),
    "a header in two lines, by a tab": get("X-Y: z", "\tmore"),
    "a NUL in a value": get("X-Y: a\0b"),
    "a NUL in a name": get("X-\0Y: z"),
    "a control character in a value": get("X-Y: a\x1bb"),
    "DEL in a value": get("X-Y: a\x7fb"),
    "a bare CR in a value": get("X-Y: a\rb"),
    "a bare LF in a value": get("X-Y: a\nb"),
    "a bare LF after the first line": f"GET / HTTP/1.1\n{HOST}",
    "a name in parentheses": get("(X): z"),
    "a name beyond ASCII": get("X-\xe9: z"),
    "two hosts": get("Host: y"),
    "the same host twice": get("Host: x"),
    "two content types": post("Content-Type: a/b", "Content-Type: a/b"),
    "two lengths": post("Content-Length: 3", "Content-Length: 4"),
    "the same length twice": post("Content-Length: 3", "Content-Length: 3"),
    "a list of lengths": post("Content-Length: 3, 3"),
    "a negative length": post("Content-Length: -3"),
    "a length with a sign": post("Content-Length: +3"),
    "a length with an underscore": post("Content-Length: 1_0"),
    "a length in hexadecimal": post("Content-Length: 0x3"),
    "a length in other digits": post("Content-Length: \xb3"),
    "an empty length": post("Content-Length:"),
    "a length with a space within": post("Content-Length: 1 0"),
    "a length and chunked": post("Content-Length: 3", "Transfer-Encoding: chunked"),
    "chunked and a length": post("Transfer-Encoding: chunked", "Content-Length: 3"),
    "chunked in HTTP/1.0": get("Transfer-Encoding: chunked", start="POST / HTTP/1.0"),
    "chunked twice": post("Transfer-Encoding: chunked, chunked"),
    "chunked in two headers": post("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    "a space before the colon of chunked": post("Transfer-Encoding : chunked"),
    "an unknown coding": post("Transfer-Encoding: x"),
    "a coding after chunked": post("Transfer-Encoding: chunked, gzip"),
    "identity": post("Transfer-Encoding: identity"),
    "a coding with a control character": post("Transfer-Encoding: \x0bchunked"),
    "a coding in quotes": post('Transfer-Encoding: "chunked"'),
    "no coding": post("Transfer-Encoding:"),
    "101 headers": get(*(f"X-{n}: y" for n in range(100))),
    "too long an address": get(start=f"GET /{'a' * (4095 - 14)} HTTP/1.1"),
    "too long a header": get(f"X-Y: {'a' * (8191 - 7)}"),
}

REFUSED_HERE = {
    "no host": get(host=""),  # RFC 9112, section 3.2: a server MUST refuse it
    # Section 3.2.1: an absolute path. gunicorn sees another address, in the query.
    "an address without a slash": get(start="GET a?b=http://c HTTP/1.1"),
    "a host with a path": get(host="Host: x/a\r\n"),  # section 3.2 again: no value of Host
    "a host with a user": get(host="Host: a@b\r\n"),
    "two hosts in one": get(host="Host: x, y\r\n"),
    # RFC 9112, section 6.1: what is not spoken. gunicorn hands on gzip as if it were the body.
    "gzip, chunked": post("Transfer-Encoding: gzip, chunked"),
    "identity, chunked": post("Transfer-Encoding: identity, chunked"),
    "a length of 101 digits": post(f"Content-Length: {'1' * 101}"),  # more than a petabyte
}
"""What gunicorn takes."""

STATUSES = {
    "101 headers": 431,
    "too long an address": 414,
    "too long a header": 431,
    **dict.fromkeys(
        ("an unknown coding", "a coding after chunked", "identity", "gzip, chunked"), 501
    ),
    **dict.fromkeys(("a coding in quotes", "no coding", "identity, chunked"), 501),
}
"""Statuses that are not 400."""


def status(text: str) -> int:
    """The status that a head is refused with, 0 for a good one."""
    try:
        read_head(text, "", HeadLimits())
    except VitrineError as error:
        return error.status
    return 0


def their_status(text: str) -> int:
    parser = theirs.PythonProtocol(limit_request_line=4094)
    try:
        parser.feed(f"{text}\r\n".encode("latin-1"))
        theirs.CallbackRequest.from_parser(parser)
    except theirs.LimitRequestLine:
        return 414
    except theirs.LimitRequestHeaders:
        return 431
    except theirs.UnsupportedTransferCoding:
        return 501
    except (theirs.ParseError, ValueError):
        return 400
    return 0


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_good_heads(text):
    """Whatever gunicorn takes is taken, and means the same."""
    parser = theirs.PythonProtocol(limit_request_line=4094)
    parser.feed(f"{text}\r\n".encode("latin-1"))
    request = theirs.CallbackRequest.from_parser(parser)
    head = read_head(text, "192.0.2.1", HeadLimits())
    assert head.request.method == request.method
    assert head.request.query == request.query
    assert head.length == (CHUNKED if request.chunked else request.content_length)
    assert head.keeps_alive == (not request.should_close())
    fields: dict[str, str] = {}
    for name, value in ((n.decode("latin-1"), v.decode("latin-1")) for n, v in parser.headers):
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    assert head.request.headers == fields


@pytest.mark.parametrize("name", BAD)
def test_bad_heads(name):
    """Whatever gunicorn refuses is refused."""
    assert their_status(BAD[name])
    assert status(BAD[name]) == STATUSES.get(name, 400)


@pytest.mark.parametrize("name", REFUSED_HERE)
def test_heads_that_gunicorn_takes(name):
    """More is refused, where the standard says so."""
    assert their_status(REFUSED_HERE[name]) == 0
    assert status(REFUSED_HERE[name]) == STATUSES.get(name, 400)


def test_mutated_heads():
    """Of any head that is taken gunicorn takes as much for its body, or refuses it."""
    chance = random.Random(7)
    heads_ = [text for text in (*GOOD.values(), *BAD.values()) if len(text) < 300]
    odd = ["\r", "\n", "\0", " ", "\t", ":", ",", "\r\n", "_", "0", "\x80", "x", "chunked", ""]
    odd += ["?", "/", "://", "*"]
    taken = 0
    for _ in range(5000):
        text = chance.choice(heads_)
        for _ in range(chance.randint(1, 3)):
            at = chance.randrange(len(text) + 1)
            text = text[:at] + chance.choice(odd) + text[at + chance.randint(0, 1) :]
        if "\r\n\r\n" in text or not text.endswith("\r\n"):
            continue  # another head than the connection would find
        try:
            head = read_head(text, "", HeadLimits())
        except VitrineError:
            continue
        taken += 1
        parser = theirs.PythonProtocol(limit_request_line=4094)
        parser.feed(f"{text}\r\n".encode("latin-1"))
        request = theirs.CallbackRequest.from_parser(parser)
        assert head.length == (CHUNKED if request.chunked else request.content_length)
        assert (head.request.method, head.request.query) == (request.method, request.query)
    assert taken > 200


def test_paths():
    """An absolute address is that of its path, and a host is nobody's path."""
    for target, path, query in (
        ("http://x:1/a?b", "/a", "b"),
        ("HTTPS://x?b", "/", "b"),
        ("http://x", "/", ""),
        ("/http://x/", "/http://x/", ""),
        ("//x/a", "//x/a", ""),
        ("/%61?", "/%61", ""),
    ):
        request = read_head(get(start=f"GET {target} HTTP/1.1"), "", HeadLimits()).request
        assert (request.path, request.query) == (path, query)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("GET /a b HTTP/1.1", "has a space or a letter beyond ASCII; send its UTF-8 as %20"),
        ("GET /mod\xc3\xa8le HTTP/1.1", "has a space or a letter beyond ASCII"),
        ("GET /a?b= c HTTP/1.0", "has a space"),
        ("GET /a b HTTP/2.0", "This is no request"),
        ("GET  HTTP/1.1", "This is no request"),
        ("hello", "This is no request; send `METHOD /path HTTP/1.1`"),
        ("GET / HTTP/2.0", "This version of HTTP is not spoken here"),
    ],
)
def test_what_a_first_line_lacks(line, told):
    """Is said: clients that were written by hand send addresses as people write them."""
    with pytest.raises(InvalidRequest, match=re.escape(told)):
        read_head(get(start=line), "", HeadLimits())


def test_names_with_an_underscore_are_left_out():
    """To CGI's rules `X_Forwarded_For` is `X-Forwarded-For`, which a proxy has checked."""
    fields = read_head(get("X_Forwarded_For: y", "X-Y: z"), "", HeadLimits()).request.headers
    assert fields == {"host": "x", "x-y": "z"}


def test_ids():
    """A request has the id and the trace that it was sent, if they make sense, else one of its
    own."""
    trace = f"00-{'1' * 32}-{'2' * 16}-01"
    request = read_head(get("X-Request-ID: a1", f"traceparent: {trace}"), "", HeadLimits()).request
    assert (request.id, request.traceparent) == ("a1", trace)
    odd = read_head(get("X-Request-ID: a 1", "traceparent: 1"), "", HeadLimits()).request
    assert (len(odd.id), odd.traceparent) == (32, "")
    assert odd.id != read_head(get(), "", HeadLimits()).request.id


def test_expectations_of_old_clients_are_nothing():
    """RFC 9110, section 10.1.1: of HTTP/1.0 they MUST be ignored."""
    head = read_head(get("Expect: 100-continue", start="POST / HTTP/1.0"), "", HeadLimits())
    assert "expect" not in head.request.headers


PARTS = {
    "too long a line": (b"GET /" + b"a" * 5000, 414),
    "too long a header": (b"GET / HTTP/1.1\r\nX-Y: " + b"a" * 9000, 431),
    "too many headers": (
        b"GET / HTTP/1.1\r\n" + b"X: %a\r\n" % (b"y" * 30) * 110,
        431,
    ),
    "a bare LF": (b"GET / HTTP/1.1\n", 400),
    "a bare CR": (b"GET / HTTP/1.1\rX", 400),
}


@pytest.mark.parametrize(("part", "expected"), PARTS.values(), ids=PARTS)
def test_heads_that_cannot_become_good(part, expected):
    """They are refused before their end has come, which may never come."""
    with pytest.raises(VitrineError) as refused:
        check_partial(part, len(part), HeadLimits())
    assert refused.value.status == expected


def test_good_parts():
    """No beginning of a good head is refused."""
    for text in GOOD.values():
        data = text.encode("latin-1")
        ends = range(0, len(data), max(1, len(data) // 50))
        for end in (*ends, len(data)):
            check_partial(data[:end], end, HeadLimits())


def test_limits_may_be_none():
    """0, as gunicorn has it."""
    none = HeadLimits(0, 0, 0)
    long = get(f"X-Y: {'a' * 20_000}", *["X: y"] * 300, start=f"GET /{'a' * 20_000} HTTP/1.1")
    assert read_head(long, "", none).length == 0
    check_partial(long.encode(), 1, none)
    with pytest.raises(heads.HeadTooLarge):
        check_partial(b"GET / HTTP/1.1\r\n" + b"X-Y: z\r\n" * 2**18, 1, none)


CHUNKS = {
    "one": (b"3\r\nabc\r\n0\r\n\r\n", b"abc"),
    "two": (b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", b"abcde"),
    "none": (b"0\r\n\r\n", b""),
    "hexadecimal digits": (b"a\r\n0123456789\r\nA\r\n0123456789\r\n00\r\n\r\n", b"0123456789" * 2),
    "an extension": (b"3;a\r\nabc\r\n0;b=c\r\n\r\n", b"abc"),
    "an extension with spaces": (b"3 ; a = b\r\nabc\r\n0\r\n\r\n", b"abc"),
    "an extension in quotes": (b'3;a="b;\\"c"\r\nabc\r\n0\r\n\r\n', b"abc"),
    "trailers": (b"3\r\nabc\r\n0\r\nX-Y: z\r\nX: y\r\n\r\n", b"abc"),
    "line ends in a chunk": (b"4\r\n\r\n\r\n\r\n0\r\n\r\n", b"\r\n\r\n"),
}

BAD_CHUNKS = {
    "no size": b"\r\nabc",
    "no digits": b"x\r\nabc",
    "a sign": b"+3\r\nabc",
    "0x": b"0x3\r\nabc",
    "an underscore": b"1_0\r\nabc",
    "a negative size": b"-3\r\nabc",
    "a space before": b" 3\r\nabc",
    "a space after": b"3 \r\nabc",
    "a bare LF": b"3\nabc",
    "a bare CR": b"3;a\rb\r\nabc",
    "too short a chunk": b"3\r\nab\r\n0\r\n\r\n",
    "too long a chunk": b"3\r\nabcd\r\n0\r\n\r\n",
    "a bare LF after a chunk": b"3\r\nabc\n0\r\n\r\n",
    "an odd extension": b"3;=a\r\nabc",
    "an extension without end": b'3;a="b\r\nabc',
    "a length among trailers": b"0\r\nContent-Length: 3\r\n\r\n",
    "a coding among trailers": b"0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a trailer without a colon": b"0\r\nnonsense\r\n\r\n",
    "a long size": b"1" * 9000,
    "a long trailer": b"0\r\nX: " + b"y" * 9000,
    "many trailers": b"0\r\n" + b"X: y\r\n" * 200,
}


def chunked(data: bytes, step: int) -> tuple[bytes, bytes, bool]:
    """What a chunked body holds, that comes so many bytes at a time, and what is left over."""
    body, content, rest = ChunkedBody(HeadLimits()), b"", b""
    for start in range(0, len(data), step):
        if body.is_whole:
            rest += data[start : start + step]
        else:
            part, rest = body.feed(data[start : start + step])
            content += part
    return content, rest, body.is_whole


@pytest.mark.parametrize("step", [1, 2, 3, 1000])
@pytest.mark.parametrize(("data", "content"), CHUNKS.values(), ids=CHUNKS)
def test_chunked_bodies(data, content, step):
    """However they come; what follows is left over."""
    assert chunked(data + b"GET", step) == (content, b"GET", True)
    assert not chunked(data[:-1], step)[2]


@pytest.mark.parametrize("step", [1, 1000])
@pytest.mark.parametrize("data", BAD_CHUNKS.values(), ids=BAD_CHUNKS)
def test_bad_chunks(data, step):
    """They are refused as soon as they can be told."""
    with pytest.raises(VitrineError) as refused:
        chunked(data, step)
    assert refused.value.status in (400, 431)


@pytest.mark.parametrize(
    "own", ["", "X-Request-Id: a-1", "traceparent: 00-" + "a" * 32 + "-" + "b" * 16 + "-01"]
)
def test_the_same_head_again(own):
    """Is read as before, and is another request: with the id that it has, or else one of its own,
    for the client that it is from and by the limits that there are."""
    text = post("Content-Length: 3", *filter(None, [own]))
    found = [read_head(text, client, HeadLimits()) for client in ("1.1.1.1", "2.2.2.2", "1.1.1.1")]
    assert [each.request.client for each in found] == ["1.1.1.1", "2.2.2.2", "1.1.1.1"]
    assert {(each.length, each.keeps_alive) for each in found} == {(3, True)}
    ids = {each.request.id for each in found}
    assert ids == {"a-1"} if "Id" in own else len(ids) == 3
    assert all(bool(each.request.traceparent) == ("parent" in own) for each in found)
    with pytest.raises(VitrineError, match="more than 1 headers"):
        read_head(text, "1.1.1.1", HeadLimits(fields=1))
