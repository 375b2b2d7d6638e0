"""Terminal: a command in a pseudo-terminal of its own, as somebody runs it who can press Ctrl-C.

The terminal signals all processes of the command that are in its foreground, as real ones do.
"""

import contextlib
import os
import pty
import re
import signal
import subprocess
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from selectors import EVENT_READ, DefaultSelector
from typing import Self

from harness.paths import ROOT
from harness.processes import after
from harness.waiting import wait_for
from vitrine_client.process.signals import ENDING

_CTRL_C = b"\x03"
_ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_MARK = "TERMINAL_OF_A_TEST"
END_S = 60
_LOOK_S = 0.05

# A job that was started in the background leaves it to its children to ignore Ctrl-C.
_TAKE_TERMINAL = f"""
import fcntl, signal, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
for number in {[int(number) for number in ENDING]}:
    signal.signal(number, signal.SIG_DFL)
"""


class Terminal:
    """Runs `command` while its block lasts; what it has written so far is `shown`."""

    def __init__(
        self, *command: object, cwd: Path = ROOT, variables: Mapping[str, object] | None = None
    ) -> None:
        self._mark = uuid.uuid4().hex
        self._ours, theirs = pty.openpty()
        given = {name: str(value) for name, value in (variables or {}).items()}
        self.process = subprocess.Popen(
            [*after(_TAKE_TERMINAL), *(str(word) for word in command)],
            cwd=cwd,
            env=os.environ | {"TERM": "xterm", "COLUMNS": "160", _MARK: self._mark} | given,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._output, self._closed = bytearray(), threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in self.left():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(END_S)
        self.close()

    @property
    def shown(self) -> str:
        """All text that it has written, without colours and moves, a newline at each line's end."""
        return _ESCAPE.sub("", self._output.decode(errors="replace")).replace("\r\n", "\n")

    def wait_for(self, text: str, timeout_s: float = 120) -> None:
        """Blocks until `text` is shown; fails the test where the command ends without."""
        wait_for(lambda: text in self.shown or not self._reader.is_alive(), timeout_s, repr(text))
        assert text in self.shown, self.shown

    def press_ctrl_c(self) -> None:
        """Has the terminal send SIGINT to its foreground."""
        os.write(self._ours, _CTRL_C)

    def close(self) -> None:
        """Closes the window: SIGHUP, and whatever is written fails."""
        if not self._closed.is_set():
            self._closed.set()
            self._reader.join()  # it is not closed while somebody reads
            os.close(self._ours)

    def wait(self) -> int:
        """Returns the exit code of the command, 128 and more where a signal ended it, once it and
        all that it has started are gone."""
        code = self.process.wait(END_S)
        wait_for(lambda: not self.left(), END_S, f"the end of all processes\n{self.shown}")
        self.close()
        return code if code >= 0 else 128 - code

    def left(self) -> list[int]:
        """Returns the processes that run, of the command and all that descend from it (Linux)."""
        mark = f"{_MARK}={self._mark}".encode()
        found = []
        for environment in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
                if mark in environment.read_bytes().split(b"\0"):
                    found.append(int(environment.parent.name))
        return found

    def _read(self) -> None:
        watched = DefaultSelector()  # select.select takes no descriptor from 1024 on
        watched.register(self._ours, EVENT_READ)
        with watched, contextlib.suppress(OSError):  # Linux' end of a terminal that nobody has open
            while True:
                if watched.select(_LOOK_S):
                    self._output += os.read(self._ours, 1 << 16)
                elif self._closed.is_set():
                    return
