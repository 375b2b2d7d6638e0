"""Evaluation of a classifier, by its logits for images whose classes are known.

All functions take logits, float32 [n, classes], or values derived from them, and class ids [n].
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from vitrine_training.data.fashion_mnist import Split
from vitrine_training.data.idx import Pixels
from vitrine_training.fit.augment import scaled
from vitrine_training.fit.pieces import pieces

Floats = npt.NDArray[np.floating]
Integers = npt.NDArray[np.integer]

CALIBRATION_BINS = 15
"""Of equal width, over the confidence 0..1, as Guo et al. (2017) and most others have them."""

COLDEST, HOTTEST = 0.05, 20.0
"""Temperatures that are looked at; for logits that say next to nothing the best one is higher."""


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions of about the same confidence: how many, how confident, how often right."""

    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Evaluation:
    """Logits for the images of a split, and the metrics that follow from them."""

    logits: Floats
    labels: Integers

    @property
    def class_ids(self) -> Integers:
        """The answers, [n]."""
        answers: Integers = self.logits.argmax(axis=1)
        return answers

    @property
    def probabilities(self) -> Floats:
        """[n, classes]."""
        exponentials = np.exp(self.logits - self.logits.max(axis=1, keepdims=True))
        probabilities: Floats = exponentials / exponentials.sum(axis=1, keepdims=True)
        return probabilities

    @property
    def accuracy(self) -> float:
        """The share of right answers."""
        return float(np.mean(self.class_ids == self.labels))

    @property
    def confusion(self) -> npt.NDArray[np.int64]:
        """Counts, [classes, classes], true classes in rows."""
        counts = np.zeros((self.logits.shape[1],) * 2, np.int64)
        np.add.at(counts, (self.labels, self.class_ids), 1)
        return counts

    @property
    def recall(self) -> Floats:
        """For each class, the share of its images that were recognised, [classes]."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=1))

    @property
    def precision(self) -> Floats:
        """For each class, the share of its answers that were right; nan if never answered."""
        return _share(np.diag(self.confusion), self.confusion.sum(axis=0))

    @property
    def f1(self) -> Floats:
        """The harmonic mean of precision and recall, class by class."""
        answered, present = self.confusion.sum(axis=0), self.confusion.sum(axis=1)
        return _share(2 * np.diag(self.confusion), answered + present)

    def by_class(self, labels: Sequence[str]) -> list[dict[str, Any]]:
        """Returns precision, recall and F1 of each class, as a card has them."""
        columns = zip(labels, self.precision, self.recall, self.f1, strict=True)
        return [
            {"label": label} | rounded({"precision": p, "recall": r, "f1": f})
            for label, p, r, f in columns
        ]

    @property
    def cross_entropy(self) -> float:
        """The mean negative log-likelihood, in nats."""
        return cross_entropy(self.logits, self.labels)

    @property
    def reliability(self) -> list[ReliabilityBin]:
        """Accuracy at each degree of confidence, for bins that are not empty."""
        confidence, right = self.probabilities.max(axis=1), self.class_ids == self.labels
        number = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
        members = [number == one for one in np.unique(number)]
        return [
            ReliabilityBin(int(m.sum()), float(confidence[m].mean()), float(right[m].mean()))
            for m in members
        ]

    @property
    def calibration_error(self) -> float:
        """ECE: the mean gap between confidence and accuracy (Naeini et al., 2015)."""
        gaps = [b.count * abs(b.confidence - b.accuracy) for b in self.reliability]
        return sum(gaps) / len(self.labels)


def rounded(figures: Mapping[str, float]) -> dict[str, float]:
    """Returns figures with six digits after the point."""
    return {name: round(float(figure), 6) for name, figure in figures.items()}


def _share(part: Integers, whole: Integers) -> Floats:
    with np.errstate(invalid="ignore"):
        shares: Floats = part / whole
    return shares


def cross_entropy(logits: Floats, labels: Integers) -> float:
    """Returns the mean negative log-likelihood of `labels`, in nats."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_sums = np.log(np.exp(shifted).sum(axis=1))
    return float(np.mean(log_sums - shifted[np.arange(len(labels)), labels]))


def best_temperature(logits: Floats, labels: Integers) -> float:
    """Returns the divisor of `logits` with the lowest cross-entropy (Guo et al., 2017).

    Found by golden-section search over its logarithm, in which the loss has one minimum.
    """
    low, high = np.log(COLDEST), np.log(HOTTEST)
    ratio = (np.sqrt(5) - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        losses = [cross_entropy(logits / np.exp(one), labels) for one in (left, right)]
        low, high = (low, right) if losses[0] < losses[1] else (left, high)
    return float(np.exp((low + high) / 2))


def at_bound(temperature: float) -> bool:
    """Returns True at an end of the searched range, give or take 1 %, so not at the optimum."""
    return not COLDEST * 1.01 < temperature < HOTTEST * 0.99


def answers(version_dir: Path, inputs: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Loads a version anew; returns its outputs by name, row by row, for uint8 [n, 28, 28] or for
    float32 inputs as they are."""
    serve = tf.saved_model.load(str(version_dir)).signatures["serving_default"]
    parts = [serve(batch) for batch in _batches(inputs)]
    return {name: np.concatenate([part[name].numpy() for part in parts]) for name in parts[0]}


def outputs_of(
    model: Callable[[tf.Tensor], Any], inputs: npt.NDArray[Any]
) -> npt.NDArray[np.float32]:
    """Returns the outputs of a model in memory for the same inputs."""
    return np.concatenate([model(batch).numpy() for batch in _batches(inputs)])


def _batches(inputs: npt.NDArray[Any]) -> Iterator[tf.Tensor]:
    for rows in pieces(inputs):
        yield scaled(tf.constant(inputs[rows]))


def class_ids_of(version_dir: Path, images: Pixels) -> npt.NDArray[np.int64]:
    """Loads a version anew and returns its answers for uint8 [n, 28, 28], as int64 [n]."""
    return answers(version_dir, images)["class_ids"].astype(np.int64)


def evaluate(version_dir: Path, split: Split) -> Evaluation:
    """Evaluates a published version on `split`."""
    return Evaluation(answers(version_dir, split.images)["logits"].astype(np.float32), split.labels)
