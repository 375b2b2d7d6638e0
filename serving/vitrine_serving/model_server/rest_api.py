"""The REST side: https://www.tensorflow.org/tfx/serving/api_rest, as a Flask application."""

from typing import Any

import flask
import grpc
import orjson
from google.protobuf import json_format
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, model_pb2
from werkzeug.exceptions import HTTPException

from vitrine_serving.converters import ModelName
from vitrine_serving.model_server import json_tensors
from vitrine_serving.model_server.api import DEFAULT_SIGNATURE, ModelServerApi
from vitrine_serving.model_server.errors import ServingError

_HTTP_STATUS = {
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
}


def make_app(api: ModelServerApi) -> flask.Flask:
    """Returns the application; what it answers comes from `api`."""
    app = flask.Flask(__name__, static_folder=None)
    app.url_map.converters["model"] = ModelName
    model = "/v1/models/<model:name>"

    @app.post(f"{model}:predict")
    @app.post(f"{model}/versions/<int:version>:predict")
    def predict(name: str, version: int | None = None) -> flask.Response:
        servable = api.servable(_spec(name, version))
        body = json_tensors.read_body(flask.request.get_data())
        signature_name = body.signature_name or DEFAULT_SIGNATURE
        if signature_name not in servable.signature_defs:
            servable.run(signature_name, {})  # says so in its own words
        declared = servable.signature_defs[signature_name].inputs
        if not declared:
            raise ServingError.invalid(f"Failed to get input map for signature: {signature_name}")
        outputs = servable.run(signature_name, body.to_arrays(declared))
        return _json(json_tensors.write_body(outputs, by_row=body.by_row))

    @app.get(model)
    @app.get(f"{model}/versions/<int:version>")
    def status(name: str, version: int | None = None) -> flask.Response:
        request = get_model_status_pb2.GetModelStatusRequest(model_spec=_spec(name, version))
        return _message(api.status(request))

    @app.get(f"{model}/metadata")
    @app.get(f"{model}/versions/<int:version>/metadata")
    def metadata(name: str, version: int | None = None) -> flask.Response:
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=_spec(name, version), metadata_field=["signature_def"]
        )
        return _message(api.metadata(request))

    @app.errorhandler(ServingError)
    def refuse(error: ServingError) -> flask.Response:
        return _json({"error": str(error)}, _HTTP_STATUS.get(error.code, 500))

    @app.errorhandler(HTTPException)
    def malformed(_: HTTPException) -> flask.Response:
        request = flask.request
        return _json({"error": f"Malformed request: {request.method} {request.path}"}, 400)

    return app


def _spec(name: str, version: int | None) -> Any:
    spec = model_pb2.ModelSpec(name=name)
    if version is not None:
        spec.version.value = version
    return spec


def _message(message: Any) -> flask.Response:
    content = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return _json(content)


def _json(content: Any, status: int = 200) -> flask.Response:
    body = orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY)
    return flask.Response(body, status, mimetype="application/json")
