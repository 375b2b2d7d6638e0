"""Clients that are slow, silent or too many do not keep the others from being answered."""

import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.gateway import gateway, predicts
from harness.waiting import wait_for
from vitrine_client import Client

HEAD = b"POST /v1/models/mlp:predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
Connect = Callable[[], socket.socket]


@pytest.fixture(scope="module")
def port(service) -> Iterator[int]:
    """Of a gateway of one process with little patience and room for eight connections."""
    patience = {"header_timeout_s": 0.5, "body_timeout_s": 0.5, "answer_timeout_s": 0.5}
    with gateway(service.grpc_address, workers=1, connections=8, **patience) as running:
        yield int(running.address.split(":")[1])


def answers(port: int) -> bool:
    with Client(f"http://127.0.0.1:{port}") as client:  # which it closes
        return predicts(client)


@pytest.fixture
def connect(port) -> Iterator[Connect]:
    opened = []

    def connect() -> socket.socket:
        opened.append(socket.create_connection(("127.0.0.1", port), 20))
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def everything(connection: socket.socket) -> bytes:
    """What comes until the other side closes."""
    parts = []
    while part := connection.recv(65536):
        parts.append(part)
    return b"".join(parts)


def problem(answer: bytes) -> dict:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"application/problem+json" in head
    return json.loads(body)


@pytest.mark.parametrize("sent", [b"", b"POST /v1/mod", HEAD], ids=["nothing", "a line", "some"])
def test_headers_that_do_not_come_end_the_connection(connect, sent):
    """A connection that has sent no request is closed, whatever it has sent."""
    connection = connect()
    connection.sendall(sent)
    assert everything(connection) == b""


def test_a_body_that_does_not_come_is_a_408(connect):
    """A body that stops half-way is told so, and the connection ends."""
    connection = connect()
    connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 10)
    assert problem(everything(connection))["status"] == 408


def test_a_body_that_is_too_long_is_told_before_it_is_sent(connect):
    """Only its length has come: 413."""
    connection = connect()
    connection.sendall(HEAD + b"Content-Length: 1000000000\r\n\r\n")
    assert problem(everything(connection))["status"] == 413


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"X-Y: z\r\n" * 200, b"431"),
        (b"GET / HTTP/1.1\r\nX-Y: " + b"z" * 20_000, b"431"),
        (b"nonsense\r\n", b"400"),
    ],
    ids=["address", "many headers", "long header", "nonsense"],
)
def test_headers_without_end_are_refused(connect, lines, status):
    """Address, number and length of headers are bounded."""
    connection = connect()
    connection.sendall(lines + b"\r\n\r\n")
    assert everything(connection).split(b" ", 2)[1] == status


def test_too_many_connections_are_refused_and_leave_room_again(connect, port):
    """The ninth of eight connections gets a 503 at once, also if it sends before it reads, and is
    not reset; when they are gone all is well."""
    waiting = []
    for _ in range(8):
        waiting.append(connection := connect())
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert problem(everything(connect()))["status"] == 503
    for _ in range(20):
        sender = connect()
        sender.sendall(HEAD + b"Content-Length: 50000\r\n\r\n" + bytes(50_000))
        assert problem(everything(sender))["status"] == 503
    for connection in waiting:
        connection.close()
    wait_for(lambda: answers(port), 30, "room")


def test_an_answer_that_is_not_read_ends_the_connection(port):
    """A client that asks on and on, and reads nothing, is not waited for."""
    with small_window() as connection:
        connection.connect(("127.0.0.1", port))
        wait_for(lambda: is_ended_while_it_asks(connection), 30, "the end")
    assert answers(port)


def test_an_answer_that_is_read_slowly_is_read_whole(port):
    """Slower than the gateway could send it, and longer than it waits for one that does not
    read."""
    request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n"
    with small_window() as connection:
        connection.connect(("127.0.0.1", port))
        connection.settimeout(20)
        connection.sendall((request + b"\r\n") * 40 + request + b"Connection: close\r\n\r\n")
        parts = []
        began = time.monotonic()
        while part := connection.recv(8192):
            parts.append(part)
            if time.monotonic() < began + 1.5:
                time.sleep(0.05)  # who is slow has to be slow
    assert b"".join(parts).count(b"HTTP/1.1 200") == 41


def small_window() -> socket.socket:
    """A socket that takes little before it is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return connection


def is_ended_while_it_asks(connection: socket.socket) -> bool:
    """Says whether a connection that asks for more, as far as that is taken, has been ended."""
    connection.setblocking(False)
    try:
        connection.send(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    return False


@pytest.mark.parametrize("target", [b"http://example.org", b"HTTP://x:1?a=b", b"http://x/"])
def test_an_address_without_a_path(connect, target):
    """In the absolute form it is that of the page, and nobody is sent to the Host of a header."""
    connection = connect()
    connection.sendall(b"GET %b HTTP/1.1\r\nHost: evil\r\nConnection: close\r\n\r\n" % target)
    answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"evil" not in answer


def test_connections_are_shared_out(service):
    """Of 100 that are opened at once, either process of a gateway gets about the half, also where
    one of them has to wait for a processor."""
    with gateway(service.grpc_address) as running, contextlib.ExitStack() as opened:
        before = [_sockets(pid) for pid in running.workers]
        host, port = running.address.split(":")
        for _ in range(100):
            opened.enter_context(socket.create_connection((host, int(port)), 20))

        def gained() -> list[int]:
            now = [_sockets(pid) for pid in running.workers]
            return [count - start for count, start in zip(now, before, strict=True)]

        wait_for(lambda: sum(gained()) == 100, 30, "all to be taken")
        assert min(gained()) >= 25


def _sockets(pid: int) -> int:
    """How many sockets a process has open (Linux)."""
    found = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found += str(link.readlink()).startswith("socket:")
    return found


def test_a_length_of_thousands_of_digits(model_server, log):
    """400 as for other broken requests, and no traceback."""
    with gateway(model_server.address, log, workers=1) as running:
        host, port = running.address.split(":")
        with socket.create_connection((host, int(port)), 20) as connection:
            head = "POST /v1/instances HTTP/1.1\r\nHost: x\r\nContent-Length: "
            connection.sendall(f"{head}{'1' * 5000}\r\n\r\n".encode())
            answer = b"".join(iter(lambda: connection.recv(65536), b""))
        assert answer.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 400
        assert running.predict().ok
        assert "Traceback" not in log.read_text()
