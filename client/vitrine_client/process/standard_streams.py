"""Standard streams that are closed, as cron and some services have them, or cannot say everything.

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

_LAST = 2
_ESCAPING = "vitrine.escaping"


def keep_open() -> None:
    """Has closed ones lead nowhere, and characters that an encoding lacks be written in escapes.
    `sys.stdin` stays None: there is nothing to read."""
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
