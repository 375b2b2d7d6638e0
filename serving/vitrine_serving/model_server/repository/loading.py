"""Loading of versions: their order, and the threads that load them, try again after failures, and
close unused ones."""

import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Generic

from vitrine_serving.model_server.repository.lifecycle import L, Model, Version

Job = tuple[Model[L], Version[L]]


class AvailabilityPreservingPolicy(Generic[L]):
    """TensorFlow Serving's policy of that name: as long as a version is wanted, one answers.

    It decides only; whoever asks holds the lock of the states, and makes the transitions.
    """

    def versions_to_unload(self, versions: Collection[Version[L]]) -> list[Version[L]]:
        """Returns the versions of one model that are AVAILABLE and may begin to unload.

        While no wanted version is AVAILABLE, the newest unwanted one stays; where none is wanted,
        none stays.
        """
        serving = sorted(_in_state("AVAILABLE", versions), key=lambda version: version.number)
        unwanted = [version for version in serving if not version.wanted]
        if any(version.wanted for version in versions) and len(unwanted) == len(serving):
            return unwanted[:-1]
        return unwanted

    def next_load(self, models: Iterable[Model[L]], now_s: float) -> Job[L] | None:
        """Returns the load that is due first: of models with nothing to answer with, then first
        tries, then the newest; None if none is due at `now_s` of `time.monotonic`."""
        due = [job for job in loads(models) if job[1].due_s <= now_s]
        return min(due, key=lambda job: _rank(*job), default=None)


def loads(models: Iterable[Model[L]]) -> Iterator[Job[L]]:
    """Yields all versions that wait to be loaded, those that wait for their next try among them."""
    for model in models:
        for version in model.versions.values():
            if version.awaits_load:
                yield model, version


def _in_state(state: str, versions: Iterable[Version[L]]) -> list[Version[L]]:
    return [version for version in versions if version.state == state]


def _rank(model: Model[L], version: Version[L]) -> tuple[bool, int, int]:
    return bool(model.available), version.tries, -version.number


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
