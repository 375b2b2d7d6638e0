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
_UNSUPPORTED = "session_run_log"


def warm_up(servable: Servable, path: Path, iterations: int = 1) -> int:
    """Replays the requests in the version directory `path`, each so often; returns how many there
    were.

    As in saved_model_warmup_util.cc: a record without a request is passed over. Raises
    `ServingError` for a file that cannot be read, and whatever a request fails with: a version
    that does not answer its own examples is not to be served.
    """
    records = path / RECORDS
    if not records.exists():
        return 0
    if not records.is_file():  # a pipe would never be read to its end
        raise ServingError.invalid(f"{records} is no regular file")
    count = 0
    try:
        for record in tf.compat.v1.io.tf_record_iterator(str(records)):
            _replay(servable, record, records, iterations)
            count += 1
            if count > _MOST:
                raise ServingError.invalid(
                    f"Number of warmup records exceeds the maximum ({_MOST}) at {records}"
                )
    except tf.errors.DataLossError as error:
        raise ServingError(
            grpc.StatusCode.DATA_LOSS,
            f"{error.message}. Please verify your warmup data is in TFRecord format.",
        ) from error
    return count


def _replay(servable: Servable, record: bytes, records: Path, iterations: int) -> None:
    try:
        log = prediction_log_pb2.PredictionLog.FromString(record)
    except DecodeError as error:
        text = record.decode(errors="replace")
        raise ServingError.invalid(
            f"Failed to parse warmup record: {text} from {records}"
        ) from error
    kind = log.WhichOneof("log_type")
    if kind == _UNSUPPORTED:
        number = log.DESCRIPTOR.fields_by_name[kind].number
        raise ServingError(
            grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}"
        )
    if kind in _CALLS:
        for _ in range(max(iterations, 1)):
            _CALLS[kind](servable, getattr(log, kind).request)
