"""What the processes that run the tests (`make test`: pytest-xdist) have to agree on."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from harness.ports import PROCESSES

_QUEUE, _RUNNING = Path(__file__).parent, Path(__file__)
"""What is locked: it is there anyway, and nothing has to be taken away afterwards."""


@contextmanager
def locked(path: Path, *, together: bool = False) -> Iterator[None]:
    """Keeps other processes from locking a file or a directory; from the same lock, unless that is
    `together` as well."""
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH if together else fcntl.LOCK_EX)
        yield
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)  # a forked child may still have the handle
        os.close(handle)


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Waits until a test may run: beside those of other processes, or alone.

    Who comes later queues behind one that waits to be alone, so that it does come to its turn.
    """
    if PROCESSES == 1:
        yield
        return
    with ExitStack() as stack:
        with locked(_QUEUE):
            stack.enter_context(locked(_RUNNING, together=not alone))
        yield


def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Returns a directory of this run that all processes have."""
    own = tmp_path_factory.getbasetemp()
    return own if PROCESSES == 1 else own.parent
