"""Standard streams that are closed, as cron and some services have them, or cannot say everything.

What they are given is visible text: a terminal obeys nothing that was in a name or a message.

The next file or socket would get the number of one that is closed, and the output of a library
there would go into it. One whose encoding is ASCII, say, would fail at the first label that is not.
"""

import codecs
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import IO, Any, Self, cast

from vitrine_client.process.visible import visible_lines

_LAST = 2
_ESCAPING = "vitrine.escaping"


def keep_open() -> None:
    """Has closed ones lead nowhere, and characters that an encoding lacks or a terminal would obey
    be written in escapes. `sys.stdin` stays None: there is nothing to read."""
    opened = os.open(os.devnull, os.O_RDWR)
    while opened <= _LAST:  # the lowest number that is free
        os.set_inheritable(opened, True)
        opened = os.open(os.devnull, os.O_RDWR)
    os.close(opened)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    codecs.register_error(_ESCAPING, _escaped)
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors=_ESCAPING)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, TextIOWrapper) and not isinstance(stream, _VisibleStream):
            setattr(sys, name, _VisibleStream.over(stream))


class _VisibleStream(TextIOWrapper):
    """Text stream whose text is visible (`visible_lines`): the one place that everything passes
    which is printed, warned of, logged or an error."""

    _kept: TextIOWrapper

    @classmethod
    def over(cls, stream: TextIOWrapper) -> Self:
        """Returns one that writes to where another does."""
        made = cls(
            stream.buffer,
            stream.encoding,
            stream.errors,
            line_buffering=stream.line_buffering,
            write_through=stream.write_through,
        )
        made._kept = stream  # which would close its buffer where nobody had it any more
        return made

    def write(self, text: str) -> int:
        """Writes a text, and returns its length."""
        super().write(visible_lines(text))
        return len(text)

    def write_as_is(self, text: str) -> int:
        """Writes a text with escape sequences of our own."""
        return super().write(text)


class _Unescaped:
    """Stream that is written to as it is."""

    def __init__(self, stream: _VisibleStream) -> None:
        self._stream = stream
        self.write = stream.write_as_is

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def unescaped(stream: IO[str]) -> IO[str]:
    """Returns a stream for text that is visible, but for what we ourselves have a terminal do."""
    return cast("IO[str]", _Unescaped(stream)) if isinstance(stream, _VisibleStream) else stream


def _escaped(error: UnicodeError) -> tuple[str | bytes, int]:
    """Gives the byte of a file's name that no encoding has, else an escape such as `\\xfc`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    character = error.object[error.start]
    shown: str | bytes = character.encode("ascii", "backslashreplace").decode()
    if "\udc80" <= character <= "\udcff" and not error.encoding.startswith(("utf-16", "utf-32")):
        shown = character.encode("ascii", "surrogateescape")
    return shown, error.start + 1


@contextmanager
def native_stderr_discarded() -> Iterator[None]:
    """Discards output of this process to descriptor 2, of all threads: native libraries write there
    whatever Python says. For as long as no other has anything to say."""
    with Path(os.devnull).open("w") as nowhere:
        stderr = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
