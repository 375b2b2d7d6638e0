"""Processors that a process may use: those of the machine, less those that it is kept from."""

import os


def usable() -> int:
    """Returns how many processors this process may use, and so those that it starts."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
