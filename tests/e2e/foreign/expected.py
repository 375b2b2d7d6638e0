"""Expectations of a foreign export, as its maker has written them; needs no TensorFlow."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tests.e2e.foreign.pictures import Array, path_of


@dataclass(frozen=True)
class Expected:
    """What is expected of the export `name` that was made in `folder`."""

    folder: Path
    name: str

    @cached_property
    def _written(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self._own / "expected.json").read_text())
        return content

    @property
    def _own(self) -> Path:
        return self.folder / "expected" / self.name

    @property
    def version(self) -> int:
        """Its only version."""
        return int(self._written["version"])

    @property
    def profile(self) -> dict[str, Any]:
        """Members that its profile has."""
        return dict(self._written["profile"])

    @property
    def said(self) -> Sequence[str]:
        """Words of the sentence that refuses its pictures."""
        return list(self._written["said"])

    @property
    def tolerance(self) -> float:
        """How far a probability may be off."""
        return float(self._written["tolerance"])

    @property
    def json_body(self) -> bytes:
        """A call in TensorFlow Serving's JSON."""
        return (self._own / "body.json").read_bytes()

    @property
    def outputs(self) -> dict[str, Any] | None:
        """What the signature of that call answers; None where it is random."""
        outputs: dict[str, Any] | None = self._written["outputs"]
        return outputs

    @cached_property
    def probabilities(self) -> Array:
        """Those of each picture, [pictures, classes]."""
        return np.array(self._written["probabilities"])

    @cached_property
    def labels(self) -> list[str]:
        """The label of each class; numbers where nothing names them."""
        return self._written["labels"] or [*map(str, range(self.probabilities.shape[1]))]

    def picture(self, index: int) -> bytes:
        """Returns a picture as a file."""
        return path_of(self.folder / "pictures", self._written["pictures"], index).read_bytes()

    def check(self, index: int, prediction: dict[str, Any]) -> None:
        """Asserts that a prediction is TensorFlow's of a picture."""
        wanted = self.probabilities[index]
        assert "error" not in prediction, prediction
        assert list(prediction["probabilities"]) == self.labels
        found = np.array([*prediction["probabilities"].values()])
        assert np.abs(found - wanted).max() < self.tolerance, (index, found, wanted)
        best = np.flatnonzero(wanted >= wanted.max() - 2 * self.tolerance)
        assert prediction["class_id"] in best
        assert prediction["label"] == self.labels[prediction["class_id"]]

    def closest(self) -> float:
        """Returns by how much the answers to two pictures differ at least."""
        rows = self.probabilities
        apart = [np.abs(rows[i + 1 :] - row).max(axis=1).min() for i, row in enumerate(rows[:-1])]
        return float(min(apart))
