"""A gateway as it is run, for tests and benchmarks of it over real sockets: its own processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from tests.conftest import SAMPLES, children_of, end, free_port, wait_for

PREDICT = "/v1/models/mlp:predict"
PICTURE = SAMPLES[0].read_bytes()
COMMAND = [sys.executable, "-m", "vitrine_serving", "gateway"]
LONG_S = 120
"""For a start or an end, which take seconds where others want the processors as well."""


@dataclass(frozen=True)
class Gateway:
    """A running gateway: its address without the scheme, its process and where it logs to."""

    address: str
    process: "subprocess.Popen[str]"
    log: Path

    @property
    def url(self) -> str:
        """Where it answers, without TLS."""
        return f"http://{self.address}"

    @property
    def workers(self) -> list[int]:
        """Its processes that answer."""
        return children_of(self.process.pid)

    def predict(self, scheme: str = "http", **options: object) -> requests.Response:
        """Sends a picture over a connection of its own."""
        headers = {"Content-Type": "image/png"} | options.pop("headers", {})
        url = f"{scheme}://{self.address}{PREDICT}"
        return requests.post(url, PICTURE, headers=headers, timeout=30, **options)

    def status(self, key: str) -> int:
        """The status of a prediction with an API key."""
        return self.predict(headers={"Authorization": f"Bearer {key}"}).status_code

    def serves(self, workers: int) -> bool:
        """Says whether all its processes take connections."""
        assert self.process.poll() is None, self.log.read_text()
        return self._started == workers

    def reload(self) -> None:
        """Replaces its processes, and waits until the old ones are gone."""
        self._replace(self.workers, self.process.pid, signal.SIGHUP)

    def lose_a_worker(self) -> None:
        """Kills one of its processes, and waits until another has taken its place."""
        victim = self.workers[0]
        self._replace([victim], victim, signal.SIGKILL)

    @property
    def _started(self) -> int:
        return self.log.read_text().count("ASGI server listening")

    def _replace(self, old: list[int], told: int, number: int) -> None:
        """Sends a signal, and waits for new processes: one that is dead is a child until its end
        was noticed, so that a count of children says nothing."""
        there = self._started + len(old)
        os.kill(told, number)
        wait_for(lambda: self.serves(there), LONG_S, "new processes")
        wait_for(lambda: not set(old) & set(self.workers), LONG_S, "the end of the old")


@contextmanager
def gateway(model_server: str, log: Path | None = None, **settings: object) -> Iterator[Gateway]:
    """Runs a gateway with two processes before the model server at an address.

    `settings` are by their names in lower case; `log` is where it writes to.
    """
    with TemporaryDirectory() as folder:
        log = log or Path(folder) / "log"
        settings = {"port": free_port(), "workers": 2, "models": "mlp"} | settings
        process = start(log, model_server=model_server, **settings)
        try:
            running = Gateway(f"127.0.0.1:{settings['port']}", process, log)
            wait_for(lambda: running.serves(settings["workers"]), LONG_S, "the gateway")
            yield running
        finally:
            end(process)


def start(log: Path, **settings: object) -> "subprocess.Popen[str]":
    """Starts a gateway that writes to `log`, and does not wait for it."""
    with log.open("w") as output:
        return subprocess.Popen(
            COMMAND, env=_environment(settings), stdout=output, stderr=output, text=True
        )


def start_in_vain(**settings: object) -> "subprocess.CompletedProcess[str]":
    """Runs a gateway that is to end by itself."""
    return subprocess.run(
        COMMAND,
        env=_environment({"port": free_port()} | settings),
        capture_output=True,
        text=True,
        timeout=LONG_S,
    )


def _environment(settings: dict[str, object]) -> dict[str, str]:
    return os.environ | {f"VITRINE_{name.upper()}": str(value) for name, value in settings.items()}
