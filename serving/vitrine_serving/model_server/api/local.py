"""Local API: the model server's calls as ttrpc carries them, of TensorFlow Serving's services."""

import time
from functools import partial
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    inference_pb2,
    model_management_pb2,
    predict_pb2,
    regression_pb2,
)

from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.model_server.api.calls import Calls
from vitrine_serving.model_server.local_server import Answer, Reply

_OK = grpc.StatusCode.OK


_PREDICTION, _MODEL = (
    f"tensorflow.serving.{name}" for name in ("PredictionService", "ModelService")
)
_KINDS: dict[tuple[str, str], type[Any]] = {
    (_PREDICTION, "Predict"): predict_pb2.PredictRequest,
    (_PREDICTION, "Classify"): classification_pb2.ClassificationRequest,
    (_PREDICTION, "Regress"): regression_pb2.RegressionRequest,
    (_PREDICTION, "MultiInference"): inference_pb2.MultiInferenceRequest,
    (_PREDICTION, "GetModelMetadata"): get_model_metadata_pb2.GetModelMetadataRequest,
    (_MODEL, "GetModelStatus"): get_model_status_pb2.GetModelStatusRequest,
    (_MODEL, "HandleReloadConfigRequest"): model_management_pb2.ReloadConfigRequest,
}
"""Class of the requests of each service's methods."""


def answer_with(calls: Calls) -> Answer:
    """Returns what answers requests of a local server with the calls of an API."""
    return partial(_answer, calls)


def _answer(calls: Calls, request: wire.TtrpcRequest, received_s: float) -> Reply:
    kind = _KINDS.get((request.service, request.method))
    if kind is None:
        return grpc.StatusCode.UNIMPLEMENTED, "", b""  # no words, as there
    body = request.payload
    try:
        message = kind.FromString(body)
    except DecodeError:
        code, words, _ = calls.undecodable(body)
        return code, words, b""
    if request.timeout_nano and time.monotonic() - received_s > request.timeout_nano / 1e9:
        return grpc.StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded", b""
    code, words, response = calls.answer(request.method, message)
    return code, words, response.SerializeToString() if code is _OK else b""
