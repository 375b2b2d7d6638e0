"""Model repository: the versions of all models, their transitions, and requests that use them."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import grpc

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.repository.config import ModelConfig, VersionDirectory
from vitrine_serving.model_server.repository.labels import VersionLabels
from vitrine_serving.model_server.repository.lifecycle import (
    Failure,
    Model,
    ServableStatus,
    Version,
)
from vitrine_serving.model_server.repository.loading import LoadingThreads
from vitrine_serving.model_server.repository.policy import (
    AvailabilityPreservingPolicy,
    FoundVersions,
    found_versions,
    loads,
    missing_versions,
)
from vitrine_serving.notices import Notices

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from vitrine_serving.model_server.runtime.servable import Servable

log = logging.getLogger(__name__)

Load = Callable[[str, int, Path], "Servable"]
"""Loads a version of a model, by its name, its number and its directory; from any thread."""


class Repository:
    """Models of a server. Every method may be called from any thread.

    `configure` and `refresh` look at the disk in the thread that calls them, one at a time, and
    only note which versions are wanted. `load_threads` threads of the repository load them, one
    more closes a version that is not wanted once its last request is done. Requests use versions in
    their own threads, and never wait for any of that. One lock guards all states; nobody loads,
    closes or reads the disk while holding it. Each transition is made here, and the policy is asked
    after each.
    """

    def __init__(
        self,
        load: Load,
        *,
        load_retries: int = 5,
        retry_interval_s: float = 60.0,
        allow_unavailable_labels: bool = False,
        load_threads: int = 2,
    ) -> None:
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._looking = threading.Lock()
        self._stopped = threading.Event()
        self._load = load
        self._load_retries = load_retries
        self._retry_interval_s = retry_interval_s
        self._policy = AvailabilityPreservingPolicy()
        self._models: dict[str, Model] = {}
        self._labels = VersionLabels(allow_unavailable=allow_unavailable_labels)
        self._configured = False
        self._threads = LoadingThreads(self._load_next, self._close_next, load_threads)

    def configure(self, configs: Sequence[ModelConfig], *, wait: bool = True) -> None:
        """Replaces the whole set of models; those that are not in `configs` unload.

        The first time it waits until each wanted version is AVAILABLE or has failed for good.
        TensorFlow Serving exits if a model fails then; here the others are served, and the status
        and the log tell of the error. Later it waits for the models that are new, until the newest
        wanted version of each, which TensorFlow Serving loads first, is AVAILABLE or has failed,
        and in that case until an older one stands in; and not for new versions of others. A model
        without a version is not waited for. As in TensorFlow Serving, a version that is loaded
        stays as it is if only its model's `base_path` changes.

        Raises `ServingError`: FAILED_PRECONDITION for a label that may not be given, and then
        nothing is changed; UNKNOWN if the newest version of a new model failed, not the first time,
        and then the set is in effect.
        """
        with self._looking:
            with self._lock:
                self._labels.check(configs, self._is_available)
                self._labels.replace(configs)
                first, self._configured = not self._configured, True
                new = self._replace(configs)
                if not self._is_stopping:
                    self._threads.start()
                models = list(self._models.values())
            for model in models:
                self._look(model)
        if wait:
            self._wait_for(new, all_versions=first)
            if not first:
                self._raise_for(new)

    def check_labels(self, configs: Sequence[ModelConfig]) -> None:
        """Raises `ServingError` (FAILED_PRECONDITION) where `configure` would, for a label."""
        with self._lock:
            self._labels.check(configs, self._is_available)

    def _is_available(self, name: str, number: int) -> bool:
        return name in self._models and number in self._models[name].available

    def _replace(self, configs: Sequence[ModelConfig]) -> list[Model]:
        served = {name for name, model in self._models.items() if model.config}
        for model in self._models.values():
            model.config = None
        for config in configs:
            self._models.setdefault(config.name, Model(config.name)).config = config
        return [self._models[c.name] for c in configs if c.name not in served]

    def _wait_for(self, models: Sequence[Model], *, all_versions: bool) -> None:
        def done() -> bool:
            settled = (model.is_settled(all_versions=all_versions) for model in models)
            return self._is_stopping or all(settled)

        notices = Notices(lambda text: log.warning("%s", text))
        while True:
            with self._changed:
                if self._changed.wait_for(done, notices.due_in_s):
                    return
                told = ", ".join(name for model in models for name in model.loading())
            notices.waiting_for(partial("Still LOADING: {}".format, told))

    def _raise_for(self, models: Sequence[Model]) -> None:
        with self._lock:
            shortfalls = [told for model in models if (told := model.shortfall())]
        if shortfalls:
            told = "".join(f"{{{shortfall}}}, " for shortfall in shortfalls)
            message = f"{len(shortfalls)} model(s) did not become available: {{{told}}}"
            raise ServingError(grpc.StatusCode.UNKNOWN, message)

    def names(self) -> set[str]:
        """Returns the models that are served."""
        with self._lock:
            return {name for name, model in self._models.items() if model.config}

    def configs(self) -> dict[str, ModelConfig]:
        """Returns the configurations in effect, by the names of their models."""
        with self._lock:
            return {name: model.config for name, model in self._models.items() if model.config}

    def serves(self, name: str) -> bool:
        """Says whether a model is served, by its name."""
        with self._lock:
            model = self._models.get(name)
            return model is not None and model.config is not None

    def refresh(self) -> None:
        """Looks at the disk once; versions are then loaded and unloaded in the background."""
        with self._looking:
            with self._lock:
                models = list(self._models.values())
            for model in models:
                self._look(model)

    def _look(self, model: Model) -> None:
        config, found = model.config, FoundVersions({}, {})
        try:
            if config:
                found = found_versions(config)
        except (OSError, ValueError) as error:
            # As TensorFlow Serving: a directory that can't be read, or is gone, is no order to
            # unload. It would not look at the other models either; we do.
            self._remark(model, f"Looking for versions of {model.name} failed: {error}")
            return
        missing = missing_versions(config, found.aspired) if config else ""
        self._remark(model, "; ".join(filter(None, (*found.passed_over, missing))))
        with self._changed:
            model.aspire(found.aspired, found.older)
            self._transit(model)

    def _remark(self, model: Model, remark: str) -> None:
        if remark and remark != model.remark:
            log.warning("%s", remark)
        model.remark = remark

    def poll(self, every_s: float) -> None:
        """Refreshes again and again, until `stop`, in the thread that calls it; nothing else ends
        it."""
        said = ""
        while not self._stopped.wait(every_s):
            try:
                self.refresh()
            except Exception as error:
                if said != (said := repr(error)):
                    log.exception("Looking for versions failed; it goes on")
            else:
                said = ""

    def stop(self) -> None:
        """Ends `poll`, `configure` and retries; what is loaded goes on answering."""
        self._stopped.set()
        with self._changed:
            self._changed.notify_all()
        self._threads.join()

    @property
    def _is_stopping(self) -> bool:
        return self._stopped.is_set()

    def _transit(self, model: Model) -> None:
        """Has the policy follow a transition of one of a model's versions; the lock is held."""
        model.unload(self._policy.versions_to_unload(model.versions.values()))
        self._changed.notify_all()

    def _load_next(self) -> bool:
        """Waits for a load that is due and makes it; returns False at the end."""
        job = self._begin_load()
        if job is None:
            return False
        (model, version), started_s = job, time.monotonic()
        directory = version.directory
        try:
            loaded = self._load(model.name, version.number, directory.path)
        except BaseException as error:
            # Whatever is wrong with a version, MemoryError included, must not take the others
            # down, nor the thread that loads them.
            self._fail_load(model, version, directory, Failure.of(error))
            return True
        with self._changed:
            answers = version.end_load(loaded, directory, stopping=self._is_stopping)
            self._transit(model)
        if answers:
            took_s = time.monotonic() - started_s
            log.info("%s/%d is AVAILABLE after %.1f s", model.name, version.number, took_s)
        else:
            self._close(model, version)
        return True

    def _begin_load(self) -> tuple[Model, Version] | None:
        with self._changed:
            while not self._is_stopping:
                models, now_s = self._models.values(), time.monotonic()
                if job := self._policy.next_load(models, now_s):
                    job[1].begin_load()
                    self._changed.notify_all()
                    return job
                next_s = min((version.due_s for _, version in loads(models)), default=None)
                self._changed.wait(
                    None if next_s is None else min(next_s - now_s, threading.TIMEOUT_MAX)
                )
        return None

    def _fail_load(
        self, model: Model, version: Version, directory: VersionDirectory, failure: Failure
    ) -> None:
        with self._changed:
            again = version.tries <= self._load_retries and not self._is_stopping
            retry_at_s = time.monotonic() + self._retry_interval_s if again else None
            again = version.fail(failure, directory, retry_at_s)
            stand_in = None if again else model.fall_back()
            self._transit(model)
        then = "; it will be tried again" if again else ""
        if stand_in is not None:
            then = f"; version {stand_in} is tried in its place"
        told = " ".join(f"{failure.message} {failure.hint}".split())
        log.error("%s/%d failed to load: %s%s", model.name, version.number, told, then)

    def _close_next(self) -> bool:
        """Waits for a version that nobody uses any more and closes it; returns False at the end."""
        job = self._begin_close()
        if job:
            self._close(*job)
        return job is not None

    def _begin_close(self) -> tuple[Model, Version] | None:
        with self._changed:
            while not self._is_stopping:
                for model in self._models.values():
                    for version in model.versions.values():
                        if version.awaits_close:
                            return model, version
                self._changed.wait()
        return None

    def _close(self, model: Model, version: Version) -> None:
        try:
            if version.loaded is not None:
                version.loaded.close()
        except BaseException as error:
            log.error("%s/%d failed to close: %r", model.name, version.number, error)
        with self._changed:
            model.end(version)
            self._transit(model)
        log.info("%s/%d is unloaded", model.name, version.number)

    def use(
        self, name: str, version: int | None = None, label: str | None = None
    ) -> "AbstractContextManager[Servable]":
        """Returns a loaded version for one request, the newest unless one is asked for.

        It is found when the block begins, which may raise `ServingError`, and not closed before the
        block ends.
        """
        return _Use(self._acquire, self._release, (name, version, label))

    def _acquire(self, name: str, number: int | None, label: str | None) -> Version:
        with self._lock:
            if label is not None:
                number = self._labels.number(name, label)
            model = self._models.get(name)
            version = model.available.get(number) if model else None
            if version is None:
                raise ServingError.not_found(
                    f"Latest({name})" if number is None else f"Specific({name}, {number})"
                )
            version.users += 1
            return version

    def _release(self, version: Version) -> None:
        with self._lock:
            version.users -= 1
            if version.awaits_close:
                self._changed.notify_all()

    def versions(self, name: str, version: int | None = None) -> list[ServableStatus]:
        """Returns the state of a model's versions, or of one, newest first. Raises NOT_FOUND."""
        with self._lock:
            model = self._models.get(name)
            known = [v.status() for v in model.versions.values()] if model else []
        told = [status for status in known if version in (None, status.number)]
        if not told:
            what = "any versions" if version is None else f"version {version}"
            raise ServingError(grpc.StatusCode.NOT_FOUND, f"Could not find {what} of model {name}")
        return sorted(told, key=lambda status: -status.number)


class _Use:
    """Handle of a version in use, for a `with` block; by hand, as every request makes one."""

    __slots__ = ("_acquire", "_asked", "_release", "_version")

    def __init__(
        self,
        acquire: Callable[[str, int | None, str | None], Version],
        release: Callable[[Version], None],
        asked: tuple[str, int | None, str | None],
    ) -> None:
        self._acquire = acquire
        self._release = release
        self._asked = asked

    def __enter__(self) -> "Servable":
        self._version = version = self._acquire(*self._asked)
        return version.loaded

    def __exit__(self, *_: object) -> None:
        self._release(self._version)
