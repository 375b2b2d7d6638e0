"""The models of the text, as Keras models that a reader of its chapters recognises.

Every model takes images, float32 [n, 28, 28] with 0 for black and 1 for white, and returns logits,
float32 [n, 10].
"""

from collections.abc import Callable

import keras

from vitrine_training.data import LABELS
from vitrine_training.recipes import Recipe


def _dense(units: int, recipe: Recipe, activation: str | None = None) -> keras.layers.Dense:
    initializer = keras.initializers.RandomNormal(stddev=recipe.init_stddev)
    return keras.layers.Dense(units, activation=activation, kernel_initializer=initializer)


def softmax(recipe: Recipe) -> keras.Model:
    """Softmax regression: one affine map of the 784 pixels."""
    return keras.Sequential(
        [
            keras.Input([28, 28]),
            keras.layers.Flatten(),
            _dense(len(LABELS), recipe),
        ],
        name="softmax",
    )


def mlp(recipe: Recipe) -> keras.Model:
    """Multilayer perceptron: affine maps with an activation between them."""
    hidden = [_dense(units, recipe, recipe.activation) for units in recipe.hidden_units]
    return keras.Sequential(
        [
            keras.Input([28, 28]),
            keras.layers.Flatten(),
            *hidden,
            _dense(len(LABELS), recipe),
        ],
        name="mlp",
    )


MODELS: dict[str, Callable[[Recipe], keras.Model]] = {"softmax": softmax, "mlp": mlp}
"""Builders by the name that recipes call them by."""
