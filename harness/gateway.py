"""Gateway as it is run: processes of its own, over real sockets."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

from harness import processes
from harness.paths import PICTURE, SAMPLES
from harness.ports import free_port
from harness.processes import LONG_S, Process, children_of, name_of, running, wait_until_up
from harness.waiting import wait_for
from vitrine_client import Client
from vitrine_client.errors import VitrineError
from vitrine_serving.gateway.inference.decoding.processes import NAME
from vitrine_serving.stack import gateway_command

PREDICT = "/v1/models/mlp:predict"
COMMAND = (sys.executable, "-m", "vitrine_serving", "gateway")


@dataclass(frozen=True)
class Gateway:
    """A running gateway: its address without the scheme, its process and where it logs to."""

    address: str
    process: Process
    log: Path

    @property
    def url(self) -> str:
        """Where it answers, without TLS."""
        return f"http://{self.address}"

    @property
    def workers(self) -> list[int]:
        """Its processes that answer."""
        return [pid for pid in children_of(self.process.pid) if name_of(pid) != NAME]

    @property
    def decoders(self) -> list[int]:
        """Its processes that decode pictures."""
        return [pid for pid in children_of(self.process.pid) if name_of(pid) == NAME]

    def predict(self, scheme: str = "http", **options: Any) -> requests.Response:
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
        return self.log.read_text().count("server listening")

    def _replace(self, old: list[int], told: int, number: int) -> None:
        """Sends a signal, and waits for new processes: one that is dead is a child until its end
        was noticed, so that a count of children says nothing."""
        there = self._started + len(old)
        os.kill(told, number)
        wait_for(lambda: self.serves(there), LONG_S, "new processes")
        wait_for(lambda: not set(old) & set(self.workers), LONG_S, "the end of the old")


@contextmanager
def gateway(
    model_server: str,
    log: Path | None = None,
    *,
    workers: int = 2,
    before: tuple[str, ...] = (),
    **settings: object,
) -> Iterator[Gateway]:
    """Runs a gateway with `workers` processes before the model server at an address.

    `settings` are by their names in lower case; `log` is where it writes to. The words `before` its
    command have it run in the same process: it is the one that `vitrine-serve up` starts and
    `vitrine-serve gateway` becomes. Not to import that command, too, is a third of a start.
    """
    settings = {"port": free_port(), "models": "mlp", "host": "127.0.0.1"} | settings
    told = variables(model_server=model_server, workers=workers, **settings)
    with TemporaryDirectory() as folder:
        log = log or Path(folder) / "log"
        with running((*before, *gateway_command()), log, told) as process:
            started = Gateway(f"{settings['host']}:{settings['port']}", process, log)
            wait_until_up(process, log, lambda: started.serves(workers), "the gateway")
            yield started


def start(log: Path, **settings: object) -> Process:
    """Starts a gateway that writes to `log`, and does not wait for it."""
    return processes.start(COMMAND, log, variables(**settings))


def start_in_vain(**settings: object) -> "subprocess.CompletedProcess[str]":
    """Runs a gateway that is to end by itself."""
    return subprocess.run(
        COMMAND,
        env=os.environ | variables(**({"port": free_port()} | settings)),
        capture_output=True,
        text=True,
        timeout=LONG_S,
    )


def variables(**settings: object) -> dict[str, str]:
    """Returns the environment variables of settings, which are by their names in lower case."""
    return {f"VITRINE_{name.upper()}": str(value) for name, value in settings.items()}


def predicts(client: Client, label: str = "Ankle boot") -> bool:
    """Says whether a gateway answers a picture, and by this label unless that is empty."""
    try:
        return label in ("", client.predict(SAMPLES[0]).label)
    except VitrineError:
        return False
