"""The SavedModels of the cases: made in some seconds, without training.

| kind | what it is |
|---|---|
| `half_plus_two`, `half_plus_three` | as in TensorFlow Serving's own tests: x / 2 + 2, and + 3; predict, classify, regress |
| `echo` | no variables; a signature for each dtype, and for each form of input and output |
| `images` | a TensorFlow 2 export: pictures in, `describe` without inputs |
| `imported` | a Keras CNN, imported by `vitrine-train import` |
| `broken` | `half_plus_two` with its `saved_model.pb` cut in half |
"""  # noqa: E501

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from tests.contract import imported

v1 = tf.compat.v1
Tensors = dict[str, tf.Tensor]
Signatures = dict[str, Any]

PREDICT = tf.saved_model.PREDICT_METHOD_NAME
CLASSIFY = tf.saved_model.CLASSIFY_METHOD_NAME
REGRESS = tf.saved_model.REGRESS_METHOD_NAME

DTYPES = (
    *("float16", "bfloat16", "float32", "float64", "complex64", "complex128"),
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("bool", "string"),
)
"""Each is a signature of `echo`, from `x` of any shape to `y`."""


def signature(inputs: Tensors, outputs: Tensors, method: str = PREDICT) -> Any:
    """Returns a signature of tensors."""
    infos = [
        {name: v1.saved_model.build_tensor_info(tensor) for name, tensor in tensors.items()}
        for tensors in (inputs, outputs)
    ]
    return v1.saved_model.build_signature_def(*infos, method)


def _half_plus(offset: float) -> Signatures:
    half, plus = v1.Variable(0.5, name="a"), v1.Variable(offset, name="b")
    x = v1.placeholder(tf.float32, [None], "x")
    examples = {"inputs": v1.placeholder(tf.string, [None], "tf_example")}
    others = {"inputs": v1.placeholder(tf.string, [None], "tf_example_too")}

    def line(serialized: Tensors) -> tf.Tensor:
        features = {"x": tf.io.FixedLenFeature([1], tf.float32)}
        return tf.io.parse_example(serialized["inputs"], features)["x"] * half + plus

    y = line(examples)
    labels = tf.tile([["low", "high"]], [tf.shape(y)[0], 1])
    both = {"classes": labels, "scores": tf.concat([y, y * 2], axis=1)}
    return {
        "serving_default": signature({"x": x}, {"y": x * half + plus}),
        "regress_x_to_y": signature(examples, {"outputs": y}, REGRESS),
        "regress_flat": signature(examples, {"outputs": y[:, 0]}, REGRESS),
        "regress_wide": signature(examples, {"outputs": both["scores"]}, REGRESS),
        "regress_integers": signature(examples, {"outputs": tf.cast(y, tf.int32)}, REGRESS),
        "regress_elsewhere": signature(others, {"outputs": line(others)}, REGRESS),
        "classify_x_to_y": signature(examples, {"scores": y}, CLASSIFY),
        "classify_labels": signature(examples, {"classes": labels}, CLASSIFY),
        "classify_both": signature(examples, both, CLASSIFY),
        "classify_flat": signature(examples, {"scores": y[:, 0]}, CLASSIFY),
        "classify_doubles": signature(examples, {"scores": tf.cast(y, tf.float64)}, CLASSIFY),
    }


def _echo() -> Signatures:
    made: Signatures = {}
    for name in DTYPES:
        x = v1.placeholder(name, None, f"x_{name}")
        made[name] = signature({"x": x}, {"y": tf.identity(x)})
    left, right = (v1.placeholder(tf.float32, [None], name) for name in ("left", "right"))
    product = tf.multiply(left, right, "mul")
    x = v1.placeholder(tf.float32, [None], "x")
    a, b = v1.placeholder(tf.float32, [None], "a"), v1.placeholder(tf.int32, [None], "b")
    text = v1.placeholder(tf.string, [None], "text")
    matrix = v1.placeholder(tf.float32, [None, 2], "matrix")
    pixels = v1.placeholder(tf.float32, None, "pixels")
    same = tf.identity(text)
    ab = {"sum": a + tf.cast(b, tf.float32), "product": a * tf.cast(b, tf.float32)}
    made |= {
        "serving_default": made["float32"],
        "log": signature({"x": x}, {"y": tf.math.log(x)}),
        "pair": signature({"a": a, "b": b}, ab),
        "product": signature({"a": left, "b": right}, {"product": product}),
        "defaulted": signature({"a": a, "b": b}, {"sum": ab["sum"]}),
        "text": signature({"text": text}, {"shout": tf.strings.upper(text), "text_bytes": same}),
        "bytes": signature({"text": text}, {"text_bytes": same}),
        "total": signature({"x": x}, {"y": tf.reduce_sum(x)}),
        "uneven": signature({"x": x}, {"a": tf.identity(x), "b": tf.constant([1.0, 2.0, 3.0])}),
        "matrix": signature({"x": matrix}, {"y": tf.matmul(matrix, [[1.0], [10.0]])}),
        "flat": signature({"x": pixels}, {"y": tf.reshape(pixels, [tf.shape(pixels)[0], 784])}),
    }
    made["defaulted"].defaults["b"].CopyFrom(tf.make_tensor_proto([10], tf.int32))
    return made


def build(signatures: Callable[[], Signatures], directory: Path) -> None:
    """Writes a SavedModel of signatures that are made in a graph of their own."""
    with tf.Graph().as_default(), v1.Session() as session:
        made = signatures()
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(directory))
        builder.add_meta_graph_and_variables(session, [tf.saved_model.SERVING], made)
        builder.save()


PICTURES = tf.TensorSpec([None, 28, 28], tf.float32, "images")


class _Images(tf.Module):
    """The logit of class j is j times the first pixel: exact in float32."""

    def __init__(self) -> None:
        weights = np.zeros((784, 10), np.float32)
        weights[0] = np.arange(10)
        self.weights = tf.Variable(weights)

    @tf.function(input_signature=[PICTURES])
    def serve(self, images: tf.Tensor) -> Tensors:
        logits = tf.matmul(tf.reshape(images, [-1, 784]), self.weights)
        return {"logits": logits, "class_ids": tf.argmax(logits, axis=1)}

    @tf.function(input_signature=[PICTURES])
    def flatten(self, images: tf.Tensor) -> Tensors:
        return {"pixels": tf.reshape(images, [tf.shape(images)[0], 784])}  # as Keras does it

    @tf.function(input_signature=[])
    def describe(self) -> Tensors:
        return {"labels": tf.constant(["a", "b", "c"]), "card": tf.constant('{"model": "images"}')}


def _images(directory: Path) -> None:
    model = _Images()
    signatures = {
        "serving_default": model.serve,
        "flatten": model.flatten,
        "describe": model.describe,
    }
    tf.saved_model.save(model, str(directory), signatures)


def _broken(directory: Path) -> None:
    build(lambda: _half_plus(2.0), directory)
    graph = directory / "saved_model.pb"
    graph.write_bytes(graph.read_bytes()[: graph.stat().st_size // 2])


_EXPORTS: dict[str, Callable[[Path], None]] = {
    "half_plus_two": lambda directory: build(lambda: _half_plus(2.0), directory),
    "half_plus_three": lambda directory: build(lambda: _half_plus(3.0), directory),
    "echo": lambda directory: build(_echo, directory),
    "images": _images,
    "imported": imported.export,
    "broken": _broken,
}


def export(directory: Path, *kinds: str) -> None:
    """Writes a version of each kind, or of those that are named, to `directory/<kind>`."""
    for kind in kinds or _EXPORTS:
        _EXPORTS[kind](directory / kind)


def publish(kinds: Path, kind: str, base: Path, version: int) -> None:
    """Makes `base/<version>` of what `export` wrote to `kinds`: whole, or not there."""
    base.mkdir(parents=True, exist_ok=True)
    shutil.copytree(kinds / kind, base / f".{version}").rename(base / str(version))


def signature_defs(version: Path) -> dict[str, Any]:
    """The signatures as `saved_model.pb` has them."""
    saved = saved_model_pb2.SavedModel.FromString((version / "saved_model.pb").read_bytes())
    return dict(saved.meta_graphs[0].signature_def)
