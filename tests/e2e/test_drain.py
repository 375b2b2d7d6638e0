"""SIGTERM ends the gateway soon, and after the answers that it owes."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from tests.conftest import SAMPLES, end, free_port, predicts, wait_for
from vitrine_client import Client

BODY = SAMPLES[0].read_bytes()


@pytest.fixture
def gateway(service):
    """A gateway of one's own, of one process, before the model server of all."""
    port = free_port()
    environment = {
        "VITRINE_PORT": str(port),
        "VITRINE_WORKERS": "1",
        "VITRINE_MODEL_SERVER": service.grpc_address,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "vitrine_serving", "gateway"],
        env=os.environ | environment,
        text=True,
    )
    with Client(f"http://127.0.0.1:{port}") as client:  # which keeps its connection
        try:
            wait_for(lambda: predicts(client), 30, "the gateway")
            yield port, process
        finally:
            end(process)


def test_idle_connections_do_not_hold_up_the_end(gateway):
    """A client that keeps its connection for later is not waited for."""
    _, process = gateway
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0


def test_a_request_that_has_begun_is_answered(gateway):
    """Half a body, then SIGTERM, then the rest: 200."""
    port, process = gateway
    head = (
        "POST /v1/models/mlp:predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
        f"Content-Length: {len(BODY)}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), 30) as connection:
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
    assert process.wait(10) == 0
