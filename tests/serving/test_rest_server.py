"""The HTTP server of the REST side: idle connections stop nobody, and bodies are bounded."""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.ports import free_port
from harness.waiting import wait_for
from tests.serving.fake_api import PREDICT, Model, client_of, error_of
from tests.serving.running_rest import running_rest
from vitrine_serving.model_server import rest_server
from vitrine_serving.model_server.api.tensorflow_rest import make_app
from vitrine_serving.model_server.http import parser
from vitrine_serving.model_server.rest_server import RestServer
from vitrine_serving.rest_json import parsing

BODY = b'{"instances": [1]}'
POST = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %%d\r\n\r\n" % PREDICT.encode()
WAIT_S = 20


@pytest.fixture
def server() -> Iterator[tuple[RestServer, int]]:
    """One that takes eight sockets, its own two among them, and its port."""
    with running_rest(make_app(Model()), threads=2, connections=8) as running:
        yield running


def connect(port: int, sent: bytes = b"") -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), WAIT_S)
    connection.sendall(sent)
    return connection


@pytest.mark.parametrize("start", [b"", b"POST /v1/mod", POST % 9 + b"half"])
def test_idle_connections_stop_nobody(server, start, monkeypatch):
    """Neither those that send nothing, nor those that send a little now and then: who comes later
    is answered, and who is being answered stays."""
    monkeypatch.setattr(rest_server, "_IDLE_S", 0.1)
    rest, port = server
    with contextlib.ExitStack() as opened:
        idle = [opened.enter_context(connect(port, start)) for _ in range(20)]
        late = opened.enter_context(connect(port, POST % len(BODY) + BODY))
        late.settimeout(0.1)
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            rest.end_idle()
            for each in idle:
                with contextlib.suppress(OSError):
                    each.send(start[:1])
            with contextlib.suppress(TimeoutError):
                assert late.recv(4096).startswith(b"HTTP/1.1 200 ")
                return
        pytest.fail("it was not answered")


class SlowModel(Model):
    """Answers when its gate is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()

    def run(self, spec, inputs, *, timeout_s=None):
        assert self.gate.wait(WAIT_S)
        return super().run(spec, inputs, timeout_s=timeout_s)


def test_requests_that_wait_are_answered_at_the_end(caplog):
    """Those with a thread and those without, at each of two addresses; connections end then."""
    model, ports = SlowModel(), (free_port(), free_port())
    rest = RestServer(make_app(model), [f"127.0.0.1:{port}" for port in ports], threads=1)
    thread = threading.Thread(target=rest.run, daemon=True)
    thread.start()
    with contextlib.ExitStack() as opened, ThreadPoolExecutor(1) as pool:
        request = POST % len(BODY) + BODY
        asking = [opened.enter_context(connect(port, request)) for port in ports * 2]
        wait_for(lambda: sum(len(each.requests) for each in rest.channels()) == 4, WAIT_S, "them")
        rest.close()
        ended = pool.submit(rest.shut_down, 10 * WAIT_S)
        model.gate.set()
        for each in asking:
            with each.makefile("rb") as answer:
                told = answer.read()
            assert told.startswith(b"HTTP/1.1 200 OK\r\n")
            assert b"Connection: close\r\n" in told
        ended.result(WAIT_S)
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert not [record for record in caplog.records if record.exc_info]
    for port in ports:
        with socket.socket() as late:
            assert late.connect_ex(("127.0.0.1", port))


def test_half_a_head_does_not_hold_the_end():
    """Nothing is asked yet, and may never be."""
    port = free_port()
    rest = RestServer(make_app(Model()), [f"127.0.0.1:{port}"], threads=1)
    thread = threading.Thread(target=rest.run, daemon=True)
    thread.start()
    with connect(port, b"POST /v1/mod") as connection, ThreadPoolExecutor(1) as pool:
        wait_for(lambda: any(each.request for each in rest.channels()), WAIT_S, "its head")
        rest.close()
        pool.submit(rest.shut_down, 10 * WAIT_S).result(WAIT_S)
        assert connection.recv(1) == b""
    thread.join(WAIT_S)
    assert not thread.is_alive()


@pytest.mark.parametrize(("size", "status"), [(300_000, 200), (1_000_000, 200), (2**20, 431)])
def test_long_heads(server, size, status):
    """They are bounded, at a megabyte."""
    line = b"GET /v1/models/m HTTP/1.1\r\n"
    with connect(server[1], line + b"X-Long: %b\r\n\r\n" % (b"x" * size)) as connection:
        assert connection.recv(4096).split()[1] == b"%d" % status


def test_a_few_idle_connections_stay(server):
    """For the next request of their client."""
    rest, port = server
    with connect(port) as connection:
        for _ in range(3):
            rest.end_idle()
        connection.sendall(POST % len(BODY) + BODY)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")


def test_a_body_that_is_too_long_is_told_before_it_comes(server):
    """413 by its length, with nothing written to a disk."""
    with connect(server[1], POST % (100 * 2**20 + 1)) as connection:
        assert connection.recv(4096).startswith(b"HTTP/1.1 413 ")


class FullDisk:
    """Buffer that no body fits in."""

    def __init__(self, _: int) -> None:
        """Is made as waitress makes its own."""

    def append(self, _: bytes) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        """Has nothing to close."""


@pytest.mark.parametrize(
    ("head", "status"),
    [
        pytest.param(POST.replace(b"%d", b"1" * 5000), 413, id="digits"),
        pytest.param(b"GET http://[/ HTTP/1.1\r\n\r\n", 400, id="address"),
        pytest.param(POST % 2 + b"{}", 400, id="no room"),
    ],
)
def test_requests_that_cannot_be_read(server, caplog, monkeypatch, head, status):
    """They are told so, without a traceback in the log; others are answered as before."""
    with monkeypatch.context() as without_room:
        without_room.setattr(parser, "OverflowableBuffer", FullDisk)
        assert asked(server[1], head).split()[1] == b"%d" % status
    records = [each for each in caplog.records if each.name != "waitress.queue"]
    assert all("cannot be read" in each.getMessage() and not each.exc_info for each in records)
    assert asked(server[1], POST.replace(b"Host: x\r\n", CLOSE) % len(BODY) + BODY).startswith(
        b"HTTP/1.1 200 "
    )


def asked(port: int, sent: bytes) -> bytes:
    """Returns all that is answered until the server, or the client by a header, closes."""
    with connect(port, sent) as connection, connection.makefile("rb") as answer:
        return answer.read()


GET = b"GET %b HTTP/1.1\r\n%b\r\n"
CLOSE = b"Connection: close\r\n"


@pytest.mark.parametrize(
    ("path", "status"), [(b"/v1/models/m", b"200 OK"), (b"/v1/x", b"400 Bad Request")]
)
def test_heads_of_answers(server, path, status):
    """Reason phrases are those of TensorFlow Serving, and nothing tells the server's name."""
    head = asked(server[1], GET % (path, CLOSE)).partition(b"\r\n\r\n")[0]
    first, *headers = head.split(b"\r\n")
    assert first == b"HTTP/1.1 " + status
    assert sorted(line.partition(b":")[0] for line in headers) == [
        *(b"Connection", b"Content-Length", b"Content-Type", b"Date")
    ]


def test_head_has_no_body(server):
    """TensorFlow Serving sends one, which its client takes for the head of the next answer."""
    answered = asked(server[1], GET.replace(b"GET", b"HEAD") % (b"/v1/models/m", CLOSE))
    assert answered.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert answered.endswith(b"\r\n\r\n")


def test_pages_end_connections(server):
    """A page of an error is the last answer on its connection; an error of the API is not."""
    later = GET % (b"/v1/models/m", CLOSE)
    answered = asked(server[1], GET % (b"/v1/x", b"") + GET % (b"/x", b"") + later)
    assert re.findall(rb"HTTP/1.1 [^\r]+", answered) == [
        *(b"HTTP/1.1 400 Bad Request", b"HTTP/1.1 404 Not Found")
    ]
    assert answered.count(b"Connection: close\r\n") == 1


def test_100_continue(server):
    """It is sent to a client that waits for it, and not to one whose body is there."""
    head = POST.replace(b"Host: x\r\n", b"Expect: 100-continue\r\n" + CLOSE) % len(BODY)
    assert asked(server[1], head + BODY).startswith(b"HTTP/1.1 200 OK")
    with connect(server[1], head) as connection, connection.makefile("rb") as answer:
        assert answer.readline() == b"HTTP/1.1 100 Continue\r\n"
        connection.sendall(BODY)
        assert b"HTTP/1.1 200 OK\r\n" in answer.read()


@pytest.mark.parametrize(
    "method",
    [b"get", b"Get", b"G@T", b"X-GET", b"TRACE", b"CONNECT", b"PROPFIND", b"GETS", b"{}", b""],
)
def test_unknown_methods(server, method):
    """Any word that is none of the seven methods is one that is not implemented."""
    answered = asked(server[1], GET.replace(b"GET", method) % (b"/v1/models/m", b""))
    assert answered.startswith(b"HTTP/1.1 501 Not Implemented\r\n")
    assert b"Connection: close\r\n" in answered


@pytest.mark.parametrize(
    "head",
    [
        *("nonsense", "GET  HTTP/1.1", "", "GET /v1/models/m", "GET /v1/models/m HTTP/1.1 x"),
        "POST /v1/models/m:predict HTTP/1.1\r\nContent-Length: x",
        *(
            f"GET /v1/models/m HTTP/1.1\r\n{line}"
            for line in ("x", " x: y", "x: \0", "x: \ry", "\0")
        ),
    ],
)
def test_malformed_heads(server, head):
    """They are 400 and the end of the connection, and the text says which mistake it is; the rest
    of the head is not waited for."""
    answered = asked(server[1], head.encode() + (b"\r\n\r\n" if "Length" in head else b"\r\n"))
    assert answered.split(b"\r\n")[0].endswith(b" 400 Bad Request")
    assert b"\r\nContent-Type: text/plain; charset=utf-8\r\n" in answered
    assert len(answered.split(b"\r\n\r\n")) == 4


@pytest.mark.parametrize(
    "head",
    [b"PRI * HTTP/2.0\r\n\r\n", b"GET /v1/models/m HTTP/3.0\r\n\r\n", b"GET /v1/models/m\r\n\r\n"],
)
def test_versions_of_http(server, head):
    """HTTP/1 alone is spoken, and whoever speaks it says so."""
    assert asked(server[1], head).startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize("error", [MemoryError(), None])
def test_values_and_memory_are_bounded(monkeypatch, error):
    """Too many values are 413 before they are parsed; where memory ends it is 503."""
    model = Model()
    model.error = error
    body = BODY if error else b'{"instances": [' + b"{}," * parsing.MAX_VALUES + b"{}]}"
    response = client_of(model).post(PREDICT, data=body)
    assert response.status_code == (503 if error else 413)
    assert ("memory" if error else "1,000,000 values") in error_of(response)


def test_an_end_that_is_told_twice():
    """The loop's trigger is gone by then; so it is where the loop comes first to its last work."""
    rest = RestServer(make_app(Model()), [f"127.0.0.1:{free_port()}"], threads=1)
    thread = threading.Thread(target=rest.run, daemon=True)
    thread.start()
    rest.close()
    rest.shut_down(WAIT_S)
    thread.join(WAIT_S)
    assert not thread.is_alive()
    rest.shut_down(0)
