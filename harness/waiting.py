"""Waiting for a condition, with a deadline."""

import threading
import time
from collections.abc import Callable


def wait_for(condition: Callable[[], bool], timeout_s: float, awaited: str) -> None:
    """Blocks until `condition()` holds. Raises `AssertionError` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"{awaited}: not within {timeout_s} s"
        pause.wait(0.05)
