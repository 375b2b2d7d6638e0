"""Commands of other programs, run with an end: a program that hangs is killed with its children."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Ran:
    """Result of a command: `code` is None where it was killed after the longest wait."""

    code: int | None
    output: str = ""
    errors: str = ""

    @property
    def last_line(self) -> str:
        """The last line that it said, of errors if there are any."""
        return next(iter(reversed((self.errors or self.output).strip().splitlines())), "")


def run(command: Sequence[str], environment: Mapping[str, str], limit_s: float) -> Ran:
    """Runs a command without input. Raises `OSError` where it can't be started."""
    process = subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        start_new_session=True,  # its children are killed with it, and Ctrl-C is ours alone
    )
    with process:
        try:
            output, errors = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            return Ran(None)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    return Ran(process.returncode, output, errors)
