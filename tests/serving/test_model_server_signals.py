"""Signals to the model server while a request over REST is in flight."""

import json
import signal
import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
import requests

from harness.model_server import COMMAND
from harness.ports import free_port
from harness.processes import LONG_S, running, wait_until_up
from harness.waiting import wait_for
from tests.contract.models import export, publish

BATCH_S = 3
BATCHING = f"max_batch_size {{ value: 2 }} batch_timeout_micros {{ value: {BATCH_S}000000 }}"


@pytest.fixture(scope="module")
def flags(tmp_path_factory) -> list[str]:
    """Those of a server where one row waits `BATCH_S` for another, and REST has one thread."""
    base = tmp_path_factory.mktemp("models")
    export(base / "kinds")
    publish(base / "kinds", "half_plus_two", base / "half", 1)
    (base / "batching.config").write_text(BATCHING)
    return [
        *("--model_name=half", f"--model_base_path={base / 'half'}", "--enable_batching=true"),
        *(f"--batching_parameters_file={base / 'batching.config'}", "--rest_api_num_threads=1"),
    ]


def is_busy(port: int) -> bool:
    """Says whether the one thread has something else to do than to answer at once."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as connection:
        connection.settimeout(1)  # a machine that has much to do takes longer than 0.2 s
        connection.sendall(b"GET /v1/models/half HTTP/1.1\r\nConnection: close\r\n\r\n")
        try:
            connection.recv(1)
        except TimeoutError:
            return True
    return False


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGTERM, 0),
        # Their exit codes tests/e2e/test_terminal.py has, too.
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.wide),
        pytest.param(signal.SIGHUP, 129, marks=pytest.mark.wide),
    ],
)
def test_a_request_in_flight(flags, tmp_path, number, code):
    """It is answered where the server is told to end, and nothing is logged; TensorFlow Serving
    2.20.0 dies of each of these signals instead."""
    port, log = free_port(), tmp_path / "log"
    url = f"http://127.0.0.1:{port}/v1/models/half:predict"
    command = [*COMMAND, *flags, f"--port={free_port()}", f"--rest_api_port={port}"]
    with running(command, log) as process, ThreadPoolExecutor(1) as pool:
        wait_until_up(process, log, lambda: "Running gRPC" in log.read_text(), "the model server")
        body = json.dumps({"instances": [2.0]})
        answer = pool.submit(requests.post, url, data=body, timeout=LONG_S)
        wait_for(lambda: is_busy(port), LONG_S, "a request in flight")
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(LONG_S)
        assert process.returncode == code, log.read_text()
        assert answer.result().json() == {"predictions": [3.0]}
        assert answer.result().headers["Connection"] == "close"
    assert "Traceback" not in log.read_text()
