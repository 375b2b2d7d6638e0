"""One loaded version of a model."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import grpc
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import prediction_log_pb2

from vitrine_serving.model_server.errors import ServingError

_WARM_UP = Path("assets.extra/tf_serving_warmup_requests")
_CODES = {code.value[0]: code for code in grpc.StatusCode}


class Servable:
    """A SavedModel in memory, ready to run; safe to share between threads.

    `signature_defs` is what the model says of its signatures, as TensorFlow's messages.
    """

    def __init__(self, name: str, version: int, path: Path) -> None:
        """Loads the version in `path` and warms it up; raises what TensorFlow raises."""
        self.name = name
        self.version = version
        self.signature_defs = _signature_defs(path)
        self._loaded = tf.saved_model.load(str(path), tags=["serve"])
        self._warm_up(path / _WARM_UP)

    def run(self, signature_name: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Runs a signature on named NumPy arrays and returns its outputs as NumPy arrays.

        Raises `ServingError`: FAILED_PRECONDITION for an unknown signature, INVALID_ARGUMENT for
        inputs that do not fit it, else what TensorFlow raises.
        """
        function = self._loaded.signatures.get(signature_name)
        if function is None:
            raise ServingError(
                grpc.StatusCode.FAILED_PRECONDITION,
                f'Serving signature name: "{signature_name}" not found in signature def',
            )
        declared = self.signature_defs[signature_name].inputs
        _check_names(set(inputs), set(declared))
        try:
            tensors = {
                name: tf.constant(value, tf.as_dtype(declared[name].dtype))
                if value.dtype == object or value.dtype.kind in "SU"
                else tf.convert_to_tensor(value)
                for name, value in inputs.items()
            }
            outputs = function(**tensors)
            return {name: tensor.numpy() for name, tensor in outputs.items()}
        except tf.errors.OpError as error:
            raise ServingError(_CODES[error.error_code], error.message) from error
        except (TypeError, ValueError) as error:
            raise ServingError.invalid(str(error)) from error

    def _warm_up(self, records: Path) -> None:
        if not records.exists():
            return
        for record in tf.data.TFRecordDataset(str(records)).as_numpy_iterator():
            log = prediction_log_pb2.PredictionLog.FromString(record)
            if log.HasField("predict_log"):
                request = log.predict_log.request
                inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
                self.run(request.model_spec.signature_name or "serving_default", inputs)


def _signature_defs(path: Path) -> dict[str, Any]:
    saved = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    for graph in saved.meta_graphs:
        if "serve" in graph.meta_info_def.tags:
            declared = dict(graph.signature_def)
            declared.pop("__saved_model_init_op", None)  # TensorFlow's own, not for callers
            return declared
    raise ValueError(f"{path} has no graph tagged `serve`")


def _check_names(sent: set[str], declared: set[str]) -> None:
    """Refuses inputs by TensorFlow Serving's words (predict_util.cc, PreProcessPrediction)."""
    if sent == declared:
        return
    if len(sent) != len(declared):
        raise ServingError.invalid(
            f"input size does not match signature: {len(sent)}!={len(declared)} "
            f"len({_braces(sent)}) != len({_braces(declared)}). "
            f"Sent extra: {_braces(sent - declared)}. "
            f"Missing but required: {_braces(declared - sent)}."
        )
    raise ServingError.invalid(
        "input tensor alias not found in signature: "
        f"{min(sent - declared)}. Inputs expected to be in the set {_braces(declared)}."
    )


def _braces(names: set[str]) -> str:
    return "{" + ",".join(sorted(names)) + "}"
