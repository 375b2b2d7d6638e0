"""Tasks: the steps from data to a version in which classification and regression differ."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Self

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from vitrine_client.results.profiles.profile import FASHION_MNIST, ModelProfile
from vitrine_training.data import fashion_mnist as data
from vitrine_training.data.feedback.learning import BaseData, Learning
from vitrine_training.evaluation import drift_baseline, robustness
from vitrine_training.evaluation.metrics import (
    Evaluation,
    at_bound,
    best_temperature,
    outputs_of,
    rounded,
)
from vitrine_training.fit.loop import Arrays, Epoch
from vitrine_training.fit.verdict import Guessing
from vitrine_training.models.layers import Averaged
from vitrine_training.models.networks import ImageSpec
from vitrine_training.models.recipes import Recipe

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Task(ABC):
    """Data, and how answers to it are judged. `output` is the one of `serving_default` that counts.

    `checksums`, `labels` and `input_shape` go into the card as they are. `feedback` is what people
    flagged, if that is in `train`.
    """

    train: Arrays
    validation: Arrays
    checksums: dict[str, str]
    labels: list[str]
    input_shape: list[int]
    output: str
    feedback: Learning | None = field(default=None, kw_only=True)

    @property
    @abstractmethod
    def guessing(self) -> Guessing:
        """The level of answers that do not look at the inputs."""

    @property
    @abstractmethod
    def profile(self) -> ModelProfile | None:
        """Profile of the published form, None where it takes no pictures."""

    @property
    def images(self) -> ImageSpec:
        """Images that a model is built for; those of Fashion-MNIST, which a regression lets be."""
        return ImageSpec()

    @property
    def curve_rows(self) -> npt.NDArray[np.int64]:
        """Rows of the training part that its curve is drawn by, as many as there are to validate:
        the first ones, as the built-in data is in no order."""
        return np.arange(min(len(self.train[1]), len(self.validation[1])), dtype=np.int64)

    @property
    def flagged(self) -> "Task | None":
        """Task that is judged by the flagged pictures; None without feedback."""
        return None

    @property
    def about_data(self) -> dict[str, Any]:
        """The card's members on where the data is from, beside its checksums."""
        return {"feedback": dict(self.feedback.card)} if self.feedback else {}

    def validation_outputs(self, call: Callable[[tf.Tensor], tf.Tensor]) -> Floats:
        """Returns what `call` answers to the validation inputs."""
        return outputs_of(call, self.validation[0])

    @abstractmethod
    def served(self, model: keras.Model, recipe: Recipe) -> keras.Model:
        """Returns the published form of a trained model; chooses on validation data alone."""

    @abstractmethod
    def score(self, outputs: Floats) -> float:
        """Returns how good answers to the validation inputs are; more is better."""

    @abstractmethod
    def in_words(self, score: float) -> str:
        """Returns the meaning of a score in words."""

    @abstractmethod
    def findings(self, served: keras.Model, outputs: Floats, kept: Epoch) -> dict[str, Any]:
        """Returns the card's members that say how good `served` is; `outputs` are its answers to
        the validation inputs. Looks at the test set, so it comes after the last choice."""


@dataclass(frozen=True)
class Classification(Task):
    """Fashion-MNIST; robustness is measured with `pictures` hard pictures of each kind."""

    test: Arrays
    pictures: int = robustness.PICTURES

    @classmethod
    def of(cls, dataset: data.Dataset, pictures: int = robustness.PICTURES) -> "Classification":
        """Returns the task that a data set sets."""
        train, validation, test = (
            (split.images, split.labels)
            for split in (dataset.train, dataset.validation, dataset.test)
        )
        return cls(
            train=train,
            validation=validation,
            checksums=dataset.checksums,
            labels=list(data.LABELS),
            input_shape=[data.SIDE, data.SIDE],
            output="logits",
            test=test,
            pictures=pictures,
        )

    @property
    def base(self) -> BaseData:
        """Data that feedback is added to."""
        return BaseData(self.labels, self.train, (self.validation[0], self.test[0]))

    def taught(self, learning: Learning) -> Self:
        """Returns the task with feedback in its training part alone."""
        checksums = self.checksums | {"feedback": learning.card["rows_sha256"]}
        return replace(self, train=learning.train, checksums=checksums, feedback=learning)

    @property
    def flagged(self) -> Self | None:
        """Task that is judged by the flagged pictures; None without feedback."""
        if self.feedback is None:
            return None
        examples = self.feedback.examples
        return replace(self, validation=(examples.images, examples.labels))

    @cached_property
    def sample(self) -> robustness.RobustnessSample:
        """Sample for robustness, drawn once for all models; it takes seconds."""
        return robustness.draw(data.Split(*self.test), self.pictures)

    @property
    def guessing(self) -> Guessing:
        """That of classes which are as likely."""
        return Guessing(loss=math.log(len(self.labels)), accuracy=1 / len(self.labels))

    @property
    def profile(self) -> ModelProfile:
        """That of Fashion-MNIST."""
        return FASHION_MNIST

    def served(self, model: keras.Model, recipe: Recipe) -> keras.Model:
        """Averages over views as the recipe says, then calibrates."""
        averaged = Averaged(model, over=recipe.average_over)
        images, labels = self.validation
        temperature = best_temperature(outputs_of(averaged, images), labels)
        return Averaged(model, over=recipe.average_over, temperature=temperature)

    def score(self, outputs: Floats) -> float:
        """Returns the number of right answers."""
        return float((outputs.argmax(axis=1) == self.validation[1]).sum())

    def in_words(self, score: float) -> str:
        """Says how many of how many."""
        return f"{score:,.0f} of {len(self.validation[1]):,} validation images right"

    def findings(self, served: keras.Model, outputs: Floats, kept: Epoch) -> dict[str, Any]:
        """Returns metrics, figures by class, and a server's baseline for drift."""
        validation = Evaluation(outputs, self.validation[1])
        test = Evaluation(outputs_of(served, self.test[0]), self.test[1])
        uncalibrated = Evaluation(test.logits * served.temperature, test.labels)
        metrics = {
            "validation_accuracy": validation.accuracy,
            "validation_loss": validation.cross_entropy,
            "test_accuracy": test.accuracy,
            "test_loss": test.cross_entropy,
            "calibration_error": test.calibration_error,
            "calibration_error_uncalibrated": uncalibrated.calibration_error,
            "temperature": served.temperature,
        }
        return {
            "metrics": {"kept_epoch": kept.number}
            | rounded(metrics)
            | {"temperature_at_bound": at_bound(served.temperature)},
            "classes": test.by_class(self.labels),
            **self.robustness(served),
            **self.baseline(validation),
        }

    def robustness(self, served: keras.Model) -> dict[str, Any]:
        """Returns the card's member on items that are harder to recognise."""
        found = robustness.measure(
            self.sample, lambda images: outputs_of(served, images).argmax(axis=1), self.labels
        )
        return {"robustness": found}

    def baseline(self, validation: Evaluation) -> dict[str, Any]:
        """Returns the card's member by which a server notices drift. Raises `ValueError` where
        there are too few images for that."""
        images, labels = self.validation
        return {"baseline": drift_baseline.baseline(images, validation.probabilities, labels)}


@dataclass(frozen=True)
class Regression(Task):
    """The text's synthetic linear data."""

    @classmethod
    def of(cls, seed: int) -> "Regression":
        """Returns the task with the data that follows from `seed`."""
        train, validation = data.synthetic_linear(seed)
        return cls(
            train=(train.features, train.values),
            validation=(validation.features, validation.values),
            checksums={},
            labels=[],
            input_shape=[data.LINEAR_FEATURES],
            output="values",
        )

    @property
    def guessing(self) -> Guessing:
        """That of the mean value."""
        return Guessing(loss=float(np.var(self.train[1])) / 2, accuracy=None)

    @property
    def profile(self) -> None:
        """None: it takes numbers."""

    def served(self, model: keras.Model, recipe: Recipe) -> keras.Model:
        """Returns `model`."""
        del recipe
        return model

    def score(self, outputs: Floats) -> float:
        """Returns half the mean squared error, below zero."""
        return -float(np.mean(np.square(outputs - self.validation[1])) / 2)

    def in_words(self, score: float) -> str:
        """Says which loss it is."""
        return f"validation loss {-score:.3g}"

    def findings(self, served: keras.Model, outputs: Floats, kept: Epoch) -> dict[str, Any]:
        """Returns the loss, and the weights beside those that the data was made with."""
        kernel, bias = (variable.numpy() for variable in served.trainable_variables)
        weights, true_bias = data.LINEAR_TRUTH
        return {
            "metrics": {"kept_epoch": kept.number, "validation_loss": -self.score(outputs)},
            "weights": {"learned": kernel.ravel().tolist(), "true": list(weights)},
            "bias": {"learned": float(bias[0]), "true": true_bias},
        }
