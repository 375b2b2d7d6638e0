"""Signals that end a program, for what has to be put in order first."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
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
    hook, sys.unraisablehook = sys.unraisablehook, _sent_again(sys.unraisablehook)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in zip(_ENDING, before, strict=True):
            signal.signal(number, handler)


def _sent_again(
    otherwise: "Callable[[sys.UnraisableHookArgs], object]",
) -> "Callable[[sys.UnraisableHookArgs], None]":
    """Returns a hook for what a finalizer swallowed, as urllib3 has one: if it was a signal's
    exception, the signal is sent once more, when that is over."""

    def hook(unraisable: "sys.UnraisableHookArgs") -> None:
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            _send_soon(signal.SIGINT)
        elif isinstance(unraisable.exc_value, SystemExit):
            _send_soon(int(unraisable.exc_value.code or 0) - 128)
        else:
            otherwise(unraisable)

    return hook


def _send_soon(number: int) -> None:
    threading.Timer(0.05, os.kill, (os.getpid(), number)).start()


def _exit(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)
