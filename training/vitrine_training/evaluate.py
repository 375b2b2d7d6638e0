"""How good a published model is: what its SavedModel answers for images it has not seen."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from vitrine_training.data import Split


@dataclass(frozen=True)
class Evaluation:
    """Accuracy, and the confusion matrix, int64 [10, 10], true classes in rows."""

    accuracy: float
    confusion: npt.NDArray[np.int64]

    @property
    def recall(self) -> npt.NDArray[np.float64]:
        """For each class, the share of its images that were recognised, [10]."""
        recognised: npt.NDArray[np.float64] = np.diag(self.confusion) / self.confusion.sum(axis=1)
        return recognised

    @property
    def precision(self) -> npt.NDArray[np.float64]:
        """For each class, the share of its answers that were right, [10]; nan if never answered."""
        with np.errstate(invalid="ignore"):
            right: npt.NDArray[np.float64] = np.diag(self.confusion) / self.confusion.sum(axis=0)
        return right


def class_ids_of(version_dir: Path, images: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Loads the SavedModel anew and returns its answers for uint8 [n, 28, 28], as int64 [n]."""
    loaded = tf.saved_model.load(str(version_dir))
    outputs = loaded.signatures["serving_default"](tf.constant(images, tf.float32) / 255.0)
    answers: npt.NDArray[np.int64] = outputs["class_ids"].numpy()
    return answers


def evaluate(version_dir: Path, split: Split) -> Evaluation:
    """Evaluates the model in a version directory on `split`."""
    answers = class_ids_of(version_dir, split.images)
    classes = int(max(split.labels.max(), answers.max())) + 1
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (split.labels, answers), 1)
    return Evaluation(float(np.mean(answers == split.labels)), confusion)
