"""Predictions, states of versions, and descriptions of models, wherever they come from."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

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
    array is no picture, and has neither.
    """

    label: str
    class_id: int
    probability: float
    probabilities: dict[str, float]
    model: str
    version: int
    box: tuple[int, int, int, int] | None = None
    warnings: tuple[str, ...] = ()

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
    `error_message` is empty. `version_labels` are those that a list of models knows to name it."""

    version: int
    state: str
    error_code: str = "OK"
    error_message: str = ""
    version_labels: tuple[str, ...] = ()


DESCRIBED = ("labels", "card")
"""Keys that the signature `describe` is asked for; the value of each is JSON."""


@dataclass(frozen=True)
class Description:
    """Description that a model gives of itself: its labels in the order of class ids, and its card
    (JSON)."""

    labels: tuple[str, ...]
    card: dict[str, Any]

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, npt.NDArray[Any]]) -> "Description":
        """Reads the outputs of the signature `describe`: `values`, string [n], one for each of
        `DESCRIBED`; or, of versions until November 2026, `labels`, string [classes], and `card`, a
        string. Raises `ValueError`, which says what is missing or is not as it should be."""
        labels, card = _looked_up(outputs) if "values" in outputs else _by_name(outputs)
        if not isinstance(card, dict):
            raise ValueError("a `card` that is no JSON object")
        return cls(labels=distinct(labels), card=card)


def _looked_up(outputs: Mapping[str, npt.NDArray[Any]]) -> tuple[list[str], Any]:
    values = outputs["values"]
    if values.shape != (len(DESCRIBED),):
        raise ValueError(f"no list of {len(DESCRIBED)} `values`")
    labels, card = (_loaded(each) for each in values.tolist())
    if not isinstance(labels, list) or not all(isinstance(each, str) for each in labels):
        raise ValueError("`labels` that are no JSON list of texts")
    return labels, card


def _by_name(outputs: Mapping[str, npt.NDArray[Any]]) -> tuple[list[str], Any]:
    labels, card = outputs.get("labels"), outputs.get("card")
    if labels is None or labels.ndim != 1:
        raise ValueError("no list of `labels`")
    if not all(isinstance(each, bytes) for each in labels.tolist()):
        raise ValueError("`labels` that are no text")
    if card is None or card.size != 1:
        raise ValueError("no `card`")
    return [each.decode(errors="replace") for each in labels.tolist()], _loaded(card.item())


def _loaded(text: Any) -> Any:
    """Returns what JSON stands for, and None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None


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
