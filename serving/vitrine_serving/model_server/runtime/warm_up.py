"""Warm-up: requests that a version brings along are replayed before it is AVAILABLE.

https://www.tensorflow.org/tfx/serving/saved_model_warmup: TensorFlow's lazy parts are paid for
here, and not by the first caller.
"""

from pathlib import Path

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import prediction_log_pb2

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.runtime import inference
from vitrine_serving.model_server.runtime.servable import Servable

RECORDS = Path("assets.extra/tf_serving_warmup_requests")
_MOST = 1000  # as many records as TensorFlow Serving takes

_CALLS = {
    "predict_log": inference.predict,
    "classify_log": inference.classify,
    "regress_log": inference.regress,
    "multi_inference_log": inference.multi_inference,
}


def warm_up(servable: Servable, path: Path, iterations: int = 1) -> int:
    """Replays the requests in the version directory `path`, each so often; returns how many there
    were.

    Raises `ServingError` for a file that cannot be read, and whatever a request fails with: a
    version that does not answer its own examples is not to be served.
    """
    records = path / RECORDS
    if not records.exists():
        return 0
    count = 0
    try:
        for record in tf.data.TFRecordDataset(str(records)).as_numpy_iterator():
            count += 1
            if count > _MOST:
                raise ServingError.invalid(
                    f"Number of warmup records exceeds the maximum ({_MOST}). "
                    "Please reduce the number of warmup records."
                )
            log = prediction_log_pb2.PredictionLog.FromString(record)
            kind = log.WhichOneof("log_type")
            if kind not in _CALLS:
                raise ServingError(
                    grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {kind}"
                )
            for _ in range(max(iterations, 1)):
                _CALLS[kind](servable, getattr(log, kind).request)
    except (tf.errors.OpError, DecodeError) as error:
        raise ServingError(
            grpc.StatusCode.DATA_LOSS,
            f"Please verify your warmup data is in TFRecord format: {error}",
        ) from error
    return count
