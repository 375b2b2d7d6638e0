"""Keras models of others, in memory: Sequential, functional or subclassed, of Keras 3 or older."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from vitrine_client.results.profiles.completion import ProfileLayer, Signatures
from vitrine_training.imports import ImportRefused, tensor_json
from vitrine_training.publish.signatures import IMAGES, SERVING
from vitrine_training.publish.wholeness import first_line

OUTPUT = "output"

MODEL = "model"
"""Source of members of a profile: the layers of a model."""

_RESCALINGS = (1 / 255, 1 / 127.5)

_KEEPS_LEVELS = (
    keras.layers.InputLayer,
    keras.layers.Identity,
    keras.layers.Resizing,
    keras.layers.CenterCrop,
    keras.layers.ZeroPadding2D,
    keras.layers.Cropping2D,
    keras.layers.Reshape,
    keras.layers.Permute,
    keras.layers.Dropout,
    keras.layers.GaussianNoise,
)
"""Layers after which levels are what they were, if others or elsewhere."""


class KerasModel:
    """A Keras model, which is called with `training=False`, so that random layers are off."""

    format = "Keras"
    repair = "it calls layers with `training=True`: take that out of its code, and save it again"
    held = None

    def __init__(self, model: keras.Model) -> None:
        """Raises `ImportRefused` where nobody knows what it takes, or it cannot be called."""
        self._model = model
        spec = _spec(model)
        try:
            traced = tf.function(self._outputs).get_concrete_function(spec)
        except Exception as error:  # of the model's own code
            raise ImportRefused(f"the model cannot be called: {first_line(error)}") from error
        self.signatures: Signatures = {
            SERVING: tensor_json.signature({IMAGES: spec}, traced.structured_outputs)
        }
        scaling = _rescaled(model)
        self.layers = [ProfileLayer(MODEL, {"scaling": scaling})] if scaling else []

    def function(self, signature: str, name: str, output: str) -> Callable[[tf.Tensor], tf.Tensor]:
        """Returns the function from its input to one of its outputs."""
        del signature, name
        return lambda images: self._outputs(images)[output]

    def logits(self) -> Callable[[tf.Tensor], tf.Tensor] | None:
        """Returns the function from its input to the numbers that its last layer makes
        probabilities of by softmax; None where that is not how it ends."""
        model = self._model
        try:
            last = model.layers[-1]
            ends = last.output is model.outputs[0] and len(model.outputs) == 1
            before = keras.Model(model.inputs, last.input) if ends else None
        except (AttributeError, IndexError, ValueError):  # of subclassed models, and odd ones
            return None
        if before is None or last.compute_dtype != "float32":
            return None
        softmax = keras.activations.softmax
        if isinstance(last, keras.layers.Softmax) and last.axis in (-1, 1):
            return lambda images: before(images, training=False)
        if getattr(last, "activation", None) is not softmax:
            return None
        if isinstance(last, keras.layers.Activation):
            return lambda images: before(images, training=False)
        if not isinstance(last, keras.layers.Dense) or type(last) is not keras.layers.Dense:
            return None
        return lambda images: _dense(last, before(images, training=False))

    def _outputs(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        answered = self._model(images, training=False)
        if isinstance(answered, Mapping):
            return {str(name): each for name, each in answered.items()}
        if isinstance(answered, list | tuple):
            names = getattr(self._model, "output_names", None) or []
            if len(names) != len(answered) or len(set(names)) != len(names):
                names = [f"{OUTPUT}_{place}" for place in range(len(answered))]
            return dict(zip(names, answered, strict=True))
        return {OUTPUT: answered}


def _dense(layer: keras.layers.Dense, features: tf.Tensor) -> tf.Tensor:
    """Returns what a dense layer has before its activation."""
    found = keras.ops.matmul(features, layer.kernel)
    return found if layer.bias is None else keras.ops.add(found, layer.bias)


def _spec(model: keras.Model) -> tf.TensorSpec:
    """Returns the only input of a model, with any number of rows."""
    inputs = getattr(model, "inputs", None)
    if inputs and len(inputs) > 1:
        names = ", ".join(f"`{each.name}` {list(each.shape[1:])}" for each in inputs[:8])
        raise ImportRefused(f"the model takes {names}, and not one picture")
    if inputs:
        return tf.TensorSpec([None, *inputs[0].shape[1:]], inputs[0].dtype, name=IMAGES)
    shape = (model.get_build_config() or {}).get("input_shape")
    if not isinstance(shape, list | tuple) or not all(
        size is None or isinstance(size, int) for size in shape
    ):
        raise ImportRefused(
            "nobody knows the shape that the model takes, as it was never called: call it with a "
            "picture, and save it again"
        )
    return tf.TensorSpec([None, *shape[1:]], tf.float32, name=IMAGES)


def _rescaled(model: keras.Model) -> str | None:
    """Returns the scaling of pictures for a model that scales levels itself, before any layer but
    those that leave them as they are, and however deep in models of its."""
    layers: list[Any] = list(getattr(model, "layers", []))
    while layers:
        first = layers.pop(0)
        if isinstance(first, _KEEPS_LEVELS) or "Random" in type(first).__name__:
            continue
        if isinstance(first, keras.Model):
            layers = [*first.layers, *layers]
            continue
        scale = getattr(first, "scale", None) if isinstance(first, keras.layers.Rescaling) else None
        if isinstance(scale, float) and any(
            math.isclose(scale, each, rel_tol=1e-3) for each in _RESCALINGS
        ):
            return "0..255"
        return None
    return None
