"""Signal handling: Ctrl-C, SIGTERM and SIGHUP end a command, each with an exit code of its own.

How much time a command has for its end depends on its work. `end_at_once` is for when there
is nothing to put in order, as while modules are imported. `raising` unwinds the stack. `noting`
lets a measurement end early and keep its result.

A signal that is ignored stays so: by convention that of a job in the background, or of nohup(1).
"""

import contextlib
import gc
import os
import signal
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Handler = Callable[[int, FrameType | None], object]


def exit_code(number: int) -> int:
    """Returns the exit code that a shell gives to a command that a signal ended."""
    return 128 + number


def end_at_once(*, reloads: bool = False) -> None:
    """Has a signal end this process on the spot, and no later than the C code that it runs.

    One that `reloads` takes SIGHUP for what it does at its start in any case, from now on until it
    is `reloading`, unless its terminal was closed.
    """
    for number in _heeded():
        reloading = reloads and number == signal.SIGHUP
        handler: Handler = _Reloading(lambda: None, _end_at_once) if reloading else _end_at_once
        signal.signal(number, handler)


@contextmanager
def ending_at_once() -> Iterator[None]:
    """Does so in its block: an exception that is raised in an import may become another one."""
    with _handled(_end_at_once):
        yield


@contextmanager
def importing() -> Iterator[None]:
    """Does so in its block, which imports much, and keeps the garbage collector off meanwhile:
    it would look through all of them again and again, a sixth of what TensorFlow takes."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        with ending_at_once():
            yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def raising() -> Iterator[None]:
    """Has a signal raise `SystemExit` with its exit code in its block."""
    handler = _Raising()
    hook, sys.unraisablehook = sys.unraisablehook, handler.sent_again(sys.unraisablehook)
    try:
        with _handled(handler):
            yield
    finally:
        sys.unraisablehook = hook


class Noting:
    """Handler that notes the first signal and sets `stop`; Ctrl-C once more raises `SystemExit`.

    SIGTERM and SIGHUP count once: timeout(1), make and shells send them twice.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self.hasty = False
        self.number: int | None = None
        self.again = False

    def __call__(self, number: int, _: FrameType | None) -> None:
        """Handles a signal."""
        if number == signal.SIGHUP:
            _leave_terminal()
        first = self.number is None
        self.number = self.number or number
        self.again = self.again or (not first and number == signal.SIGINT)
        self._stop.set()
        if self.again or (first and self.hasty):
            raise SystemExit(self.exit_code)

    @property
    def exit_code(self) -> int | None:
        """That of the first signal; None before it."""
        return None if self.number is None else exit_code(self.number)

    @property
    def name(self) -> str:
        """How people call the first signal; empty before it."""
        if self.number is None:
            return ""
        return "Ctrl-C" if self.number == signal.SIGINT else signal.Signals(self.number).name


@contextmanager
def noting(stop: threading.Event) -> Iterator[Noting]:
    """Has a signal set `stop` in its block; the value of the block knows which one it was."""
    handler = Noting(stop)
    with _handled(handler):
        yield handler


@contextmanager
def hasty() -> Iterator[None]:
    """Has a signal that `noting` would note raise `SystemExit` in its block, or raises it if there
    was one: the block waits for others, and nothing is lost with it."""
    handlers = [signal.getsignal(number) for number in ENDING]
    for noting in {id(each): each for each in handlers if isinstance(each, Noting)}.values():
        if noting.number is not None:
            raise SystemExit(noting.exit_code)
        noting.hasty = True
        try:
            yield
        finally:
            noting.hasty = False
        return
    yield


@contextmanager
def ignored() -> Iterator[None]:
    """Ignores the signals in its block, which is the end already."""
    with _handled(signal.SIG_IGN):
        yield


@contextmanager
def held_back() -> Iterator[None]:
    """Holds the signals back in its block, and has them handled after it. Processes that it starts
    hear them."""
    came: list[int] = []
    try:
        with _handled(lambda number, _: came.append(number)):
            yield
    finally:
        for number in came:
            signal.raise_signal(number)


class Terminal:
    """Terminal that this process was started from, if it was."""

    def __init__(self) -> None:
        self._controls, self._shown = _has_terminal(), os.isatty(2)

    @property
    def is_closed(self) -> bool:
        """Whether it was closed meanwhile."""
        gone = self._controls and not _has_terminal()
        return gone or (self._shown and not os.isatty(2))


@contextmanager
def reloading(reload: Callable[[], object]) -> Iterator[None]:
    """Has SIGHUP call `reload` in its block, as services have it, unless it comes from a terminal
    that was closed: then it is handled as before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGHUP)
    signal.signal(signal.SIGHUP, _Reloading(reload, _without_reload(before)))
    try:
        yield
    finally:
        signal.signal(signal.SIGHUP, before)


def hand_over() -> None:
    """Blocks the signals, for a process that is to become another program: that handles them once
    it has called `take_over`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)


def take_over() -> None:
    """Has the signals handled that came since `hand_over`."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)


@contextmanager
def blocked() -> Iterator[None]:
    """Blocks the signals in its block, for this thread and for the processes that it starts."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _heeded() -> list[signal.Signals]:
    """Python has signals in its main thread only."""
    if threading.current_thread() is not threading.main_thread():
        return []
    return [number for number in ENDING if signal.getsignal(number) != signal.SIG_IGN]


@contextmanager
def _handled(handler: Handler | signal.Handlers) -> Iterator[None]:
    before = [(number, signal.getsignal(number)) for number in _heeded()]
    for number, old in before:
        if isinstance(old, _Reloading) and callable(handler):
            signal.signal(number, old.but_for(handler))
        else:
            signal.signal(number, handler)
    try:
        yield
    finally:
        for number, old in before:
            signal.signal(number, old)


class _Reloading:
    """Signal handler of SIGHUP: calls `reload`, or `otherwise` where a terminal was closed."""

    def __init__(
        self, reload: Callable[[], object], otherwise: Any, terminal: Terminal | None = None
    ) -> None:
        self._reload, self.otherwise = reload, otherwise
        self._terminal = terminal or Terminal()

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """Handles a signal."""
        if not self._terminal.is_closed:
            self._reload()
        elif callable(self.otherwise):
            self.otherwise(number, frame)
        elif self.otherwise == signal.SIG_DFL:
            _end_at_once(number, frame)

    def but_for(self, otherwise: Handler) -> "_Reloading":
        """Returns the handler for a block that handles the end of a terminal in another way."""
        return _Reloading(self._reload, otherwise, self._terminal)


def _without_reload(handler: Any) -> Any:
    """Returns a handler without what another start would do anyway."""
    return handler.otherwise if isinstance(handler, _Reloading) else handler


class _Raising:
    """Handler that raises: SIGTERM and SIGHUP once, so that their copies do not disturb the end."""

    def __init__(self) -> None:
        self._raised = False

    def __call__(self, number: int, _: FrameType | None) -> None:
        if number == signal.SIGHUP:
            _leave_terminal()
        if self._raised and number != signal.SIGINT:
            return
        self._raised = True
        raise SystemExit(exit_code(number))

    def sent_again(
        self, otherwise: "Callable[[sys.UnraisableHookArgs], object]"
    ) -> "Callable[[sys.UnraisableHookArgs], None]":
        """Returns a hook for exceptions that a finalizer swallowed, as urllib3 has one: if it was a
        signal's exception, the signal is sent once more, when that is over."""

        def hook(unraisable: "sys.UnraisableHookArgs") -> None:
            error = unraisable.exc_value
            if isinstance(error, SystemExit) and isinstance(error.code, int):
                self._raised = False
                number = error.code - 128
                threading.Timer(0.05, os.kill, (os.getpid(), number)).start()
            else:
                otherwise(unraisable)

        return hook


def _end_at_once(number: int, _: FrameType | None) -> None:
    with contextlib.suppress(Exception):  # the reader has gone, or this came while it was written
        sys.stdout.flush()
    if number == signal.SIGINT and os.isatty(2):
        os.write(2, b"\n")  # ends the line that has ^C in it
    os._exit(exit_code(number))


def _has_terminal() -> bool:
    """Says whether this process has a controlling terminal: tty(4)."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _leave_terminal() -> None:
    """Discards further output: a terminal that was closed fails every write."""
    for descriptor in (1, 2):
        with contextlib.suppress(OSError):
            if stat.S_ISCHR(os.fstat(descriptor).st_mode):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, descriptor)
                os.close(nowhere)
