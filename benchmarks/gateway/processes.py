"""A server's processes: how they are started and ended, and what they take (Linux)."""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.conftest import children_of, end

END_S = 15
_TICKS_S = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class NotStartedError(Exception):
    """A server ended, or was not ready in time; the message has the end of its log."""


@contextmanager
def process(
    command: Sequence[str], environment: Mapping[str, str], folder: Path
) -> Iterator["subprocess.Popen[str]"]:
    """Runs `command` in `folder`, where its `log` is, and ends it with all that it has started."""
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        yield server
    finally:
        left = children_of(server.pid)
        end(server, END_S)
        for pid in left:  # those that do not end with their parent
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def log_of(folder: Path) -> str:
    """The end of what a server in `folder` said."""
    return (folder / "log").read_text(errors="replace")[-2000:]


def rss_mb(pid: int) -> list[float]:
    """Memory of a process and of each that descends from it, in MB, pages that they share
    included in each."""
    return [_pages(one) * _PAGE / 1e6 for one in (pid, *children_of(pid))]


def cpu_s(pid: int) -> float:
    """Seconds of processor time that a process and those below it have taken so far."""
    return sum(_ticks(one) for one in (pid, *children_of(pid))) / _TICKS_S


def _pages(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except OSError:  # it has just ended
        return 0


def _ticks(pid: int) -> int:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    return sum(map(int, stat.rpartition(")")[2].split()[11:13]))
