"""Service under tuning: `vitrine-serve up` on free ports, with one configuration or another."""

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import time
from collections import OrderedDict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import requests

from vitrine_client.loadtest.plan import WorkloadKind
from vitrine_client.loadtest.tune.configuration import Configuration
from vitrine_client.loadtest.tune.search import Unfit
from vitrine_client.process import children, proxies

_START_S = 120.0
"""How long a start may take: the model server's libraries take 20 s from a cold disk."""

_STOP_S = 40.0
"""How long an end may take: its two processes have 15 s each for requests in hand."""

_KEPT = 2
"""Services that run at a time, all idle but one: who is compared in turn need not start anew."""

_PORTS = range(10_000, 20_000)
"""Where services listen. One that the kernel picks it may give to another program, too, before the
service has come so far as to take it."""

_LAST_LINES = 3
_NEWS = ("[INFO]", " model-server ")
"""Marks of lines of the log that report progress, and no error."""


def find_command(path: str | None = None) -> Path | None:
    """Returns where `vitrine-serve` is; None where it is not installed.

    `path` has the folders to look in: that of this Python, and the PATH, unless others are given.
    """
    own = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    found = shutil.which("vitrine-serve", path=own if path is None else path)
    return Path(found) if found else None


class Service:
    """Service run by `vitrine-serve up`. `command` is that program, `folder` where its files may
    be."""

    def __init__(
        self, command: Path, models_dir: Path, configuration: Configuration, folder: Path
    ) -> None:
        """Starts it, and returns when it is ready. Raises `Unfit`, with its last words, where it
        does not become so."""
        folder.mkdir()
        self._log = folder / "log"
        self._gateway, self._grpc, self._rest = _free_ports(3)
        options = [f"--models-dir={models_dir}", "--host=127.0.0.1", f"--port={self._gateway}"]
        options += [f"--grpc-port={self._grpc}", f"--rest-port={self._rest}"]
        if configuration.batching:
            batching = folder / "batching.config"
            batching.write_text(configuration.batching.text())
            options.append(f"--batching-parameters-file={batching}")
        with self._log.open("w") as log:
            own = configuration.gateway() | configuration.model_server()
            environment = _environment() | own
            self._process = children.start([str(command), "up", *options], environment, log)
        try:
            self._wait_until_ready()
        except BaseException:
            self.stop()
            raise

    def address(self, kind: WorkloadKind) -> str:
        """Returns where a load of this kind goes."""
        if kind == "grpc":
            return f"127.0.0.1:{self._grpc}"
        return f"http://127.0.0.1:{self._rest if kind == 'rest' else self._gateway}"

    @property
    def last_words(self) -> str:
        """The last complaints in its log."""
        lines = [line.strip() for line in self._log.read_text().splitlines()]
        told = [line for line in lines if line and not any(news in line for news in _NEWS)]
        return " / ".join(told[-_LAST_LINES:])

    def terminate(self) -> None:
        """Tells it to end, and does not wait for that."""
        self._process.terminate()

    def stop(self) -> None:
        """Ends it with all its processes."""
        children.stop(self._process, _STOP_S)

    def _wait_until_ready(self) -> None:
        deadline_s = time.monotonic() + _START_S
        while not self._is_ready():
            if self._process.poll() is not None:
                raise Unfit(f"it does not start: {self.last_words}")
            if time.monotonic() > deadline_s:
                raise Unfit(f"it was not ready after {_START_S:g} s: {self.last_words}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.1)

    def _is_ready(self) -> bool:
        """Health check by the gateway's /readyz."""
        url = f"http://127.0.0.1:{self._gateway}/readyz?models=1"
        try:
            return requests.get(url, timeout=2, proxies=proxies.PAST_ALL).ok
        except requests.RequestException:
            return False


class Services:
    """Services, started as they are needed; the last few run until its block ends."""

    def __init__(self, command: Path, models_dir: Path) -> None:
        self._command, self._models_dir = command, models_dir
        self._running: OrderedDict[Configuration, Service] = OrderedDict()
        self._folder = TemporaryDirectory(prefix="vitrine-tune-")
        self._started = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for service in self._running.values():
            service.terminate()  # all of them, should the rest be interrupted
        for service in self._running.values():
            service.stop()
        self._folder.cleanup()

    def of(self, configuration: Configuration) -> Service:
        """Returns the service with a configuration. Raises `Unfit`."""
        if configuration in self._running:
            self._running.move_to_end(configuration)
            return self._running[configuration]
        while len(self._running) >= _KEPT:
            self._running.popitem(last=False)[1].stop()
        self._started += 1
        folder = Path(self._folder.name) / str(self._started)
        service = Service(self._command, self._models_dir, configuration, folder)
        self._running[configuration] = service
        return service


def _environment() -> dict[str, str]:
    """Ours without settings of a service: a tuning starts from the defaults, and a key, a rate
    limit or a certificate that is set for another would turn the load away."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("VITRINE_") and name != "GUNICORN_CMD_ARGS"
    }


def _free_ports(count: int) -> list[int]:
    found: list[int] = []
    for port in random.sample(_PORTS, len(_PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            found.append(port)
        if len(found) == count:
            break
    return found
