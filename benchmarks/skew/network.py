"""A small convolutional network that is trained with the pixels of a pipeline."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
from keras import layers

from benchmarks.skew.pipelines import FloatLevels, Pipeline
from vitrine_client.images.preprocessing import model_input
from vitrine_client.results.profiles.profile import ModelProfile


class Skew(NamedTuple):
    """Difference between the pixels that a model was trained with and those that it is served: the
    mean and the largest, in levels of 255; the number of photos whose class is another; and the
    share of photos whose class is right."""

    mean: float
    largest: float
    changed: int
    accuracy: float


class Trained:
    """A network that was trained with what a pipeline makes of photos, and what it answers to other
    photos that the same pipeline reads; `accuracy` is the share that is right."""

    def __init__(
        self,
        pipeline: Pipeline,
        train: Sequence[Path],
        test: Sequence[Path],
        side: int,
        epochs: int,
    ) -> None:
        self._network = _network(side)
        self._network.fit(
            pipeline.read(train, side) / 255,
            _labels(train),
            batch_size=32,
            epochs=epochs,
            verbose=0,
        )
        self._numbers = pipeline.read(test, side) / 255
        self._labels = _labels(test)
        self._classes = self._ask(self._numbers)
        self.accuracy = float(np.mean(self._classes == self._labels))

    def skew(self, levels: FloatLevels, profile: ModelProfile) -> Skew:
        """Returns how the same photos fare as they are served by a profile."""
        numbers = model_input(levels, profile)
        difference = 255 * np.abs(numbers - self._numbers)
        classes = self._ask(numbers)
        return Skew(
            float(difference.mean()),
            float(difference.max()),
            int(np.count_nonzero(classes != self._classes)),
            float(np.mean(classes == self._labels)),
        )

    def _ask(self, numbers: npt.NDArray[np.floating]) -> npt.NDArray[np.integer]:
        return np.argmax(self._network.predict(numbers, verbose=0), axis=1)


def _labels(paths: Sequence[Path]) -> npt.NDArray[np.integer]:
    return np.array([int(path.parent.name) for path in paths])


def _network(side: int) -> keras.Model:
    network = keras.Sequential([keras.Input((side, side, 3))])
    for filters in (16, 32, 64):
        network.add(layers.Conv2D(filters, 3, padding="same", activation="relu"))
        network.add(layers.MaxPooling2D())
    network.add(layers.Flatten())
    network.add(layers.Dropout(0.3))
    network.add(layers.Dense(10))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile("adam", loss)
    return network
