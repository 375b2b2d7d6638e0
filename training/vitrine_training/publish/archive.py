"""Archive of a version: a SavedModel with named signatures, its card, and its warm-up records."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from vitrine_client.results import strict_json
from vitrine_training.publish import cards
from vitrine_training.publish.signatures import Endpoints

Card = dict[str, Any]
"""The model card: plain JSON. `docs/training.md` lists its members."""

Array = npt.NDArray[Any]

Request = tuple[str, dict[str, tf.Tensor]]
"""Signature, and the inputs that it is asked with."""

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


def write(
    directory: Path,
    endpoints: Endpoints,
    card: Card,
    requests: Sequence[Request],
    held: Any = None,
) -> None:
    """Writes a whole version directory. `held` is what endpoints use beside variables, such as a
    SavedModel that was loaded.

    Raises `OSError` where it cannot be written.
    """
    # Without `archive.track(model)` of Keras' models, which would have each weight twice on the
    # disk and in memory.
    archive = keras.export.ExportArchive()
    if held is not None:
        archive.track(held)
    for name, (function, inputs) in endpoints.items():
        archive.add_endpoint(name, function, input_signature=inputs)
    try:
        archive.write_out(str(directory), verbose=False)
        _set_methods(directory)
        (directory / WARM_UP).parent.mkdir()
        (directory / cards.PATH).write_text(strict_json.dumps(card, indent=2) + "\n")
        _write_warm_up(directory / WARM_UP, card["model"], requests)
    except tf.errors.OpError as error:  # a full disk, in TensorFlow's words
        raise OSError(f"{directory} cannot be written: {error.message}") from error


def check(directory: Path, output: str, expected: Array, answered: Callable[[], Array]) -> None:
    """Loads the written version, replays its warm-up records, and compares what it has `answered`
    with what the model in memory answers. Raises `ExportError`."""
    loaded = tf.saved_model.load(str(directory))
    for signature, tensors in warm_up(directory):
        loaded.signatures[signature](**tensors)
    found = answered()
    gaps = np.abs(found - expected)
    tolerance = TOLERANCE * max(1.0, np.abs(expected).max())
    if not gaps.max() <= tolerance:  # which NaN fails, too
        raise ExportError(
            f"The exported model answers otherwise than the one in memory: {output} differ by up "
            f"to {gaps.max():g} on {len(expected)} inputs; nothing was published"
        )
    sure = _margins(expected) > tolerance
    others = int((found.argmax(axis=1) != expected.argmax(axis=1))[sure].sum())
    if others:
        raise ExportError(
            f"The exported model answers other classes than the one in memory to {others} of "
            f"{len(expected)} inputs; nothing was published"
        )


def _margins(rows: Array) -> Array:
    """Returns how far each row's largest number is above its second, [n]; 0 where it is alone."""
    if rows.shape[1] < 2:
        return np.zeros(len(rows))
    *_, second, first = np.sort(rows, axis=1).T
    return np.asarray(first - second)


def _set_methods(directory: Path) -> None:
    """Keras writes `tensorflow/serving/predict` for all signatures; `Classify` and `Regress` want
    their own."""
    path = directory / "saved_model.pb"
    saved = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    for graph in saved.meta_graphs:
        for name in _METHODS.keys() & graph.signature_def.keys():
            graph.signature_def[name].method_name = _METHODS[name]
    path.write_bytes(saved.SerializeToString(deterministic=True))


def _write_warm_up(path: Path, model: str, requests: Sequence[Request]) -> None:
    """TensorFlow Serving's format: https://www.tensorflow.org/tfx/serving/saved_model_warmup."""
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            request = predict_pb2.PredictRequest()
            request.model_spec.name = model
            request.model_spec.signature_name = signature
            for name, value in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value.numpy()))
            log = prediction_log_pb2.PredictionLog(
                predict_log=prediction_log_pb2.PredictLog(request=request)
            )
            writer.write(log.SerializeToString())


def warm_up(directory: Path) -> Iterator[Request]:
    """Yields the requests that a version is warmed up with."""
    for record in tf.data.TFRecordDataset(str(directory / WARM_UP)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        tensors = {name: tf.constant(tf.make_ndarray(t)) for name, t in request.inputs.items()}
        yield request.model_spec.signature_name, tensors
