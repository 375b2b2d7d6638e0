"""Version directory: the SavedModel with its signatures, its card, its warm-up.

| signature | inputs | outputs |
|---|---|---|
| `serving_default` | `images` float32 [n, 28, 28], 0..1 | `probabilities` float32 [n, 10], `logits` float32 [n, 10], `class_ids` int64 [n] |
| `serve_bytes` | `image_bytes` string [n], PNG, JPEG, GIF or BMP | the same |
| `classify` | `inputs` string [n], tf.Example with `images`, 784 floats | `classes` string [n, 10], `scores` float32 [n, 10] |
| `explain` | `images` float32 [n, 28, 28], `class_ids` int64 [n], -1 for the answered class | `attributions` float32 [n, 28, 28], `class_ids` int64 [n], `probabilities` float32 [n, 10] |
| `describe` | `keys` string [n]: `labels`, `card`, `profile` | `values` string [n], JSON; "" for other keys |

A regression has `serving_default` from `features` float32 [n, d] to `values` float32 [n, 1],
`regress` from tf.Examples with `features` to `outputs` float32 [n, 1], and `describe`, with an
empty list of labels and no profile.

A model that was imported has the same signatures, with pictures as its profile has them
(`signatures`); `imports` says which of them it may lack.
"""  # noqa: E501

from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from vitrine_client.results.profiles.profile import FASHION_MNIST, ModelProfile
from vitrine_training.evaluation.explain import ANSWERED
from vitrine_training.evaluation.metrics import answers, outputs_of
from vitrine_training.fit.augment import scaled
from vitrine_training.publish import archive
from vitrine_training.publish.archive import WARM_UP_ROWS, Card, Request
from vitrine_training.publish.signatures import (
    IMAGE_BYTES,
    Endpoints,
    Outputs,
    ServedClassifier,
    describe,
)


def write_version(
    directory: Path,
    model: keras.Model,
    card: Card,
    examples: npt.NDArray[Any],
    profile: ModelProfile | None = FASHION_MNIST,
) -> None:
    """Writes a whole version directory; `examples` are inputs to warm up with, of which 32 are
    used.

    Raises `OSError` where it cannot be written.
    """
    if card["labels"]:
        pictures = profile or FASHION_MNIST
        classifier = ServedClassifier(model, "logits", pictures, card["labels"])
        endpoints = classifier.endpoints(card)
        requests = warm_up(classifier, endpoints, examples, scaled(tf.constant(examples)))
    else:
        endpoints = _regression(model, card)
        requests = [
            ("serving_default", {"features": tf.constant(examples[:count])})
            for count in WARM_UP_ROWS
        ]
    archive.write(directory, endpoints, card, requests)


def check_version(
    directory: Path, model: keras.Model, output: str, inputs: npt.NDArray[Any]
) -> None:
    """Loads the written version, replays its warm-up records, and compares its answers to
    `inputs` with those of `model`. Raises `ExportError`."""
    expected = outputs_of(model, inputs)
    archive.check(directory, output, expected, lambda: answers(directory, inputs)[output])


def warm_up(
    classifier: ServedClassifier,
    endpoints: Endpoints,
    levels: npt.NDArray[Any],
    images: tf.Tensor,
) -> list[Request]:
    """Returns the requests that a model server runs before it serves a classifier, of 32 pictures:
    their levels, uint8 [n, ...], and as the model takes them."""
    name = classifier.profile.input
    found: list[Request] = [("serving_default", {name: images[:count]}) for count in WARM_UP_ROWS]
    if "serve_bytes" in endpoints:
        first = levels[0] if levels.ndim == 4 else levels[0][..., np.newaxis]
        found.append(("serve_bytes", {IMAGE_BYTES: tf.io.encode_png(first)[tf.newaxis]}))
    if "explain" in endpoints:
        asked = tf.constant([ANSWERED], tf.int64)
        found.append(("explain", {name: images[:1], "class_ids": asked}))
    return found


def _regression(model: keras.Model, card: Card) -> Endpoints:
    shape = card["input_shape"]

    def serving_default(features: tf.Tensor) -> Outputs:
        return {"values": model(features)}

    def regress(inputs: tf.Tensor) -> Outputs:
        features = {"features": tf.io.FixedLenFeature(shape, tf.float32)}
        return {"outputs": model(tf.io.parse_example(inputs, features)["features"])}

    features = tf.TensorSpec([None, *shape], tf.float32, name="features")
    return {
        "serving_default": (serving_default, [features]),
        "regress": (regress, [tf.TensorSpec([None], tf.string, name="inputs")]),
        "describe": describe([], card, None),
    }
