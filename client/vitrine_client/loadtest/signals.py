"""Signals that end a program, for what has to be put in order first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_ENDING = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def raising_exit() -> Iterator[None]:
    """Has SIGTERM and SIGHUP raise `SystemExit` in its block, as Ctrl-C raises `KeyboardInterrupt`:
    what is to be done in any case is done then, too. Python has signals in its main thread only."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = [signal.signal(number, _exit) for number in _ENDING]
    try:
        yield
    finally:
        for number, handler in zip(_ENDING, before, strict=True):
            signal.signal(number, handler)


def _exit(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
