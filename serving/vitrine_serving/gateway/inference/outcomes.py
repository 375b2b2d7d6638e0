"""Outcomes of requests: the answer to each picture, and the duration of each stage."""

from collections.abc import Sequence
from typing import Generic, NamedTuple, TypeVar

from vitrine_client.errors import InvalidImage
from vitrine_client.tfserving.tensors import Array
from vitrine_serving.gateway.inference.decoding.decoder import Empty, Shown

T = TypeVar("T")


class Classified(NamedTuple):
    """Class that a model answers for a picture: the most probable, its index and its share, and the
    shares of all in the order of class ids."""

    label: str
    class_id: int
    probability: float
    probabilities: dict[str, float]

    @classmethod
    def rows(cls, probabilities: Array, labels: Sequence[str]) -> "list[Classified]":
        """Returns the answer to each row of probabilities, float32 [n, classes]."""
        return [
            cls(labels[class_id], class_id, row[class_id], dict(zip(labels, row, strict=True)))
            for class_id, row in zip(
                probabilities.argmax(axis=1).tolist(), probabilities.tolist(), strict=True
            )
        ]


class Outcome(NamedTuple, Generic[T]):
    """Outcome of a request that a version of a model answered, for telemetry and the answer.

    `results` has an entry for each picture of those `shown`, or row of an array: its answer, or why
    it has none. `version` of `model` has answered, or would have, where all pictures were empty.
    Work on them `began` at that second of `time.monotonic`. Of TensorFlow Serving's JSON nothing is
    `shown`, there are no results, and rows wait for nobody: `queue_s` is 0.
    """

    results: Sequence[T | Empty | InvalidImage]
    model: str
    version: int
    shown: Shown | None
    queue_s: float
    rpc_s: float
    began: float = 0.0
    decode_s: float = 0.0

    @property
    def empty(self) -> int:
        """The number of empty pictures."""
        if self.shown is None or len(self.shown.rows) == len(self.results):
            return 0  # as nearly always
        return sum(isinstance(each, Empty) for each in self.results)
