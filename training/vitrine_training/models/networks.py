"""The models of the text, as Keras models that a reader of its chapters recognises.

Classifiers take images, float32 [n, 28, 28] with 0 for black and 1 for white, or of the shape that
somebody's own data has, and return logits, float32 [n, classes]. Every random number comes from
`seed`, so that equal seeds give equal models.
"""

from collections.abc import Callable, Iterator
from itertools import count
from typing import NamedTuple

import keras

from vitrine_training.data.fashion_mnist import LABELS, LINEAR_FEATURES, SIDE
from vitrine_training.models.layers import Convolution, Dropout
from vitrine_training.models.recipes import Recipe


class ImageSpec(NamedTuple):
    """Images that a classifier is for: their `shape`, [h, w] or [h, w, 3], the number of `classes`,
    and the mean and the standard deviation of the training images' pixels, scaled to 0..1. The
    defaults are those of Fashion-MNIST."""

    shape: tuple[int, ...] = (SIDE, SIDE)
    classes: int = len(LABELS)
    pixel_mean: float = 0.2860
    pixel_stddev: float = 0.3530


FASHION_MNIST = ImageSpec()

MOST_POOLED = 8
"""Pixels of each side that the poolings of `convnet` leave, at most: large pictures are pooled in
larger steps, or their first dense layer would be most of the network."""


def linear(recipe: Recipe, seed: int, spec: ImageSpec = FASHION_MNIST) -> keras.Model:
    """Linear regression: one affine map of the features, float32 [n, 2], to a value [n, 1]."""
    del spec  # it has no images
    return keras.Sequential(
        [keras.Input([LINEAR_FEATURES]), _dense(1, recipe, seed)],
        name="linear",
    )


def softmax(recipe: Recipe, seed: int, spec: ImageSpec = FASHION_MNIST) -> keras.Model:
    """Softmax regression: one affine map of the pixels."""
    return keras.Sequential(
        [
            keras.Input(spec.shape),
            keras.layers.Flatten(),
            *_normalised(recipe, spec),
            _dense(spec.classes, recipe, seed),
        ],
        name="softmax",
    )


def mlp(recipe: Recipe, seed: int, spec: ImageSpec = FASHION_MNIST) -> keras.Model:
    """Multilayer perceptron: affine maps with an activation between them."""
    return keras.Sequential(
        [
            keras.Input(spec.shape),
            keras.layers.Flatten(),
            *_normalised(recipe, spec),
            *_hidden_layers(recipe, seed),
            _dense(spec.classes, recipe, 100 * seed),
        ],
        name="mlp",
    )


class MLP(keras.Model):
    """The same network as `mlp`, written as a class."""

    def __init__(self, recipe: Recipe, seed: int, spec: ImageSpec = FASHION_MNIST) -> None:
        super().__init__(name="mlp")
        self.flatten = keras.layers.Flatten()
        self.hidden = [*_normalised(recipe, spec), *_hidden_layers(recipe, seed)]
        self.out = _dense(spec.classes, recipe, 100 * seed)

    def call(self, images: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Returns logits."""
        outputs = self.flatten(images)
        for layer in self.hidden:
            outputs = layer(outputs, training=training)
        return self.out(outputs)


def mlp_subclassed(recipe: Recipe, seed: int, spec: ImageSpec = FASHION_MNIST) -> keras.Model:
    """Returns an `MLP` whose weights are there already."""
    model = MLP(recipe, seed, spec)
    model(keras.ops.zeros([1, *spec.shape]))  # the first call makes them
    return model


def cnn(recipe: Recipe, seed: int, spec: ImageSpec = FASHION_MNIST) -> keras.Model:
    """Convolutional network, after LeNet (LeCun et al., 1998): convolutions whose strides shrink
    the image, then the layers of `mlp`."""
    return keras.Sequential(
        [
            keras.Input(spec.shape),
            keras.layers.Reshape([*spec.shape[:2], *(spec.shape[2:] or [1])]),
            *_normalised(recipe, spec),
            *_convolutions(recipe, seed),
            keras.layers.Flatten(),
            *_hidden_layers(recipe, seed),
            _dense(spec.classes, recipe, 100 * seed),
        ],
        name="cnn",
    )


def convnet(recipe: Recipe, seed: int, spec: ImageSpec = FASHION_MNIST) -> keras.Model:
    """Convolutional network of Keras' own layers: 3 by 3 convolutions, each with a max pooling,
    then the layers of `mlp`. The last pooling leaves at most `MOST_POOLED` of each side."""
    return keras.Sequential(
        [
            keras.Input(spec.shape),
            keras.layers.Reshape([*spec.shape[:2], *(spec.shape[2:] or [1])]),
            *_normalised(recipe, spec),
            *_pooled_convolutions(recipe, seed, spec.shape[:2]),
            keras.layers.Flatten(),
            *_hidden_layers(recipe, seed),
            _dense(spec.classes, recipe, 100 * seed),
        ],
        name="convnet",
    )


Builder = Callable[[Recipe, int, ImageSpec], keras.Model]

MODELS: dict[str, Builder] = {
    "linear": linear,
    "softmax": softmax,
    "mlp": mlp,
    "mlp-subclassed": mlp_subclassed,
    "cnn": cnn,
    "convnet": convnet,
}
"""Builders, from a recipe, a seed and the images, by the architecture that recipes name."""


def _normalised(recipe: Recipe, spec: ImageSpec) -> list[keras.layers.Layer]:
    if not recipe.normalise:
        return []
    mean, stddev = spec.pixel_mean, spec.pixel_stddev
    return [keras.layers.Rescaling(1 / stddev, offset=-mean / stddev)]


def _convolutions(recipe: Recipe, seed: int) -> Iterator[keras.layers.Layer]:
    """The first kernel is 5 by 5 with a stride of 3, the others are 3 by 3 with a stride of 2."""
    for number, filters in enumerate(recipe.filters):
        side, stride = (3, 2) if number else (5, 3)
        yield Convolution(filters, side, stride, seed=100 * seed + 50 + number)
        yield keras.layers.Activation(recipe.activation)


def _pooled_convolutions(
    recipe: Recipe, seed: int, sides: tuple[int, ...]
) -> Iterator[keras.layers.Layer]:
    """Pools before the activation, which gives the same in less time: none of ours ever falls."""
    for number, filters in enumerate(recipe.filters):
        initializer = keras.initializers.HeNormal(seed=100 * seed + 50 + number)
        yield keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer=initializer)
        pool = [_pool(side, len(recipe.filters) - number) for side in sides]
        if max(pool) > 1:
            yield keras.layers.MaxPooling2D(pool)
        sides = tuple(side // size for side, size in zip(sides, pool, strict=True))
        yield keras.layers.Activation(recipe.activation)


def _pool(side: int, poolings: int) -> int:
    """Returns the size of the next pooling of a side: 2, or as much more as each of so many needs
    to leave `MOST_POOLED` of it; 1 where there is nothing to pool."""
    size = next(size for size in count(2) if MOST_POOLED * size**poolings >= side)
    return min(size, side)


def _hidden_layers(recipe: Recipe, seed: int) -> Iterator[keras.layers.Layer]:
    for number, units in enumerate(recipe.hidden_units, start=1):
        own_seed = 100 * seed + number
        yield _dense(units, recipe, own_seed)
        if recipe.batch_norm:
            yield keras.layers.BatchNormalization()
        yield keras.layers.Activation(recipe.activation)
        if recipe.dropout:
            yield Dropout(recipe.dropout, own_seed)


def _dense(units: int, recipe: Recipe, seed: int) -> keras.layers.Dense:
    initializers = {
        "normal": lambda: keras.initializers.RandomNormal(stddev=0.01, seed=seed),
        "zeros": keras.initializers.Zeros,
        "glorot": lambda: keras.initializers.GlorotUniform(seed=seed),
        "he": lambda: keras.initializers.HeNormal(seed=seed),
    }
    return keras.layers.Dense(units, kernel_initializer=initializers[recipe.initializer]())
