"""A stand-in for `ModelServerApi`, for tests of the REST side."""

import json

import numpy as np
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    regression_pb2,
)
from werkzeug.test import Client

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.api.tensorflow_rest import make_app

PREDICT = "/v1/models/m:predict"


class Model:
    """Model `m` doubles its input `x`; it notes what it was asked, or raises an error instead."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.label = b"cat"
        self.specs: list = []
        self.timeouts_s: list = []

    def signature_inputs(self, spec):
        self._note(spec)
        if spec.name != "m":
            raise ServingError.not_found(f"Latest({spec.name})")
        if spec.signature_name not in ("", "serving_default"):
            raise ServingError.invalid(
                f'Serving signature name: "{spec.signature_name}" not found in signature def'
            )
        return {"x": TensorInfo(dtype=types_pb2.DT_FLOAT)}

    def run(self, spec, inputs, *, timeout_s=None):
        self.timeouts_s.append(timeout_s)
        return {"y": inputs["x"] * 2}

    def classify_arrays(self, request, *, timeout_s=None):
        self._note(request.model_spec)
        self.timeouts_s.append(timeout_s)
        rows = len(request.input.example_list.examples)
        return np.full((rows, 1), self.label, object), np.full((rows, 1), 0.5, np.float32)

    def regress(self, request, *, timeout_s=None):
        self._note(request.model_spec)
        self.timeouts_s.append(timeout_s)
        response = regression_pb2.RegressionResponse()
        for example in request.input.example_list.examples:
            response.result.regressions.add(value=example.features.feature["x"].float_list.value[0])
        return response

    def metadata(self, request):
        self._note(request.model_spec)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        tensor = TensorInfo(name="x:0", dtype=types_pb2.DT_FLOAT)
        tensor.tensor_shape.dim.add(size=-1)
        signature = SignatureDef(method_name="tensorflow/serving/predict", inputs={"x": tensor})
        signatures.signature_def["serving_default"].CopyFrom(signature)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name = request.model_spec.name
        response.model_spec.version.value = 3
        response.metadata["signature_def"].Pack(signatures)
        return response

    def status(self, request):
        self._note(request.model_spec)
        response = get_model_status_pb2.GetModelStatusResponse()
        failed = response.model_version_status.add(version=2**53 + 1, state="END")
        failed.status.error_code = 5
        failed.status.error_message = "no saved_model.pb"
        response.model_version_status.add(version=1, state="AVAILABLE").status.SetInParent()
        return response

    def _note(self, spec) -> None:
        if self.error:
            raise self.error
        self.specs.append((spec.name, spec.version.value, spec.version_label, spec.signature_name))


def client_of(model: Model, **options):
    return Client(make_app(model, **options))


def error_of(response) -> str:
    assert response.headers["Content-Type"] == "application/json"
    content = json.loads(response.data)
    assert response.data.decode() == json.dumps(content, indent=4, ensure_ascii=False)
    assert list(content) == ["error"]
    return content["error"]
