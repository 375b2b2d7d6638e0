"""Child processes: started in a session of their own, ended with their parent, stopped in order."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import IO


def start(
    command: Sequence[str | os.PathLike[str]],
    environment: Mapping[str, str],
    output: IO[str] | None = None,
) -> "subprocess.Popen[bytes]":
    """Starts a child that reads nothing, and writes to `output`, else where its parent does.

    Ctrl-C in a terminal reaches the parent alone, which stops its children in order.
    """
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output and subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_die_with_parent if sys.platform == "linux" else None,
    )


def stop(child: "subprocess.Popen[bytes]", within_s: float) -> None:
    """Sends SIGTERM, and kills a child that has not ended in time; returns when it has."""
    child.terminate()
    try:
        child.wait(within_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _die_with_parent() -> None:
    """Has the kernel end a child whose parent was killed (prctl(2), PR_SET_PDEATHSIG)."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
