"""Outcomes: the answer to each picture of a request, and how long each stage took."""

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from vitrine_client.errors import InvalidImage
from vitrine_serving.gateway.inference.decoder import Empty, Shown

T = TypeVar("T")


class Outcome(NamedTuple, Generic[T]):
    """For each picture of what was `shown`, or row of an array, its answer, or why it has none.

    `version` of `model` has answered, or would have, where all pictures were empty. Work on them
    `began` at that second of `time.monotonic`.
    """

    results: Sequence[T | Empty | InvalidImage]
    model: str
    version: int
    shown: Shown
    queue_s: float
    rpc_s: float
    began: float = 0.0

    @property
    def empty(self) -> int:
        """How many of the pictures were empty."""
        if len(self.shown.rows) == len(self.results):
            return 0  # as nearly always
        return sum(isinstance(each, Empty) for each in self.results)
