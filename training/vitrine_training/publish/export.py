"""Version directory: the SavedModel with its signatures, its card, its warm-up.

| signature | inputs | outputs |
|---|---|---|
| `serving_default` | `images` float32 [n, 28, 28], 0..1 | `probabilities` float32 [n, 10], `logits` float32 [n, 10], `class_ids` int64 [n] |
| `serve_bytes` | `image_bytes` string [n], PNG, JPEG, GIF or BMP | the same |
| `classify` | `inputs` string [n], tf.Example with `images`, 784 floats | `classes` string [n, 10], `scores` float32 [n, 10] |
| `explain` | `images` float32 [n, 28, 28], `class_ids` int64 [n], -1 for the answered class | `attributions` float32 [n, 28, 28], `class_ids` int64 [n], `probabilities` float32 [n, 10] |
| `describe` | `keys` string [n]: `labels`, `card` | `values` string [n], JSON; "" for other keys |

A regression has `serving_default` from `features` float32 [n, d] to `values` float32 [n, 1],
`regress` from tf.Examples with `features` to `outputs` float32 [n, 1], and `describe`, with an
empty list of labels.
"""  # noqa: E501

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from vitrine_client.results import strict_json
from vitrine_training.evaluation.explain import ANSWERED, explained
from vitrine_training.evaluation.metrics import answers, outputs_of
from vitrine_training.fit.augment import scaled
from vitrine_training.publish import cards

Card = dict[str, Any]
"""The model card: plain JSON. `docs/training.md` lists its members."""

Outputs = dict[str, tf.Tensor]
Endpoints = dict[str, tuple[Callable[..., Outputs], list[tf.TensorSpec]]]

WARM_UP = Path("assets.extra/tf_serving_warmup_requests")
"""Where TensorFlow Serving looks for warm-up records."""

WARM_UP_ROWS = (1, 32)
"""Batch sizes that a model server runs once before it calls a version AVAILABLE."""

TOLERANCE = 1e-4
"""How far an output may differ between the model in memory and the one that was read back, and
where outputs are above 1 as a share of the largest: other kernels sum in another order."""

_METHODS = {
    "classify": tf.saved_model.CLASSIFY_METHOD_NAME,
    "regress": tf.saved_model.REGRESS_METHOD_NAME,
}


class ExportError(Exception):
    """The written version does not answer as the model in memory does."""


def write_version(
    directory: Path, model: keras.Model, card: Card, examples: npt.NDArray[Any]
) -> None:
    """Writes a whole version directory; `examples` are at least 32 inputs to warm up with.

    Raises `OSError` where it cannot be written.
    """
    # Without `archive.track(model)`, which would have each weight twice on the disk and in memory.
    archive = keras.export.ExportArchive()
    endpoints = _classifier(model, card) if card["labels"] else _regression(model, card)
    for name, (function, inputs) in endpoints.items():
        archive.add_endpoint(name, function, input_signature=inputs)
    try:
        archive.write_out(str(directory), verbose=False)
        _set_methods(directory)
        (directory / WARM_UP).parent.mkdir()
        (directory / cards.PATH).write_text(strict_json.dumps(card, indent=2) + "\n")
        _write_warm_up(directory / WARM_UP, card, examples)
    except tf.errors.OpError as error:  # a full disk, in TensorFlow's words
        raise OSError(f"{directory} cannot be written: {error.message}") from error


def check_version(
    directory: Path, model: keras.Model, output: str, inputs: npt.NDArray[Any]
) -> None:
    """Loads the written version, replays its warm-up records, and compares its answers to
    `inputs` with those of `model`. Raises `ExportError`."""
    loaded = tf.saved_model.load(str(directory))
    for record in tf.data.TFRecordDataset(str(directory / WARM_UP)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        tensors = {name: tf.constant(tf.make_ndarray(t)) for name, t in request.inputs.items()}
        loaded.signatures[request.model_spec.signature_name](**tensors)
    expected = outputs_of(model, inputs)
    gaps = np.abs(answers(directory, inputs)[output] - expected)
    if not gaps.max() <= TOLERANCE * max(1.0, np.abs(expected).max()):  # which NaN fails, too
        raise ExportError(
            f"The exported model answers otherwise than the trained one: {output} differ by up to "
            f"{gaps.max():g} on {len(inputs)} inputs; nothing was published"
        )


def _describe(card: Card) -> tuple[Callable[..., Outputs], list[tf.TensorSpec]]:
    told = {"labels": json.dumps(card["labels"]), "card": strict_json.dumps(card)}
    names = tf.constant(list(told))
    values = tf.constant([*told.values(), ""])

    def describe(keys: tf.Tensor) -> Outputs:
        same = keys[:, tf.newaxis] == names[tf.newaxis]
        found = tf.where(tf.reduce_any(same, axis=1), tf.argmax(same, axis=1), len(told))
        return {"values": tf.gather(values, found)}

    return describe, [tf.TensorSpec([None], tf.string, name="keys")]


def _classifier(model: keras.Model, card: Card) -> Endpoints:
    labels = tf.constant(card["labels"])
    shape = card["input_shape"]

    def serving_default(images: tf.Tensor) -> Outputs:
        logits = model(images)
        return {
            "probabilities": tf.nn.softmax(logits),
            "logits": logits,
            "class_ids": tf.argmax(logits, axis=1),
        }

    def serve_bytes(image_bytes: tf.Tensor) -> Outputs:
        spec = tf.TensorSpec(shape, tf.float32)
        return serving_default(
            tf.map_fn(lambda one: _decode(one, *shape), image_bytes, fn_output_signature=spec)
        )

    def classify(inputs: tf.Tensor) -> Outputs:
        features = {"images": tf.io.FixedLenFeature(shape, tf.float32)}
        scores = serving_default(tf.io.parse_example(inputs, features)["images"])["probabilities"]
        return {"classes": tf.tile(labels[tf.newaxis], [tf.shape(scores)[0], 1]), "scores": scores}

    def explain(images: tf.Tensor, class_ids: tf.Tensor) -> Outputs:
        attributions, chosen, logits = explained(model, images, class_ids)
        return {
            "attributions": attributions,
            "class_ids": chosen,
            "probabilities": tf.nn.softmax(logits),
        }

    images = tf.TensorSpec([None, *shape], tf.float32, name="images")
    class_ids = tf.TensorSpec([None], tf.int64, name="class_ids")
    return {
        "serving_default": (serving_default, [images]),
        "serve_bytes": (serve_bytes, [tf.TensorSpec([None], tf.string, name="image_bytes")]),
        "classify": (classify, [tf.TensorSpec([None], tf.string, name="inputs")]),
        "explain": (explain, [images, class_ids]),
        "describe": _describe(card),
    }


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
        "describe": _describe(card),
    }


def _decode(image_bytes: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """One encoded picture, white on black, to float32 [28, 28], for who calls TensorFlow Serving
    without our client; pictures from the wild need the client's `images`."""
    rgb = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
    gray = tf.image.rgb_to_grayscale(tf.ensure_shape(rgb, [None, None, 3]))
    fitted = tf.image.resize_with_pad(tf.cast(gray, tf.float32), height, width, antialias=True)
    return tf.reshape(tf.round(fitted) / 255.0, [height, width])


def _set_methods(directory: Path) -> None:
    """Keras writes `tensorflow/serving/predict` for all signatures; `Classify` and `Regress` want
    their own."""
    path = directory / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in saved.meta_graphs:
        for name in _METHODS.keys() & graph.signature_def.keys():
            graph.signature_def[name].method_name = _METHODS[name]
    path.write_bytes(saved.SerializeToString(deterministic=True))


def _write_warm_up(path: Path, card: Card, examples: npt.NDArray[Any]) -> None:
    """TensorFlow Serving's format: https://www.tensorflow.org/tfx/serving/saved_model_warmup."""
    alias = "images" if card["labels"] else "features"
    requests = [
        _predict_request(card["model"], "serving_default", {alias: scaled(tf.constant(rows))})
        for rows in (examples[:count] for count in WARM_UP_ROWS)
    ]
    if card["labels"]:
        png = tf.io.encode_png(examples[0][..., np.newaxis])[tf.newaxis]
        requests.append(_predict_request(card["model"], "serve_bytes", {"image_bytes": png}))
        one = {
            "images": scaled(tf.constant(examples[:1])),
            "class_ids": tf.constant([ANSWERED], tf.int64),
        }
        requests.append(_predict_request(card["model"], "explain", one))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in requests:
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())


def _predict_request(model: str, signature: str, inputs: dict[str, tf.Tensor]) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    for alias, value in inputs.items():
        request.inputs[alias].CopyFrom(tf.make_tensor_proto(value.numpy()))
    return request
