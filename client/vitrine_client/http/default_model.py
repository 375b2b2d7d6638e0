"""Default model: the one that is asked where a caller names none.

That is `photo`, which is trained for pictures of one's own. A service whose models were trained
before there was one has none; there it is `mlp`, and that is said once.
"""

import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable
from typing import Any, TypeVar

from vitrine_client.errors import InvalidRequest, NotFound, VitrineError
from vitrine_client.process.per_process import PerProcess
from vitrine_client.results.predictions import VersionStatus

C = TypeVar("C")

PREFERRED = "photo"
FALLBACK = "mlp"

LOOK_AGAIN_S = 60.0
"""Seconds after which `PREFERRED` is asked again where it was not served; one call each time."""


class DefaultModelWarning(UserWarning):
    """Warning that the default model is not served, and another one answers in its place."""


class DefaultModel:
    """Choice of the default model, remembered from call to call. Threads and
    forked processes may share it."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._lock = PerProcess(threading.Lock(), lambda _: threading.Lock())
        self._missing_until_s: float | None = None
        self._told = False

    def name(self) -> str:
        """Returns the model to ask: `PREFERRED`, or `FALLBACK` for the next `LOOK_AGAIN_S` seconds
        after it was missing."""
        with self._lock.get():
            now_s = self._now()
            if self._missing_until_s is None:
                return PREFERRED
            if now_s < self._missing_until_s:
                return FALLBACK
            # This call looks again; the others need not wait for what comes of it.
            self._missing_until_s = now_s + LOOK_AGAIN_S
            return PREFERRED

    def found(self) -> None:
        """Notes that `PREFERRED` answered."""
        with self._lock.get():
            self._missing_until_s = None

    def missing(self) -> None:
        """Notes that `PREFERRED` is not served; warns of it the first time."""
        with self._lock.get():
            self._missing_until_s = self._now() + LOOK_AGAIN_S
            told, self._told = self._told, True
        if not told:
            warnings.warn(told_of_missing(), DefaultModelWarning, stacklevel=2)

    def asked(
        self,
        make: Callable[[str], C],
        states: Callable[[str], Generator[C, Any, list[VersionStatus]]],
        version: int | None,
        label: str | None,
    ) -> Generator[C, Any, Any]:
        """Yields the call that `make` makes of the default model's name, and returns its answer.

        If that model is not served, the next one is asked; that is known from the call's own
        failure, so one that succeeds costs nothing more. `states` asks for the states of a model.
        """
        name = self.name()
        try:
            answer = yield make(name)
        except (NotFound, InvalidRequest) as error:
            missing = name == PREFERRED and _may_be_missing(error, label)
            if missing and not (version is None and label is None):
                missing = yield from _is_missing(states)
            if not missing:
                raise
        else:
            if name == PREFERRED:
                self.found()
            return answer
        answer = yield make(FALLBACK)
        self.missing()
        return answer


def _may_be_missing(error: VitrineError, label: str | None) -> bool:
    """Says whether an error may be one of a model that is not served: to a version label of such a
    model TensorFlow Serving answers that it does not know the label, INVALID_ARGUMENT."""
    return isinstance(error, NotFound) or label is not None


def _is_missing(
    states: Callable[[str], Generator[C, Any, list[VersionStatus]]],
) -> Generator[C, Any, bool]:
    """Asks for the states of `PREFERRED`: it may be no more than one version which is missing."""
    try:
        return not is_served((yield from states(PREFERRED)))
    except NotFound:
        return True


def told_of_missing() -> str:
    """Returns the message for a service without `PREFERRED`."""
    return (
        f"The model {PREFERRED} is not served here, so {FALLBACK} is asked; "
        f"`vitrine-train train {PREFERRED}` makes one that knows pictures of your own"
    )


def is_served(statuses: Iterable[VersionStatus]) -> bool:
    """Says whether a model with these versions answers."""
    return any(status.state == "AVAILABLE" for status in statuses)
