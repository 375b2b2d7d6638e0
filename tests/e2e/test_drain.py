"""SIGTERM ends the gateway soon, and after the answers that it owes."""

import signal
import socket
import subprocess
from collections.abc import Iterator

import pytest

from harness.gateway import Gateway, gateway, predicts
from harness.paths import SAMPLES
from vitrine_client import Client

BODY = SAMPLES[0].read_bytes()


@pytest.fixture
def one_process(service) -> Iterator[Gateway]:
    """A gateway of one process, with a client that keeps its connection."""
    with (
        gateway(service.grpc_address, workers=1) as running,
        Client(running.url) as client,
    ):
        assert predicts(client)
        yield running


def test_idle_connections_do_not_hold_up_the_end(one_process):
    """A client that keeps its connection for later is not waited for."""
    process = one_process.process
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


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
