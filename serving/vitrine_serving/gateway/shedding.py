"""Load shedding: requests that are rejected to protect the rest, and the admission of those that
may wait. Rate limits are in `access.rate_limit`."""

import time
from typing import ClassVar

from vitrine_client.errors import ResourceExhausted, Unavailable
from vitrine_serving.gateway.settings_part import Count, SettingsPart

RETRY_AFTER_S = 1
"""Seconds after which a client is told to try again, where nothing better is known."""

_MARGIN = 0.5
"""Share of the time until its deadline that a request may be expected to wait: how long batches
take is an estimate, and who is let in should be answered."""


class SheddingSettings(SettingsPart):
    """Bounds of one process, beyond which it sheds load."""

    connections: Count = 1000
    """Connections that each process accepts at a time."""
    max_queued_images: Count = 1024
    """Most images that may wait in a process for each model; more is refused with 503."""


class Shed:
    """Of errors that say so; `reason` is the label that they are counted by."""

    reason: ClassVar[str]


class QueueFull(Shed, Unavailable):
    """As many images wait as may."""

    reason = "queue_full"


class TooLate(Shed, Unavailable):
    """It would not be answered by its deadline."""

    reason = "too_late"


class BodiesFull(Shed, Unavailable):
    """Bodies of other requests take all the memory that is for bodies."""

    reason = "bodies"


class RateLimited(Shed, ResourceExhausted):
    """Its client asks too often."""

    reason = "rate_limit"


CONNECTIONS = "connections"
"""The reason of connections that are too many, which have no request yet and so no error."""

REASONS = (
    QueueFull.reason,
    TooLate.reason,
    CONNECTIONS,
    RateLimited.reason,
    BodiesFull.reason,
)


class BodyBudget:
    """Budget of one process for the bytes of bodies that it holds, over all connections."""

    def __init__(self, most: int) -> None:
        self._left = most

    def take(self, count: int) -> None:
        """Takes bytes, which `give` gives back. Raises `BodiesFull` where they are too many."""
        if count > self._left:
            raise BodiesFull("Too many large bodies are in hand; try again later")
        self._left -= count

    def take_anyway(self, count: int) -> None:
        """Takes bytes that are there already: others are refused until they are gone."""
        self._left -= count

    def give(self, count: int) -> None:
        """Gives bytes back."""
        self._left += count


def admit(queued: int, count: int, most: int, wait_s: float, deadline: float) -> None:
    """Lets `count` more images into a queue of `queued`, which takes `most` and would answer them
    in `wait_s`.

    `deadline` is in seconds of `time.monotonic`. Raises `QueueFull` or `TooLate`.
    """
    is_full = queued + count > most
    if is_full or wait_s > _MARGIN * (deadline - time.monotonic()):
        raise (QueueFull if is_full else TooLate)(
            f"{queued} images wait already, more than the model server takes in time; "
            "try again later",
            retry_after_s=max(RETRY_AFTER_S, wait_s),
        )
