"""SavedModels of the table, by the names that real Triton serves the same models under."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2 as config_pb2

from tests.contract.models import Signatures, build, signature
from tests.contract.open_inference import arithmetic

v1 = tf.compat.v1
Tensors = dict[str, tf.Tensor]

DTYPES = {"fp16": tf.float16, "bf16": tf.bfloat16, "fp32": tf.float32, "fp64": tf.float64} | {
    "bytes": tf.string
}
SEEN = ["{}", "", "0", "0", "0"]
"""What `params` answers: a SavedModel sees no parameters."""

BATCHING = "max_batch_size { value: 8 }\nallowed_batch_sizes: 8\n"


def _softmax(directory: Path, version: int, *, is_column: bool = False) -> None:
    def made() -> Signatures:
        images = v1.placeholder(tf.float32, [None, 28, 28], "images")
        weights = v1.Variable(arithmetic.weights(version))
        probabilities = tf.nn.softmax(tf.reshape(images, [-1, arithmetic.PIXELS]) @ weights)
        best = tf.argmax(probabilities, axis=1)
        class_ids = best[:, tf.newaxis] if is_column else best
        outputs = {"probabilities": probabilities, "class_ids": class_ids}
        return {"serving_default": signature({"images": images}, outputs)}

    build(made, directory / str(version))


def _model(directory: Path, answer: Callable[..., Tensors], **dtypes: Any) -> None:
    """Writes a model of vectors, which answers what a function of them does."""

    def made() -> Signatures:
        inputs = {
            name: v1.placeholder(dtype, [None], f"given_{name}") for name, dtype in dtypes.items()
        }
        return {"serving_default": signature(inputs, answer(*inputs.values()))}

    build(made, directory / "1")


def _same(x: tf.Tensor) -> Tensors:
    return {"out": tf.identity(x)}


def _no(x: tf.Tensor) -> Tensors:
    with tf.control_dependencies([tf.debugging.Assert(x[0] < 0, ["the model said no"])]):
        return _same(x)


def _numbers(x: tf.Tensor) -> Tensors:
    numbers = tf.constant(arithmetic.NUMBERS, tf.float64)
    return {"out": tf.constant(arithmetic.NUMBERS, tf.float32) + x, "out64": numbers}


MODELS: dict[str, tuple[Callable[..., Tensors], dict[str, Any]]] = {
    "nan": (_numbers, {"in": tf.float32}),
    "rawbytes": (lambda x: {"out": tf.constant(list(arithmetic.TEXTS))}, {"in": tf.float32}),
    "params": (lambda x: {"out": tf.constant(SEEN)}, {"in": tf.float32}),
    "opt": (lambda a, b: {"sum": a + b}, {"a": tf.float32, "b": tf.float32}),
    "fail": (_no, {"in": tf.float32}),
    "failone": (_no, {"in": tf.float32}),
    "stream": (_same, {"in": tf.float32}),
    **{
        f"echo_{name}": (_same, {"in": DTYPES.get(name) or tf.as_dtype(name)})
        for name in arithmetic.DATATYPES
    },
}
"""Each model of vectors, and its inputs."""


def export(base: Path) -> list[str]:
    """Writes the models, their configuration and that of batches; returns the models' names."""
    for version in (1, 2):
        _softmax(base / "mlp", version)
    _softmax(base / "mlpb", 1, is_column=True)
    for name, (answer, dtypes) in MODELS.items():
        _model(base / name, answer, **dtypes)
    (base / "mlpb" / "1" / "batching_params.pbtxt").write_text(BATCHING)
    names = ["mlp", "mlpb", *MODELS]
    config = config_pb2.ModelServerConfig()
    for name in names:
        model = config.model_config_list.config.add(
            name=name, base_path=str(base / name), model_platform="tensorflow"
        )
        model.model_version_policy.all.SetInParent()
    (base / "models.config").write_text(text_format.MessageToString(config))
    return names
