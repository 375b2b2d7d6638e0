"""Loading threads: they load versions, try again after failures, and close unused ones."""

import threading
import time
from collections.abc import Callable


class LoadingThreads:
    """Threads that do one piece of work after the other until `stop`.

    `load_next` and `close_next` block until there is work, do it, and return False at the end.
    `number` threads load, so a version that waits for its next try holds none of them; one more
    thread, and no other, closes versions.
    """

    def __init__(
        self, load_next: Callable[[], bool], close_next: Callable[[], bool], number: int
    ) -> None:
        work = [("load", load_next)] * max(number, 1) + [("close", close_next)]
        self._threads = [
            threading.Thread(target=_repeat, args=(each,), daemon=True, name=f"{name} versions")
            for name, each in work
        ]

    def start(self) -> None:
        """Starts the threads, once."""
        if self._threads[0].ident is None:
            for thread in self._threads:
                thread.start()

    def join(self, timeout_s: float = 1.0) -> None:
        """Waits for their end; one that is in a load after `timeout_s` is left to itself."""
        deadline_s = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline_s - time.monotonic()))


def _repeat(work: Callable[[], bool]) -> None:
    while work():
        pass
