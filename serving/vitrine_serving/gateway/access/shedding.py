"""What is turned away so that the rest can be answered, and why; the metrics have the counts."""

from typing import ClassVar

from vitrine_client.errors import ResourceExhausted, Unavailable


class Shed:
    """Of errors that say so; `reason` is the label that they are counted by."""

    reason: ClassVar[str]


class QueueFull(Shed, Unavailable):
    """As many images wait as may."""

    reason = "queue_full"


class TooLate(Shed, Unavailable):
    """It would not be answered by its deadline."""

    reason = "too_late"


class RateLimited(Shed, ResourceExhausted):
    """Its client asks too often."""

    reason = "rate_limit"


CONNECTIONS = "connections"
"""The reason of connections that are too many, which have no request yet and so no error."""

REASONS = (QueueFull.reason, TooLate.reason, CONNECTIONS, RateLimited.reason)
