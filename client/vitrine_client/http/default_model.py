"""Default model: the one that is asked where a caller names none.

That is `photo`, which is trained for pictures of one's own. A service whose models were trained
before there was one has none; there it is `mlp`, and that is said once.
"""

import threading
import time
import warnings
from collections.abc import Callable, Iterable

from vitrine_client.errors import InvalidRequest, NotFound, VitrineError
from vitrine_client.process.per_process import PerProcess
from vitrine_client.results.predictions import VersionStatus

__all__ = [
    "FALLBACK",
    "PREFERRED",
    "DefaultModel",
    "DefaultModelWarning",
    "is_served",
    "may_be_missing",
    "told_of_missing",
]

PREFERRED = "photo"
FALLBACK = "mlp"

LOOK_AGAIN_S = 60.0
"""Seconds after which `PREFERRED` is asked again where it was not served; one call each time."""


class DefaultModelWarning(UserWarning):
    """The default model is not served, and another one answers in its place."""


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


def may_be_missing(error: VitrineError, label: str | None) -> bool:
    """Says whether an error may be one of a model that is not served: to a version label of such a
    model TensorFlow Serving answers that it does not know the label, INVALID_ARGUMENT."""
    return isinstance(error, NotFound) or (label is not None and isinstance(error, InvalidRequest))


def told_of_missing() -> str:
    """Returns what to say where `PREFERRED` is not served."""
    return (
        f"The model {PREFERRED} is not served here, so {FALLBACK} is asked; "
        f"`vitrine-train train {PREFERRED}` makes one that knows pictures of your own"
    )


def is_served(statuses: Iterable[VersionStatus]) -> bool:
    """Says whether a model with these versions answers."""
    return any(status.state == "AVAILABLE" for status in statuses)
