"""Predictions and states of versions, wherever they come from."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from vitrine_client.results import notebook
from vitrine_client.results.strict_json import JsonRecord

_SHOWN = 5
"""Classes in a notebook's table."""


@dataclass(frozen=True)
class Prediction(JsonRecord):
    """Prediction for one picture.

    `label` is the most probable class, `class_id` its index and `probability` its share;
    `probabilities` has them all by label, in the order of class ids, and sums to 1. `model` and
    `version` say which model answered. `box` is where the item was found, x, y, width and height in
    pixels of the upright picture, and `warnings` name parts that were left out or are doubtful; an
    array is no picture, and has neither. `request_id` is that of the request to a gateway, and
    `index` the picture's place in it: `send_feedback` takes both.
    """

    label: str
    class_id: int
    probability: float
    probabilities: dict[str, float]
    model: str
    version: int
    box: tuple[int, int, int, int] | None = None
    warnings: tuple[str, ...] = ()
    request_id: str = field(default="", compare=False)
    index: int = field(default=0, compare=False)

    def top(self, count: int) -> list[tuple[str, float]]:
        """Returns the `count` most probable labels and their probabilities, best first."""
        return sorted(self.probabilities.items(), key=lambda item: -item[1])[:count]

    def _repr_html_(self) -> str:
        """The most probable classes as a table with bars; notebooks show it."""
        rows = [notebook.BarRow(*pair) for pair in self.top(_SHOWN)]
        told = notebook.paragraph(f"{self.label}, says {self.model}/{self.version}")
        beside = notebook.paragraph("; ".join(self.warnings)) if self.warnings else ""
        return told + notebook.bars(("class", "probability", "", ""), rows) + beside


@dataclass(frozen=True)
class VersionStatus(JsonRecord):
    """Status of a version on a model server: its state in TensorFlow Serving's words:
    START, LOADING, AVAILABLE, UNLOADING or END. Unless loading it failed, `error_code` is OK and
    `error_message` is empty. `version_labels` are those that a list of models knows to name it.

    Of the newest version that is AVAILABLE, a list of models also knows whether it is a
    `classifier` that pictures can be sent to, None where that is not known, the `reason` why it is
    none or that is not known, and `assumptions` on the pictures that it takes.
    """

    version: int
    state: str
    error_code: str = "OK"
    error_message: str = ""
    version_labels: tuple[str, ...] = ()
    classifier: bool | None = None
    reason: str = ""
    assumptions: tuple[str, ...] = ()


def distinct(labels: Sequence[str]) -> tuple[str, ...]:
    """Returns labels of which no two are the same: those of several classes have the class id
    behind them, as probabilities are found by label."""
    several = {label for label, count in Counter(labels).items() if count > 1}
    taken = set(labels)
    found = []
    for class_id, label in enumerate(labels):
        name = f"{label} (class {class_id})" if label in several else label
        while label in several and name in taken:
            name += "*"
        taken.add(name)
        found.append(name)
    return tuple(found)


def to_predictions(
    probabilities: npt.NDArray[np.float32], labels: tuple[str, ...], model: str, version: int
) -> list[Prediction]:
    """Turns rows of probabilities, float32 [n, classes], into predictions."""
    class_ids = probabilities.argmax(axis=1).tolist()
    return [
        Prediction(
            label=labels[class_id],
            class_id=class_id,
            probability=row[class_id],
            probabilities=dict(zip(labels, row, strict=True)),
            model=model,
            version=version,
        )
        for class_id, row in zip(class_ids, probabilities.tolist(), strict=True)
    ]
