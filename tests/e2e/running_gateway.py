"""A gateway as it is run, for tests of it over real sockets: its own processes, its log."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from tests.conftest import SAMPLES, end, free_port, wait_for

PREDICT = "/v1/models/mlp:predict"
PICTURE = SAMPLES[0].read_bytes()
COMMAND = [sys.executable, "-m", "vitrine_serving", "gateway"]


@dataclass(frozen=True)
class Gateway:
    """A running gateway: its address without the scheme, its process and where it logs to."""

    address: str
    process: "subprocess.Popen[str]"
    log: Path

    def predict(self, scheme: str = "http", **options) -> requests.Response:
        """Sends a picture over a connection of its own."""
        headers = {"Content-Type": "image/png"} | options.pop("headers", {})
        url = f"{scheme}://{self.address}{PREDICT}"
        return requests.post(url, PICTURE, headers=headers, timeout=20, **options)

    def status(self, key: str) -> int:
        return self.predict(headers={"Authorization": f"Bearer {key}"}).status_code

    def serves(self, workers: int) -> bool:
        """Says whether all its processes take connections."""
        text = self.log.read_text()
        assert self.process.poll() is None, text
        return text.count("ASGI server listening") == workers


@contextmanager
def gateway(log: Path, model_server: str, **settings: object) -> Iterator[Gateway]:
    """Runs a gateway with two processes that writes a line for each request."""
    port, workers = free_port(), 2
    settings |= {"port": port, "workers": workers, "access_log": 1, "model_server": model_server}
    environment = {f"VITRINE_{name.upper()}": str(value) for name, value in settings.items()}
    with log.open("w") as output:
        process = subprocess.Popen(
            COMMAND, env=os.environ | environment, stdout=output, stderr=output, text=True
        )
    try:
        running = Gateway(f"127.0.0.1:{port}", process, log)
        wait_for(lambda: running.serves(workers), 30, "the gateway")
        yield running
    finally:
        end(process)


def start_in_vain(**environment: object) -> "subprocess.CompletedProcess[str]":
    variables = {name: str(value) for name, value in environment.items()}
    variables["VITRINE_PORT"] = str(free_port())
    return subprocess.run(
        COMMAND, env=os.environ | variables, capture_output=True, text=True, timeout=30
    )
