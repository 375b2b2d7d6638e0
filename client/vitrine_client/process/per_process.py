"""Per-process value: one that a forked process makes for itself, since sockets and locks of its
parent are not for both.

Two processes that read from one socket get each other's answers, and a lock that another thread
held at the fork is never released in the child.
"""

import os
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_inherited: list[object] = []
"""Values of a parent, kept in its child: their finalizers would wait for locks that nobody
releases, or close what the parent still uses."""


class PerProcess(Generic[T]):
    """A value that belongs to a process. `renewed` makes the child's from that of its parent, whose
    locks it must not take. Threads may share it."""

    def __init__(self, value: T, renewed: Callable[[T], T]) -> None:
        self._renewed = renewed
        self._made = (os.getpid(), value)

    def get(self) -> T:
        """Returns the value of this process."""
        pid, value = self._made
        if pid != os.getpid():
            made = self._renewed(value)
            _inherited.append(value)
            self._made = (os.getpid(), made)
            return made
        return value

    def own(self) -> T | None:
        """Returns the value of this process, None where it has not made one."""
        pid, value = self._made
        return value if pid == os.getpid() else None
