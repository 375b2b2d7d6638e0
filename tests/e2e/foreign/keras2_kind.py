"""Foreign export by Keras 2: by `tf_keras` where that is installed, else a module with the names
that it gives."""

import importlib.util
from typing import Any

import numpy as np
import tensorflow as tf

from tests.e2e.foreign import preparing
from tests.e2e.foreign.networks import Linear, fitted_to
from tests.e2e.foreign.pictures import Pictures
from tests.e2e.foreign.spec import Export

VERSION = 1700000000
"""As its `export` of estimators and many scripts number versions: by the time."""

IS_INSTALLED = importlib.util.find_spec("tf_keras") is not None


def keras2(rows: Pictures) -> Export:
    """Returns the export of a network that takes rows with an axis of channels."""
    prepare = preparing.row_with_axis
    save, answer = _by_tf_keras(rows) if IS_INSTALLED else _imitated(rows)
    return Export(
        save=save,
        answer=lambda images: np.asarray(answer(images)),
        pictures=rows,
        prepare=prepare,
        inputs={"conv2d_input": np.round(prepare(rows.pixels[1])[None], 2)},
        profile={"input": "conv2d_input", "output": "dense", "fit": "item"},
        version=VERSION,
    )


def _by_tf_keras(rows: Pictures) -> tuple[Any, Any]:
    import tf_keras

    tf_keras.utils.set_random_seed(5)
    convolution = tf_keras.layers.Conv2D(
        4, 5, strides=2, activation="relu", input_shape=(28, 28, 1), name="conv2d"
    )
    dense = tf_keras.layers.Dense(10, activation="softmax", name="dense")
    body = tf_keras.Sequential([convolution, tf_keras.layers.Flatten()])
    model = tf_keras.Sequential([*body.layers, dense])
    dense.set_weights(fitted_to(body, rows, preparing.row_with_axis, 10))
    return lambda target: model.save(target, save_format="tf"), model


def _imitated(rows: Pictures) -> tuple[Any, Any]:
    model = Linear(rows, preparing.row_with_axis)

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28, 1], tf.float32, "conv2d_input")])
    def serve(conv2d_input: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"dense": tf.nn.softmax(model.logits(conv2d_input))}

    def save(target: str) -> None:
        tf.saved_model.save(model, target, {"serving_default": serve})

    return save, lambda images: tf.nn.softmax(model.logits(images))
