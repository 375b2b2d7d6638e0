"""The loops that make load, against servers that misbehave as they are told."""

import itertools
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pytest

from harness.certificates import make_ca, make_certificate
from harness.ports import free_port
from tests.client.loadtest.loop_runs import ONCE, Records, run_loop, steady
from tests.client.loadtest.scripted_server import (
    CLOSE,
    RESET,
    RIGHT,
    always,
    answer,
    predictions,
    scripted_server,
)
from tests.conftest import measured
from vitrine_client.loadtest.generator.http_connection import Endpoint
from vitrine_client.loadtest.plan import Closed

pytestmark = pytest.mark.alone


def busy(seconds: float) -> None:
    """What a server does meanwhile."""
    threading.Event().wait(seconds)


def slowly(seconds: float, *pieces: bytes | None) -> Iterator[bytes | None]:
    for piece in pieces:
        busy(seconds)
        yield piece


def has(count: int) -> Callable[[Records], bool]:
    """Whether there are so many records."""
    return lambda records: len(records.due_s) >= count


BODY = b'{"predictions": [{"class_id": 7}]}'
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WITHOUT_LENGTH = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize(
    ("outcome", "pieces"),
    {
        "plain": ("", [RIGHT]),
        "chunked": ("", [CHUNKED + b"5\r\n" + BODY[:5], b"\r\n1d\r\n", BODY[5:], b"\r\n0\r\n\r\n"]),
        "until the end": ("", [WITHOUT_LENGTH, BODY[:9], BODY[9:], CLOSE]),
        "after 100": ("", [b"HTTP/1.1 100 Continue\r\n\r\n", RIGHT]),
        "503": ("HTTP 503", [answer({"error": "busy"}, "503 Service Unavailable")]),
        "503 without length": ("HTTP 503", [b"HTTP/1.0 503 Busy\r\n\r\n", CLOSE]),
        "another class": ("wrong answer", [answer(predictions(8))]),
        "no answer": ("not an answer", [answer("hello")]),
        "broken image": ("invalid image", [answer({"predictions": [{"error": "image 0: no"}]})]),
        "no HTTP": ("no HTTP", [b"SSH-2.0-OpenSSH_9.9\r\n"]),
        "reset": ("reset", [RESET]),
        "reset within": ("reset", [RIGHT[:50], RESET]),
        "closed": ("reset", [CLOSE]),
        "closed within": ("reset", [RIGHT[:50], CLOSE]),
    }.values(),
)
def test_what_became_of_a_request(outcome, pieces):
    """Right answers in whatever form HTTP has for them, and errors by what they are."""
    with scripted_server(lambda _: slowly(0.005, *pieces)) as server:
        records = run_loop(server.url, ONCE)
    assert records.outcomes == {outcome: 1}
    assert np.isnan(records.latency_s).all() == bool(outcome)


def test_nobody_there():
    """A refused connection is an error of its own."""
    nowhere = Endpoint(socket.AF_INET, ("127.0.0.1", free_port()))
    assert run_loop(nowhere, ONCE).outcomes == {"refused": 1}
    assert run_loop(nowhere, steady(100, 0.1)).outcomes == {"refused": 10}


def test_a_slow_answer_is_timed_to_its_last_byte():
    """To come in drips makes it neither fast nor wrong, and nothing else is added."""
    drips = [RIGHT[place : place + 30] for place in range(0, len(RIGHT), 30)]
    with scripted_server(lambda _: slowly(0.03, *drips)) as server:
        began_s = time.monotonic()
        records = run_loop(server.url, ONCE)
        took_s = time.monotonic() - began_s
    assert records.outcomes == {"": 1}
    assert 0.03 * len(drips) <= records.latency_s[0] < took_s


def test_without_an_answer_it_gives_up():
    """After the timeout, with its connection; the next request has one of its own."""
    script = lambda number: slowly(0.0 if number else 30.0, RIGHT)  # noqa: E731
    with scripted_server(script) as server:
        records = run_loop(
            server.url, Closed(1, 60), timeout_s=0.5, until=lambda seen: seen.outcomes[""] > 1
        )
        assert 2 <= server.connections <= 1 + records.outcomes["timeout"]
    assert set(records.outcomes) == {"timeout", ""}


def test_a_closed_loop_keeps_so_many_in_flight():
    """As many as there are seats, over as many connections."""
    crowd, most = [0], [0]
    lock = threading.Lock()

    def script(_: int) -> Iterator[bytes]:
        with lock:
            crowd[0] += 1
            most[0] = max(most[0], crowd[0])
        busy(0.01)
        with lock:
            crowd[0] -= 1
        yield RIGHT

    with scripted_server(script) as server:
        records = run_loop(server.url, Closed(4, 60), seats=4, until=has(100))
        assert server.connections == 4
    assert most == [4]
    lasted_s = (records.due_s + records.latency_s).max() - records.due_s.min()
    assert records.latency_s.sum() / lasted_s == pytest.approx(4, rel=0.3)
    assert np.array_equal(records.due_s, records.sent_s)


def test_a_closed_loop_that_fails_pauses():
    """A server that refuses is not asked as fast as can be."""
    nowhere = Endpoint(socket.AF_INET, ("127.0.0.1", free_port()))
    records = run_loop(nowhere, Closed(4, 60), seats=4, until=has(20))
    assert set(records.outcomes) == {"refused"}
    lasted_s = np.ptp(records.due_s)
    assert len(records.due_s) <= 4 * (2 + lasted_s / 0.1)


def test_requests_take_turns_and_so_do_their_answers():
    """Each request has right answers of its own; one that goes wrong is told from the others."""
    wrong = 5

    def script(number: int) -> Iterator[bytes]:
        yield answer(predictions(number % 2 + (number == wrong)))

    contents = tuple(f"POST /{n} HTTP/1.1\r\nContent-Length: 0\r\n\r\n".encode() for n in (0, 1))
    with scripted_server(script) as server:
        records = run_loop(
            server.url, Closed(1, 60), requests=contents, classes=((0,), (1,)), until=has(8)
        )
        asked = server.requests
    assert asked == [contents[number % 2] for number in range(len(asked))]
    assert records.outcomes == {"": len(asked) - 1, "wrong answer": 1}


def test_an_open_loop_sees_a_stall_and_a_closed_one_does_not():
    """The server stands still for 0.25 s once. Of 200 requests a second, 50 are due meanwhile; who
    waits for an answer before asking again meets the stall with one."""

    def stalling() -> "tuple[threading.Lock, object]":
        lock = threading.Lock()

        def script(number: int) -> Iterator[bytes]:
            with lock:
                if number == 20:
                    busy(0.25)
            yield RIGHT

        return script

    def both() -> tuple[Records, Records]:
        with scripted_server(stalling()) as server:
            seen = run_loop(server.url, steady(200, 0.5), seats=100)
        with scripted_server(stalling()) as server:
            blind = run_loop(server.url, Closed(1, 60), until=has(100))
        assert seen.outcomes == {"": 100}
        return seen, blind

    def check(found: tuple[Records, Records]) -> None:
        seen, blind = found
        assert np.median(seen.lag_s) < 0.005
        assert (seen.latency_s > 0.05).sum() >= 35
        assert np.percentile(seen.latency_s, 90) > 0.1
        assert (blind.latency_s > 0.05).sum() <= 2
        assert blind.latency_s.max() > 0.24

    measured(both, check)


def one_at_a_time(service_s: float):
    """A server that serves everybody, in turn."""
    lock = threading.Lock()

    def script(_: int) -> Iterator[bytes]:
        with lock:
            busy(service_s)
        yield RIGHT

    return script


def test_who_finds_all_connections_taken_waits():
    """Its latency counts from when it was due; that it was late is no fault of the generator."""
    with scripted_server(one_at_a_time(0.03)) as server:
        records = run_loop(server.url, steady(100, 0.3), seats=1)
        assert server.connections == 1
    assert records.outcomes == {"": 30}
    assert records.latency_s[-1] > 30 * 0.03 - 0.3
    assert (records.sent_s - records.due_s)[-1] > 0.5
    assert np.median(records.lag_s) < 0.01
    assert records.told_the_truth()


def test_who_waits_too_long_is_dropped():
    """It is never sent, and never lost."""
    with scripted_server(one_at_a_time(0.03)) as server:
        records = run_loop(server.url, steady(100, 0.3), seats=1, timeout_s=0.2)
        answered, given_up = records.outcomes[""], records.outcomes["timeout"]
        assert answered <= len(server.requests) <= answered + given_up
    assert records.outcomes["dropped"] > 5
    assert np.nanmax(records.waited_s) < 0.2 + 1e-6
    assert records.outcomes.total() == 30
    assert records.told_the_truth()


def test_connections_are_kept():
    """As long as the server does; where it hangs up between two requests, that is no error."""

    def four(*pieces: bytes) -> tuple[Records, int]:
        with scripted_server(always(*pieces)) as server:
            return run_loop(server.url, steady(20, 0.2), seats=9), server.connections

    def check(kept: int, found: tuple[Records, int]) -> None:
        records, connections = found
        assert records.outcomes == {"": 4}
        assert connections == kept  # if none was late, so that two were in flight

    measured(lambda: four(RIGHT), partial(check, 1))
    measured(lambda: four(RIGHT, CLOSE), partial(check, 4))
    goodbye = answer(predictions(7), "200 OK", "Connection: close")
    with scripted_server(always(goodbye)) as server:
        records = run_loop(server.url, Closed(1, 60), until=has(4))
        assert server.connections == len(server.requests) == records.outcomes[""]


def test_a_large_request_goes_in_pieces():
    """More than a socket takes at once arrives whole, and its answer is its own."""
    large = b"POST / HTTP/1.1\r\nContent-Length: 20000000\r\n\r\n" + bytes(20_000_000)
    with scripted_server(always(RIGHT)) as server:
        assert run_loop(server.url, ONCE, requests=(large,)).outcomes == {"": 1}
        assert server.requests == [large]


def test_https(tmp_path, monkeypatch):
    """Speaks TLS with who has a certificate that is trusted, and with nobody else."""
    ca = make_ca(tmp_path)
    certificate = make_certificate(tmp_path, "server", ca)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate.cert, certificate.key)
    long = answer(predictions(7) | {"more": "x" * 100_000})
    with scripted_server(always(long), tls) as server:
        assert run_loop(server.url, ONCE).outcomes == {"TLS": 1}
        monkeypatch.setenv("SSL_CERT_FILE", str(ca.cert))
        assert set(run_loop(server.url, Closed(1, 60), until=has(4)).outcomes) == {""}
        assert server.connections == 1


@pytest.mark.parametrize("status", ["500 Internal Server Error", "429 Too Many Requests"])
def test_a_closed_loop_keeps_its_concurrency_when_answers_are_errors(status):
    """Who is answered with an error asks again at once, as who is answered right does."""
    with scripted_server(always(answer({"error": "no"}, status))) as server:
        records = run_loop(server.url, Closed(2, 60), seats=2, until=has(400))
    assert set(records.outcomes) == {f"HTTP {status[:3]}"}
    by_seat_s = np.ptp(records.due_s) / (len(records.due_s) / 2)
    assert by_seat_s < 0.1  # a rest before each takes as long


def test_a_server_that_keeps_connections_for_a_few_answers():
    """It is told from a connection that breaks, with after how many, and nobody rests for it."""
    last = itertools.count(1)

    def script(_: int) -> Iterator[bytes]:
        yield RIGHT
        if next(last) % 3 == 0:
            busy(0.02)  # so that the next request is there already
            yield CLOSE

    with scripted_server(script) as server:
        records = run_loop(server.url, Closed(1, 60), until=has(41))
    assert set(records.outcomes) == {"", "closed while kept"}
    assert records.outcomes["closed while kept"] == pytest.approx(records.outcomes[""] / 3, abs=1)
    assert np.ptp(records.due_s) < 0.1 * records.outcomes["closed while kept"]
