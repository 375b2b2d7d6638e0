"""What goes into a version directory: the SavedModel with its signatures, its card, its warm-up.

| signature | inputs | outputs |
|---|---|---|
| `serving_default` | `images` float32 [n, 28, 28], 0..1 | `probabilities` float32 [n, 10], `logits` float32 [n, 10], `class_ids` int64 [n] |
| `serve_bytes` | `image_bytes` string [n], PNG, JPEG, GIF or BMP | the same |
| `classify` | `inputs` string [n], tf.Example with `images`, 784 floats | `classes` string [n, 10], `scores` float32 [n, 10] |
| `describe` | none | `labels` string [10], `card` string [], JSON |
"""  # noqa: E501

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

Card = dict[str, Any]
"""The model card: plain JSON. `docs/api.md` lists its members."""

Outputs = dict[str, tf.Tensor]

WARM_UP_ROWS = (1, 32)
"""Batch sizes that a model server runs once before it calls a version AVAILABLE."""


def write_version(
    directory: Path, model: keras.Model, card: Card, examples: np.ndarray[Any, np.dtype[np.uint8]]
) -> None:
    """Writes a whole version directory; `examples` are uint8 [32, 28, 28] to warm up with."""
    archive = keras.export.ExportArchive()
    archive.track(model)
    for name, (function, inputs) in _endpoints(model, card).items():
        archive.add_endpoint(name, function, input_signature=inputs)
    archive.write_out(str(directory), verbose=False)
    _set_method(directory, "classify", tf.saved_model.CLASSIFY_METHOD_NAME)
    extra = directory / "assets.extra"  # where TensorFlow Serving looks for warm-up records
    extra.mkdir()
    (extra / "card.json").write_text(json.dumps(card, indent=2) + "\n")
    _write_warm_up(extra / "tf_serving_warmup_requests", card["model"], examples)


def _endpoints(model: keras.Model, card: Card) -> dict[str, tuple[Any, list[tf.TensorSpec]]]:
    labels, text = tf.constant(card["labels"]), json.dumps(card)

    def serving_default(images: tf.Tensor) -> Outputs:
        logits = model(images, training=False)
        return {
            "probabilities": tf.nn.softmax(logits),
            "logits": logits,
            "class_ids": tf.argmax(logits, axis=1),
        }

    def serve_bytes(image_bytes: tf.Tensor) -> Outputs:
        spec = tf.TensorSpec([28, 28], tf.float32)
        return serving_default(tf.map_fn(_decode, image_bytes, fn_output_signature=spec))

    def classify(inputs: tf.Tensor) -> Outputs:
        features = {"images": tf.io.FixedLenFeature([28, 28], tf.float32)}
        scores = serving_default(tf.io.parse_example(inputs, features)["images"])["probabilities"]
        return {"classes": tf.tile(labels[tf.newaxis], [tf.shape(scores)[0], 1]), "scores": scores}

    def describe() -> Outputs:
        return {"labels": labels, "card": tf.constant(text)}

    strings = tf.TensorSpec([None], tf.string, name="image_bytes")
    return {
        "serving_default": (
            serving_default,
            [tf.TensorSpec([None, 28, 28], tf.float32, name="images")],
        ),
        "serve_bytes": (serve_bytes, [strings]),
        "classify": (classify, [tf.TensorSpec([None], tf.string, name="inputs")]),
        "describe": (describe, []),
    }


def _decode(image_bytes: tf.Tensor) -> tf.Tensor:
    """One encoded picture, white on black, to float32 [28, 28], for who calls TensorFlow Serving
    without our client; pictures from the wild need the client's `images`."""
    rgb = tf.io.decode_image(image_bytes, channels=3, expand_animations=False)
    gray = tf.image.rgb_to_grayscale(tf.ensure_shape(rgb, [None, None, 3]))
    fitted = tf.image.resize_with_pad(tf.cast(gray, tf.float32), 28, 28, antialias=True)
    return tf.reshape(tf.round(fitted) / 255.0, [28, 28])


def _set_method(directory: Path, signature: str, method: str) -> None:
    """Keras writes `tensorflow/serving/predict` for all signatures; `Classify` wants its own."""
    path = directory / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in saved.meta_graphs:
        graph.signature_def[signature].method_name = method
    path.write_bytes(saved.SerializeToString(deterministic=True))


def _write_warm_up(path: Path, model: str, examples: np.ndarray[Any, np.dtype[np.uint8]]) -> None:
    """TensorFlow Serving's format: https://www.tensorflow.org/tfx/serving/saved_model_warmup."""
    requests = []
    for rows in WARM_UP_ROWS:
        images = examples[:rows].astype(np.float32) / 255
        requests.append(_predict_request(model, "serving_default", "images", images))
    png = tf.io.encode_png(examples[0][..., np.newaxis]).numpy()
    requests.append(_predict_request(model, "serve_bytes", "image_bytes", np.array([png], object)))
    with tf.io.TFRecordWriter(str(path)) as writer:
        for request in requests:
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())


def _predict_request(model: str, signature: str, alias: str, value: Any) -> Any:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = model
    request.model_spec.signature_name = signature
    request.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return request
