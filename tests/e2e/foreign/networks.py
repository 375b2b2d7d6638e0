"""Networks of the foreign models: fixed filters, and a head that is fitted in closed form."""

import itertools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tests.e2e.foreign.pictures import Array, Pictures
from tests.e2e.foreign.preparing import Prepare

Features = Any
"""Callable that returns features of a batch, [n, d]."""

MOST = 3.0
"""Logit of a picture's class, when others have -1 to 1; more where there are many."""

APART = 4e-3
"""How far the answers to two pictures are apart, at least."""

_SEEDS = itertools.count()
"""So that no two models answer the same."""


def convolution(shape: tuple[int | None, ...], dtype: str = "float32", *more: Any) -> keras.Model:
    """Returns a network of fixed random filters, from pictures of a shape to features; the layers
    `more` come first."""
    keras.utils.set_random_seed(7)
    inputs = keras.Input(shape, dtype=dtype)
    value = inputs
    for layer in more:
        value = layer(value)
    side = shape[0] or 0
    stride = 4 if side > 64 or not side else 2
    filters = 8 if side else 128
    value = keras.layers.Conv2D(filters, 5, strides=stride, padding="same", activation="relu")(
        value
    )
    pooled = keras.layers.Flatten() if side else keras.layers.GlobalAveragePooling2D()
    return keras.Model(inputs, pooled(value))


def fitted(features: Array, pictures: Pictures, classes: int) -> tuple[Array, Array]:
    """Returns weights [d, classes] and a bias by which the logit of each picture's class stands
    out, and no two pictures are answered the same. By ridge regression in its dual form: there are
    more features than pictures."""
    count = len(features)
    wanted = _logits(pictures, classes)
    mean = features.mean(axis=0, dtype=np.float64)
    centred = features - mean
    gram = centred @ centred.T
    gram += 1e-4 * np.trace(gram) / count * np.eye(count)
    weights = centred.T @ np.linalg.solve(gram, wanted - wanted.mean(axis=0))
    return weights.astype(np.float32), (wanted.mean(axis=0) - mean @ weights).astype(np.float32)


def _logits(pictures: Pictures, classes: int) -> Array:
    count, random = len(pictures.pixels), np.random.default_rng(next(_SEEDS))
    if classes == 1:
        return random.permutation(np.linspace(-MOST, MOST, count))[:, None]
    most = MOST + np.log(max(classes, 10) / 10)
    while True:
        wanted = random.uniform(-1, 1, (count, classes))
        wanted[np.arange(count), np.array(pictures.classes) % classes] += most
        answers = np.asarray(tf.nn.softmax(wanted))
        apart = [np.abs(answers[i + 1 :] - answers[i]).max(1).min() for i in range(count - 1)]
        if min(apart) > APART:
            return wanted


def fitted_to(
    body: Features, pictures: Pictures, prepare: Prepare, classes: int, *, alone: bool = False
) -> tuple[Array, Array]:
    """Returns weights and bias of a head on a body, which is asked about all pictures at once, or
    about each `alone`."""
    features = asked(body, [prepare(pixels) for pixels in pictures.pixels], alone=alone)
    return fitted(features.astype(np.float64), pictures, classes)


def asked(model: Features, prepared: list[Array], *, alone: bool) -> Array:
    """Returns what a model answers, [n, ...]."""
    if not alone:
        return np.asarray(model(np.stack(prepared)))
    return np.concatenate([np.asarray(model(each[None])) for each in prepared])


def head(
    body: keras.Model,
    pictures: Pictures,
    prepare: Prepare,
    classes: int = 10,
    activation: str | None = "softmax",
) -> keras.layers.Layer:
    """Returns the last layer of a network, with its weights."""
    alone = None in body.input_shape[1:]
    dense = keras.layers.Dense(classes, activation=activation)
    dense.build((None, body.output_shape[-1]))
    dense.set_weights(fitted_to(body, pictures, prepare, classes, alone=alone))
    return dense


class Linear(tf.Module):
    """Model without Keras: levels of a picture, reduced to a shape, times weights."""

    def __init__(
        self,
        pictures: Pictures,
        prepare: Prepare,
        classes: int = 10,
        divisor: float = 1,
    ) -> None:
        super().__init__()
        self._divisor = divisor
        weights, bias = fitted_to(self._features, pictures, prepare, classes)
        self.weights, self.bias = tf.Variable(weights), tf.Variable(bias)

    def logits(self, images: tf.Tensor) -> tf.Tensor:
        """Returns logits, [n, classes]."""
        return self._features(images) @ self.weights + self.bias

    def _features(self, images: tf.Tensor) -> tf.Tensor:
        levels = tf.cast(images, tf.float32) / self._divisor
        return tf.reshape(levels, [tf.shape(levels)[0], -1])
