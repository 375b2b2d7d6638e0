"""Child processes: they end with the process that started them, also if it is killed."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

# The constant of prctl(2). A parent that is gone already sends no signal any more.
_LAUNCHER = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
prctl = ctypes.CDLL(None).prctl
prctl.argtypes = (ctypes.c_int, ctypes.c_ulong)
prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execvp(sys.argv[2], sys.argv[2:])
"""


def ends_with_parent(command: Sequence[str]) -> list[str]:
    """Returns the command that becomes `command` and gets SIGTERM when this process ends.

    Elsewhere than on Linux it is `command` itself. A launcher does this and no `preexec_fn`, for
    which `subprocess` forks: gRPC has handlers for forks, and they may end such a child.
    """
    if sys.platform != "linux":
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _LAUNCHER, str(os.getpid()), *command]


def start(
    command: Sequence[str],
    environment: Mapping[str, str],
    output: IO[str] | None = None,
    errors: IO[str] | None = None,
) -> "subprocess.Popen[bytes]":
    """Starts a child that reads nothing, and writes to `output`, else where its parent does; its
    standard error goes to `errors`, else along with the rest.

    Ctrl-C in a terminal reaches the parent alone, which stops its children in order.
    """
    return subprocess.Popen(
        ends_with_parent(command),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=errors or (output and subprocess.STDOUT),
        start_new_session=True,
    )


def is_stopped(child: "subprocess.Popen[bytes]") -> bool:
    """Whether a child was stopped (SIGSTOP, Ctrl-Z) and does nothing until SIGCONT; never known
    elsewhere than on Linux: proc_pid_stat(5)."""
    try:
        stat = Path(f"/proc/{child.pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] in ("T", "t")


def stop(child: "subprocess.Popen[bytes]", within_s: float) -> None:
    """Sends SIGTERM, and kills a child that has not ended in time; returns when it has."""
    child.terminate()
    try:
        child.wait(within_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
