"""The threads that load versions, try again what failed, and close what nobody uses any more."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Generic

from vitrine_serving.model_server.repository.config import VersionDirectory
from vitrine_serving.model_server.repository.lifecycle import Failure, L, Model, Version

log = logging.getLogger(__name__)

Load = Callable[[str, int, Path], L]


class Loader(Generic[L]):
    """Works off what the states of `models` say is to be done; they are its queue.

    `changed` guards all states and is notified when one changes. `threads` threads load, so a
    version that waits for its next try holds none of them; one more thread, and no other, closes
    what has answered.
    """

    def __init__(
        self,
        load: Load[L],
        models: Mapping[str, Model[L]],
        changed: threading.Condition,
        *,
        retries: int,
        retry_interval_s: float,
        threads: int,
    ) -> None:
        self._load = load
        self._models = models
        self._changed = changed
        self._retries = retries
        self._retry_interval_s = retry_interval_s
        work = [self._load_all] * max(threads, 1) + [self._close_all]
        self._threads = [
            threading.Thread(target=target, daemon=True, name=target.__name__.strip("_"))
            for target in work
        ]
        self.stopping = False

    def start(self) -> None:
        """Starts the threads, once."""
        if not self.stopping and self._threads[0].ident is None:
            for thread in self._threads:
                thread.start()

    def stop(self, timeout_s: float = 1.0) -> None:
        """Ends the threads; one that is in a load after `timeout_s` is left to itself."""
        with self._changed:
            self.stopping = True
            self._changed.notify_all()
        deadline_s = time.monotonic() + timeout_s
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(max(0.0, deadline_s - time.monotonic()))

    def _load_all(self) -> None:
        while (job := self._next_load()) is not None:
            self._try(*job)

    def _close_all(self) -> None:
        while (job := self._next_close()) is not None:
            model, version = job
            self._close(model, version)

    def _next_load(self) -> tuple[Model[L], Version[L]] | None:
        with self._changed:
            while not self.stopping:
                now_s = time.monotonic()
                waiting = [
                    (model, version)
                    for model in self._models.values()
                    for version in model.versions.values()
                    if version.awaits_load
                ]
                due = [job for job in waiting if job[1].due_s <= now_s]
                if due:
                    job = min(due, key=lambda job: _rank(*job))
                    job[1].begin_load()
                    self._changed.notify_all()
                    return job
                next_s = min((version.due_s for _, version in waiting), default=None)
                self._changed.wait(None if next_s is None else next_s - now_s)
        return None

    def _try(self, model: Model[L], version: Version[L]) -> None:
        started_s = time.monotonic()
        directory = version.directory
        try:
            loaded = self._load(model.name, version.number, directory.path)
        except BaseException as error:
            # Whatever is wrong with a version, MemoryError included, must not take the others
            # down, nor the thread that loads them.
            self._failed(model, version, directory, Failure.of(error))
            return
        with self._changed:
            answers = version.end_load(loaded, directory, stopping=self.stopping)
            self._notify(model)
        if answers:
            took_s = time.monotonic() - started_s
            log.info("%s/%d is AVAILABLE after %.1f s", model.name, version.number, took_s)
        else:
            self._close(model, version)

    def _failed(
        self, model: Model[L], version: Version[L], directory: VersionDirectory, failure: Failure
    ) -> None:
        with self._changed:
            again = version.tries <= self._retries and not self.stopping
            retry_at_s = time.monotonic() + self._retry_interval_s if again else None
            again = version.fail(failure, directory, retry_at_s)
            self._notify(model)
        then = "; it will be tried again" if again else ""
        log.error("%s/%d failed to load: %s%s", model.name, version.number, failure.message, then)

    def _next_close(self) -> tuple[Model[L], Version[L]] | None:
        with self._changed:
            while not self.stopping:
                for model in self._models.values():
                    for version in model.versions.values():
                        if version.awaits_close:
                            return model, version
                self._changed.wait()
        return None

    def _close(self, model: Model[L], version: Version[L]) -> None:
        try:
            if version.loaded is not None:
                version.loaded.close()
        except BaseException as error:
            log.error("%s/%d failed to close: %r", model.name, version.number, error)
        with self._changed:
            model.ended(version)
            self._notify(model)
        log.info("%s/%d is unloaded", model.name, version.number)

    def _notify(self, model: Model[L]) -> None:
        model.settle()
        self._changed.notify_all()


def _rank(model: Model[L], version: Version[L]) -> tuple[bool, int, int]:
    """Orders loads: models with nothing to answer with, then first tries, then the newest."""
    return bool(model.available), version.tries, -version.number
