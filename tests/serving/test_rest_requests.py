"""Requests over REST, to the byte: how they are put together of what comes, and what is refused.
tests/contract/cases/rest_wire.py has what TensorFlow Serving answers."""

import re
import socket
import time
from collections.abc import Iterator

import pytest
from waitress.adjustments import Adjustments

from harness.waiting import wait_for
from tests.serving.fake_api import PREDICT, Model
from tests.serving.running_rest import running_rest
from vitrine_serving.model_server.api.tensorflow_rest import make_app
from vitrine_serving.model_server.http.parser import RequestParser
from vitrine_serving.model_server.rest_server import MAX_IDLE_S, RestServer

WAIT_S = 20
BODY = b'{"instances": [1]}'
GET = b"GET /v1/models/m HTTP/1.1\r\n"
POST = b"POST %b HTTP/1.1\r\n" % PREDICT.encode()
SIZED = POST + b"Content-Length: %d\r\n" % len(BODY)
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


@pytest.fixture
def server() -> Iterator[tuple[RestServer, int]]:
    """One of one thread, and its port."""
    with running_rest(make_app(Model()), threads=1) as running:
        yield running


def answers(port: int, sent: bytes) -> list[bytes]:
    """The status of each answer, to requests with GET behind them that closes the connection."""
    later = sent + GET + b"Connection: close\r\nX: last\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as connection:
        connection.sendall(later)
        with connection.makefile("rb") as answer:
            return re.findall(rb"HTTP/1\.\d (\d+)", answer.read())


def parsed(sent: bytes, size: int = 0, **adjusted: int) -> RequestParser:
    """What a parser makes of bytes, of which `size` come at a time."""
    parser = RequestParser(Adjustments(**adjusted))
    for start in range(0, len(sent), size or len(sent)):
        piece = sent[start : start + (size or len(sent))]
        assert parser.received(piece) == len(piece) or parser.completed
    return parser


@pytest.mark.parametrize("size", [0, 1, 2, 7])
@pytest.mark.parametrize("ends", [b"\r\n", b"\n"])
def test_pieces(size, ends):
    """A request is the same in however many of them it comes."""
    head = SIZED + b"Origin: a\r\n b\r\nOrigin: c\r\nX_Y: z\r\nX y: z\r\n: z\r\nHost: h\r\n\r\n"
    parser = parsed(head.replace(b"\r\n", ends) + BODY, size)
    assert (parser.completed, parser.error) == (True, None)
    assert parser.headers == {"ORIGIN": "a b", "CONNECTION": "", "CONTENT_LENGTH": str(len(BODY))}
    assert parser.get_body_stream().read() == BODY
    parser.close()


@pytest.mark.parametrize("size", [0, 1, 3])
def test_chunks_in_pieces(size):
    """Neither are chunks another body, nor trailers headers."""
    sent = b"5 \r\n%b\r\n00d\r\n%b\r\n0\r\nOrigin: a\r\n b\r\n\r\n" % (BODY[:5], BODY[5:])
    parser = parsed(CHUNKED + b"\r\n" + sent, size)
    assert (parser.completed, parser.error) == (True, None)
    assert parser.headers == {"CONNECTION": "", "CONTENT_LENGTH": str(len(BODY))}
    assert parser.get_body_stream().read() == BODY
    parser.close()


def test_what_follows_is_not_taken():
    """A parser takes its own request, and tells how long that is."""
    for request in (GET + b"\r\n", SIZED + b"\r\n" + BODY, CHUNKED + b"\r\n" + CHUNKS):
        assert RequestParser(Adjustments()).received(request + GET) == len(request)


TWO_WAYS = [
    CHUNKED + b"Content-Length: %d\r\n\r\n" % len(CHUNKS) + CHUNKS,
    SIZED + b"Transfer-Encoding: chunked\r\n\r\n" + BODY,
    *(
        POST + b"Transfer-Encoding: %b\r\n\r\n" % coding + CHUNKS
        for coding in (
            *(
                b"gzip, chunked",
                b"chunked, identity",
                b"identity, chunked",
                b"xchunked",
                b"\tchunked",
            ),
            *(b"", b'"chunked"', b"chunked\r\nTransfer-Encoding: chunked", b"\r\n chunked"),
            *(b"chunked;q=1", b"identity\r\nTransfer-Encoding: chunked", b"chunked\x0b"),
        )
    ),
    *(
        POST + b"Content-Length: %b\r\n\r\n" % length + BODY
        for length in (
            *(b"18\r\nContent-Length: 17", b"18, 18", b"+18", b"-0", b"", b"0x12", b"1 8", b"18;"),
            *(b"1\r\n 8", b"\t18", b"\xb2", b"18\x0c", b"1_8"),
        )
    ),
    *(
        POST + name + b": %d\r\n\r\n" % len(BODY) + BODY
        for name in (
            b"Content-Length ",
            b"Content_Length",
            b"\x0bContent-Length",
            b"Content-Length\xa0",
        )
    ),
    *(
        POST + name + b": chunked\r\n\r\n" + CHUNKS
        for name in (b"Transfer-Encoding\t", b"Transfer_Encoding")
    ),
    GET + b"a: b\r\n Transfer-Encoding: chunked\r\n\r\n",
    GET + b"Origin: b\r\n\tcontent_length : 2\r\n\r\n",
    *(
        CHUNKED + b"\r\n" + chunks
        for chunks in (
            *(CHUNKS.replace(b"\r\n", b"\n"), CHUNKS.replace(b"12", b"+12"), b" " + CHUNKS),
            *(b"0x" + CHUNKS, b"\r\n" + CHUNKS, CHUNKS.replace(b"}\r\n", b"}"), b"-" + CHUNKS),
            *(CHUNKS.replace(b"12\r", b"12;a=b\r"), CHUNKS.replace(b"12\r", b"12 a\r"), b"\r\n"),
            *(CHUNKS.replace(b"12\r", b"12\r\r"), b"0" * 17 + CHUNKS, CHUNKS[:-4] + b"\n\r\n"),
            *(CHUNKS[:-2] + b"no colon\r\n\r\n", CHUNKS[:-2] + b"a: b\n\r\n", b" \r\n\r\n"),
        )
    ),
]
"""Requests whose end a proxy could see elsewhere."""


@pytest.mark.parametrize("sent", TWO_WAYS)
def test_two_ways_to_read_a_body(server, sent):
    """They are refused, and what comes after them is no request."""
    assert answers(server[1], sent) in ([b"400"], [b"413"], [b"501"])


@pytest.mark.parametrize(
    "sent",
    [
        SIZED + b"Transfer-Encoding: identity\r\n\r\n" + BODY,
        CHUNKED.replace(b"1.1", b"1.0") + b"Connection: keep-alive\r\n\r\n" + CHUNKS,
        GET.replace(b"/v1", b"http://there/v1") + b"\r\n",
        GET.replace(b"\r\n", b"\n") + b"\n",
        GET + b"a: b\nContent-Length: 2\r\n\r\n{}",
        GET + b"a: b\r\n\n",
    ],
)
def test_the_last_of_a_connection(server, sent):
    """Such a request is answered, and what comes after it is none."""
    assert answers(server[1], sent) == [b"200"]


def test_requests_after_an_error(server):
    """An error of the API ends no connection, and answers come in the order of requests."""
    wrong = SIZED.replace(b"18", b"1") + b"\r\n{"
    sent = (wrong + GET + b"\r\n" + CHUNKED + b"\r\n" + CHUNKS) * 50
    assert answers(server[1], sent) == [b"400", b"200", b"200"] * 50 + [b"200"]


@pytest.mark.parametrize("empty", [b"", b"Content-Length: 0\r\n"])
def test_100_continue_without_a_body(server, empty):
    """There is nothing to go on with: it is answered at once."""
    assert answers(server[1], POST + empty + b"Expect: 100-continue\r\n\r\n") == [b"400", b"200"]


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(CHUNKED + b"\r\n" + b"0" * 300, 413, id="size without an end"),
        pytest.param(CHUNKED + b"\r\n0\r\n" + b"a: b\r\n" * 20_000, 413, id="trailers"),
        pytest.param(CHUNKED + b"\r\nfffffff\r\n", 413, id="chunk of 256 MiB"),
        pytest.param(CHUNKED + b"\r\n" + b"%x\r\n" % 2**63, 413, id="chunk of 2**63"),
        pytest.param(GET + b"a: b\r\n" * 200_000, 431, id="headers"),
        pytest.param(GET + b"a: b\r\n" + b" \n" * 600_000, 431, id="folded lines"),
        pytest.param(b"G" * 2**20, 431, id="request line"),
        pytest.param(GET + b"a: b\r\n" * 10_000 + b"\r\n", 431, id="lines"),
    ],
)
def test_bounds(sent, status):
    """What has no end is refused before it is there, and the body of none is kept."""
    parser = parsed(
        sent, 4096, max_request_header_size=2**20, max_request_body_size=100 * 2**20 + 1
    )
    assert parser.completed
    assert parser.error.code == status
    parser.close()


def test_urgent_bytes(server, caplog):
    """They are dropped, as libevent does; the loop is not told of one again and again."""
    with socket.create_connection(("127.0.0.1", server[1]), WAIT_S) as connection:
        connection.sendall(GET)
        connection.send(b"!", socket.MSG_OOB)
        connection.sendall(b"\r\n")
        assert connection.recv(12) == b"HTTP/1.1 200"
    assert not [each for each in caplog.records if "priority" in each.getMessage()]


def test_idle_connections_end(server):
    """After two minutes without a byte."""
    rest, port = server
    with socket.create_connection(("127.0.0.1", port), WAIT_S) as connection:
        wait_for(rest.channels, WAIT_S, "its channel")
        [listener] = rest._listeners
        listener.maintenance(time.time() + MAX_IDLE_S - 10)
        assert not rest.channels()[0].will_close
        listener.maintenance(time.time() + MAX_IDLE_S + 1)
        listener.pull_trigger()
        assert connection.recv(1) == b""


def test_answers_that_nobody_reads_end(server):
    """After two minutes their connection ends, and the thread is free that the next answer on it
    waits in."""
    rest, port = server
    [listener] = rest._listeners
    listener.adj.outbuf_high_watermark = 2**16
    listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    body = b'{"instances": [' + b"1," * 300_000 + b"1]}"
    request = POST + b"Content-Length: %d\r\n\r\n" % len(body) + body
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(WAIT_S)
        connection.connect(("127.0.0.1", port))
        connection.sendall(request + (GET + b"\r\n") * 3)
        wait_for(rest.channels, WAIT_S, "its channel")
        [channel] = rest.channels()
        wait_for(lambda: channel.total_outbufs_len > 2**16, WAIT_S, "what is unread")
        rest.end_idle()
        assert not channel.will_close
        channel.last_activity = time.time() - MAX_IDLE_S - 1
        rest.end_idle()
        wait_for(lambda: channel not in rest.channels(), WAIT_S, "its end")
        assert answers(port, b"") == [b"200"]
