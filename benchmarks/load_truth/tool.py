"""Load generator as a tool: how it is run, and how its report is read."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

NAN = float("nan")


@dataclass(frozen=True)
class Workload:
    """What is sent: `body` to `url` by POST, for `duration_s`, `in_flight` at a time or, in an open
    loop, at `rate` requests/s with as many in flight as that takes, `in_flight` at most."""

    url: str
    body: Path
    duration_s: int
    in_flight: int
    rate: int | None = None

    @property
    def is_open(self) -> bool:
        """Whether requests are due at a rate."""
        return self.rate is not None


@dataclass(frozen=True)
class Report:
    """What a tool says: answers a second and latencies in ms; NaN where it says nothing."""

    rate: float = NAN
    p50_ms: float = NAN
    p90_ms: float = NAN
    p99_ms: float = NAN
    max_ms: float = NAN
    warnings: tuple[str, ...] = field(default=(), kw_only=True)


@dataclass(frozen=True)
class Run:
    """A run of a tool: its report, exit code (None where it had to be ended), and seconds."""

    report: Report
    exit_code: int | None
    took_s: float
    output: str = field(repr=False, default="")


@dataclass(frozen=True)
class Tool:
    """A load generator.

    `keeps_rates` says whether it has an open loop, or at least a limit of its rate. `version`
    returns None where it is not installed. `command` returns how it is called; what it reads
    besides is written into the folder. `read` takes what it wrote into the file `report` there, or
    printed if that is empty.
    """

    name: str
    keeps_rates: bool
    version: Callable[[], str | None]
    command: Callable[[Workload, Path], list[str]]
    read: Callable[[str], Report]
    report: str = ""


def run(tool: Tool, load: Workload, folder: Path, patience_s: float) -> Run:
    """Runs a tool until it is through, or for `patience_s` more than it should take."""
    command = tool.command(load, folder)
    log = folder / "output"
    began_s = time.monotonic()
    with log.open("w+b") as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            code: int | None = process.wait(load.duration_s + patience_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            code = None
    took_s = time.monotonic() - began_s
    said = folder / (tool.report or log.name)
    report = tool.read(said.read_text(errors="replace")) if said.exists() else Report()
    return Run(report, code, took_s, log.read_text(errors="replace"))


def version_of(*command: str, after: str = "") -> Callable[[], str | None]:
    """Returns what finds a tool's version in what `command` prints, behind the word `after`."""

    def version() -> str | None:
        if not shutil.which(command[0]):
            return None
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        _, word, rest = (done.stdout + done.stderr).partition(after or command[0])
        found = re.search(r"\d+(?:\.\d+)+", rest if word else done.stdout + done.stderr)
        return found[0] if found else "?"

    return version


def number(pattern: str, text: str) -> float:
    """Returns the first number that a pattern finds; NaN where there is none."""
    found = re.search(pattern, text, re.MULTILINE)
    return float(found[1].replace(",", "")) if found else NAN
