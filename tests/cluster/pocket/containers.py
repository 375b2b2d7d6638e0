"""Container of the pocket cluster: a process that is the first of its own, in its pod's network."""

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from harness.paths import ROOT
from tests.cluster.pocket.namespaces import PodNetwork

_EVERY_S = 0.02


class RunningContainer:
    """Process of a container, and all that it starts: they end with it, as a container's do."""

    def __init__(
        self,
        command: tuple[str, ...],
        environment: Mapping[str, str],
        network: PodNetwork,
        log: Path,
    ) -> None:
        with log.open("a") as output:
            self._process = subprocess.Popen(
                [*network.enter, *command],
                env=dict(environment),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )

    @property
    def has_ended(self) -> bool:
        """Whether its first process has ended."""
        return self._process.poll() is not None

    @property
    def status(self) -> int:
        """Its exit status."""
        return self._process.wait()

    async def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until it has ended, and says whether it has."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout_s is None else loop.time() + timeout_s
        while not self.has_ended:
            if deadline is not None and loop.time() >= deadline:
                return False
            await asyncio.sleep(_EVERY_S)
        return True

    async def send(self, number: signal.Signals) -> None:
        """Sends its first process a signal; as such it heeds only those that it has handlers for,
        and SIGKILL."""
        while not self.has_ended and (first := self._first()) is None:
            await asyncio.sleep(_EVERY_S)  # it is about to be started
        with contextlib.suppress(ProcessLookupError):
            if not self.has_ended:
                os.kill(first or self._process.pid, number)

    async def run(self, command: tuple[str, ...], timeout_s: float) -> bool:
        """Runs a command in it, and says whether that ended with 0 in time."""
        first = self._first()
        if first is None:
            return False
        words = ("nsenter", f"--target={first}", "--net", "--pid", "--mount", "--", *command)
        process = await asyncio.create_subprocess_exec(
            *words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            return await asyncio.wait_for(process.wait(), timeout_s) == 0
        except TimeoutError:
            process.kill()
            await process.wait()
            return False

    def _first(self) -> int | None:
        """Returns the process that is the first one within, the child of `unshare`."""
        pid = self._process.pid
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            return int(children[0]) if children else None
        return None
