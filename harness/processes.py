"""Processes of commands: how they are started and ended, and what they take (Linux)."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from harness.waiting import wait_for

Process = subprocess.Popen[str]

LONG_S = 120
"""For a start or an end, which take seconds where others want the processors as well."""

_TICKS_S = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class NotStartedError(Exception):
    """A server ended, or was not ready in time; the message has the end of its log."""


def start(
    command: Sequence[str | Path],
    log: Path,
    variables: Mapping[str, str] | None = None,
    **options: Any,
) -> Process:
    """Starts a command that writes to `log`, and does not wait for it; `variables` are added to
    the environment, and `options` are those of `Popen`."""
    environment = os.environ | (variables or {})
    with log.open("w") as output:
        return subprocess.Popen(
            command, env=environment, stdout=output, stderr=output, text=True, **options
        )


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    variables: Mapping[str, str] | None = None,
    **options: Any,
) -> Iterator[Process]:
    """Runs a command as `start` does while the block lasts; ends it with all it has started."""
    process = start(command, log, variables, **options)
    try:
        yield process
    finally:
        left = children_of(process.pid)
        end(process)
        for pid in left:  # those that do not end with their parent
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def wait_until_up(process: Process, log: Path, is_up: Callable[[], bool], server: str) -> None:
    """Blocks until a server that was started is up. Raises `NotStartedError`."""
    try:
        wait_for(lambda: process.poll() is not None or is_up(), LONG_S, server)
    except AssertionError as error:
        raise NotStartedError(f"{error}\n{said(log)}") from None
    if process.poll() is not None:
        raise NotStartedError(f"{server} ended with {process.returncode}:\n{said(log)}")


def said(log: Path) -> str:
    """The end of a log."""
    return log.read_text(errors="replace")[-3000:]


def end(process: Process, timeout_s: float = 30) -> None:
    """Ends a process, and waits for it."""
    process.terminate()
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def after(code: str) -> tuple[str, ...]:
    """Returns the words before a command that have Python run `code` first, in the same process.

    Not a `preexec_fn`, for which `subprocess` forks: gRPC, which other tests of this process use,
    has handlers for forks, and they may end such a child.
    """
    return (
        sys.executable,
        "-c",
        f"{code}\nimport os, sys\nos.execvp(sys.argv[1], sys.argv[1:])",
    )


def children_of(pid: int) -> list[int]:
    """Returns the processes that descend from `pid`, from Linux' /proc."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended while we looked
            parents.setdefault(int(_fields(stat)[1]), []).append(int(stat.parent.name))
    found, queue = [], [pid]
    while queue:
        below = parents.get(queue.pop(), [])
        found += below
        queue += below
    return found


def name_of(pid: int) -> str:
    """Returns what a process calls itself; "" where it has ended."""
    try:
        return Path(f"/proc/{pid}/comm").read_text().strip()
    except OSError:
        return ""


def is_running(pid: int) -> bool:
    """Says whether a process exists and is no zombie."""
    try:
        os.kill(pid, 0)
        return _fields(Path(f"/proc/{pid}/stat"))[0] != "Z"
    except OSError:
        return False


def rss_mb(pid: int) -> list[float]:
    """Memory of a process and of each that descends from it, in MB, pages that they share
    included in each."""
    found = []
    for one in (pid, *children_of(pid)):
        with suppress(OSError):  # it has just ended
            pages = int(Path(f"/proc/{one}/statm").read_text().split()[1])
            found.append(pages * _PAGE / 1e6)
    return found


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process and those below it have taken so far."""
    ticks = 0
    for one in (pid, *children_of(pid)):
        with suppress(OSError):
            ticks += sum(map(int, _fields(Path(f"/proc/{one}/stat"))[11:13]))
    return ticks / _TICKS_S


def _fields(stat: Path) -> list[str]:
    """What proc(5) has of a process from its third field on, its state."""
    return stat.read_text().rpartition(")")[2].split()
