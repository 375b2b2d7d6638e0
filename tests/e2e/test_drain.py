"""SIGTERM ends the gateway soon, and after the answers that it owes."""

import signal
import socket
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
import requests

from harness.gateway import Gateway, gateway, predicts
from harness.paths import SAMPLES
from harness.waiting import wait_for
from vitrine_client import Client

BODY = SAMPLES[0].read_bytes()


@pytest.fixture(params=["grpc_address"])
def one_process(service, request) -> Iterator[Gateway]:
    """A gateway of one process, with a client that keeps its connection."""
    with (
        gateway(getattr(service, request.param), workers=1) as running,
        Client(running.url) as client,
    ):
        assert predicts(client)
        yield running


def test_idle_connections_do_not_hold_up_the_end(one_process):
    """A client that keeps its connection for later is not waited for."""
    process = one_process.process
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


@pytest.mark.parametrize("one_process", ["grpc_address", "local_address"], indirect=True)
def test_a_request_that_has_begun_is_answered(one_process):
    """Half a body, then SIGTERM, then the rest: 200."""
    process = one_process.process
    host, port = one_process.address.split(":")
    head = (
        "POST /v1/models/mlp:predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        f"Content-Length: {len(BODY)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), 30) as connection:
        connection.sendall(head.encode())
        assert b"100 Continue" in connection.recv(1000)  # the request is in hand
        connection.sendall(BODY[:100])
        process.send_signal(signal.SIGTERM)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        connection.sendall(BODY[100:])
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"Ankle boot" in answer
    assert process.wait(20) == 0


class Clients:
    """New connections every 10 ms, each with a question; notes when each began, and its end."""

    def __init__(self, address: str) -> None:
        host, port = address.split(":")
        self.at = (host, int(port))
        self.ends: list[tuple[float, str]] = []
        self.stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def __call__(self) -> None:
        """Asks until it is told to stop."""
        while not self.stop.wait(0.01):
            self._threads.append(threading.Thread(target=self._ask))
            self._threads[-1].start()
        for thread in self._threads:
            thread.join(60)

    def _ask(self) -> None:
        began = time.monotonic()
        try:
            with socket.create_connection(self.at, 30) as connection:
                connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n")
                end = connection.recv(65536)[9:12].decode() or "closed"
        except ConnectionRefusedError:
            end = "refused"
        except OSError as error:
            end = type(error).__name__
        self.ends.append((began, end))


@pytest.mark.parametrize("drain_s", [0, 3])
def test_new_connections_are_answered_until_they_are_refused(model_server, log, drain_s):
    """SIGTERM while clients come every 10 ms: none is reset, and none refused before `/readyz` was
    503 for the whole of `VITRINE_DRAIN_S`; meanwhile a request is in hand."""
    with gateway(model_server.address, log, drain_s=drain_s) as running:
        clients = Clients(running.address)
        thread = threading.Thread(target=clients)
        thread.start()
        try:
            wait_for(lambda: len(clients.ends) > 50, 30, "answers")
            with socket.create_connection(clients.at, 30) as in_hand:
                in_hand.sendall(b"POST /v1/models/mlp:predict HTTP/1.1\r\nHost: x\r\n")
                in_hand.sendall(b"Content-Type: image/png\r\nExpect: 100-continue\r\n")
                in_hand.sendall(b"Content-Length: %d\r\n\r\n" % len(BODY))
                assert b"100 Continue" in in_hand.recv(1000)
                told = time.monotonic()
                running.process.terminate()
                wait_for(lambda: clients.ends[-1][1] == "refused", 20, "the end")
                in_hand.sendall(BODY)
                assert in_hand.recv(1000).startswith(b"HTTP/1.1 200")
            assert running.process.wait(30) == 0
        finally:
            clients.stop.set()
            thread.join(60)
    found = Counter(end for _, end in clients.ends)
    assert set(found) <= {"200", "503", "refused"}, found
    first = min(began for began, end in clients.ends if end == "refused")
    assert first >= told + drain_s
    if drain_s:
        assert min(began for began, end in clients.ends if end == "503") < told + 1
        assert all(end == "503" for began, end in clients.ends if told + 1 < began < told + drain_s)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_the_wait_for_balancers(model_server, log, number):
    """While `/readyz` is 503 for a minute, SIGTERM once more or Ctrl-C ends the gateway."""
    with gateway(model_server.address, log, drain_s=60) as running:
        running.process.terminate()
        answer = wait_for_503(running.url)
        assert answer.headers["Connection"] == "close"
        time_of_copies_is_over = time.monotonic() + 1
        wait_for(lambda: time.monotonic() > time_of_copies_is_over, 5, "another second")
        running.process.send_signal(number)
        assert running.process.wait(30) == (130 if number == signal.SIGINT else 0)


def wait_for_503(url: str) -> requests.Response:
    answers: list[requests.Response] = []

    def is_503() -> bool:
        answers.append(requests.get(f"{url}/readyz", timeout=20))
        return answers[-1].status_code == 503

    wait_for(is_503, 20, "503")
    return answers[-1]
