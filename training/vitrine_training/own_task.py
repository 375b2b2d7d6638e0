"""Own data's task: a classifier for pictures of somebody's own, judged by parts of them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from vitrine_client.results.profiles.profile import FASHION_MNIST, ModelProfile
from vitrine_training.data.own.examples import Examples, OwnData
from vitrine_training.data.own.pictures.decoding import RESIZE
from vitrine_training.data.pieces import pieces
from vitrine_training.evaluation.metrics import Evaluation
from vitrine_training.fit.loop import Arrays, spread_rows
from vitrine_training.fit.verdict import Guessing
from vitrine_training.models.networks import ImageSpec
from vitrine_training.tasks import Classification

_FLAT = 1e-3  # a standard deviation of pixels that is no less, so that flat pictures divide by it


@dataclass(frozen=True)
class OwnClassification(Classification):
    """Data of somebody's own, in parts, and the `fit` by which a picture gets its size.

    `told` is the card's member `own_data`: `source`, `fit`, `pictures` by part, and `notes`.
    """

    fit: str = "pad"
    told: Mapping[str, Any] | None = None

    @classmethod
    def of_own(cls, data: OwnData, fit: str) -> "OwnClassification":
        """Returns the task that own data sets, which has the parts train, validation and test."""
        train, validation, test = (data.parts[name] for name in ("train", "validation", "test"))
        return cls(
            train=_arrays(train),
            validation=_arrays(validation),
            checksums=dict(data.checksums),
            labels=list(data.classes),
            input_shape=list(train.images.shape[1:]),
            output="logits",
            test=_arrays(test),
            pictures=0,
            fit=fit,
            told={
                "source": data.source,
                "fit": fit,
                "pictures": {name: len(part) for name, part in data.parts.items()},
                "notes": list(data.notes),
            },
        )

    @property
    def images(self) -> ImageSpec:
        """Images of the data's shape, with the statistics of those to train on."""
        mean, stddev = _pixel_statistics(self.train[0])
        return ImageSpec(tuple(self.input_shape), len(self.labels), mean, stddev)

    @property
    def guessing(self) -> Guessing:
        """That of answers that know how often each class comes, and no more."""
        counts = np.bincount(self.train[1], minlength=len(self.labels))
        shares = counts[counts > 0] / counts.sum()
        return Guessing(loss=-float(np.sum(shares * np.log(shares))), accuracy=float(shares.max()))

    @property
    def curve_rows(self) -> npt.NDArray[np.int64]:
        """Rows that are evenly spread: they are in the order of their classes."""
        return spread_rows(len(self.train[1]), len(self.validation[1]))

    @property
    def profile(self) -> ModelProfile:
        """Pictures of the data's shape, fitted as its files were."""
        sources = FASHION_MNIST.sources
        shape = tuple(self.input_shape)
        return ModelProfile(shape=shape, fit=self.fit, resize=RESIZE, sources=sources)

    @property
    def about_data(self) -> dict[str, Any]:
        """What the data is, and what was left out of it."""
        return {**super().about_data, "own_data": dict(self.told or {})}

    def robustness(self, served: keras.Model) -> dict[str, Any]:
        """Nothing: hard pictures are drawn of clothes."""
        del served
        return {}

    def baseline(self, validation: Evaluation) -> dict[str, Any]:
        """Returns a server's baseline for drift, or why there is none."""
        try:
            return super().baseline(validation)
        except ValueError as error:
            return {"not_watched": str(error)}


def _arrays(examples: Examples) -> Arrays:
    return examples.images, examples.labels


def _pixel_statistics(images: np.ndarray[Any, np.dtype[np.uint8]]) -> tuple[float, float]:
    """Returns the mean and the standard deviation of pixels in 0..1: sums of whole numbers, so that
    they do not depend on an order."""
    levels = np.arange(256, dtype=np.float64)
    counts = np.zeros(256, np.int64)
    for rows in pieces(images):
        counts += np.bincount(images[rows].reshape(-1), minlength=256)
    size = math.prod(images.shape)
    mean = float(counts @ levels) / size
    square = float(counts @ levels**2) / size
    return mean / 255, max(math.sqrt(max(square - mean**2, 0.0)) / 255, _FLAT)
