"""Cases of GetModelStatus and of methods that there are not, over gRPC and REST."""

from typing import Any

from grpc import StatusCode
from tensorflow_serving.apis import get_model_status_pb2

from tests.contract.case import Answer, Case, Fails, Grpc, Rest, found
from tests.contract.messages import predict, spec
from tests.contract.seen import SEEN

INVALID, NOT_FOUND = StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND
HALF = "/v1/models/half_plus_two"
STATUS = "get_model_status_impl.cc GetModelStatusWithModelSpec"
States = get_model_status_pb2.ModelVersionStatus.State


def _status(name: str, model: Any, answer: Answer, source: str = STATUS) -> Case:
    request = get_model_status_pb2.GetModelStatusRequest(model_spec=model)
    return Case(f"GetModelStatus: {name}", Grpc("GetModelStatus", request), answer, source)


def get(name: str, path: str, answer: Answer, source: str) -> Case:
    """A case of a GET."""
    return Case(f"GET: {name}", Rest("GET", path), answer, source)


def _available(*versions: int) -> Any:
    made = get_model_status_pb2.GetModelStatusResponse()
    for version in versions:
        made.model_version_status.add(version=version, state=States.AVAILABLE).status.SetInParent()
    return made


def available_json(*versions: int) -> dict[str, Any]:
    """The status of versions that are all AVAILABLE, as JSON."""
    fine = {"error_code": "OK", "error_message": ""}
    return {
        "model_version_status": [
            {"version": str(version), "state": "AVAILABLE", "status": fine} for version in versions
        ]
    }


STATUSES = [
    _status(
        "all versions, the newest first",
        spec(),
        _available(2, 1),
        "servable_state_monitor.h VersionMap: in descending order",
    ),
    _status("one version", spec(version=1), _available(1)),
    _status("a label is ignored", spec(label="stable"), _available(2, 1), "seen on 2.19.1"),
    *(
        _status(f"{name} is ignored", model, _available(2, 1), SEEN)
        for name, model in (
            ("an unknown label", spec(label="nope")),
            ("a label of a version that is not there", spec(label="gone")),
            ("a signature", spec(signature="nope")),
        )
    ),
    _status(
        "an empty name",
        spec(""),
        Fails(NOT_FOUND, "Could not find any versions of model "),
        SEEN,
    ),
    _status(
        "an unknown model",
        spec("nope"),
        Fails(NOT_FOUND, "Could not find any versions of model nope"),
    ),
    _status(
        "an unknown version",
        spec(version=9),
        Fails(NOT_FOUND, "Could not find version 9 of model half_plus_two"),
    ),
    _status("no model_spec", None, Fails(INVALID, "Missing ModelSpec")),
    get(
        "all versions, as strings, the newest first",
        HALF,
        available_json(2, 1),
        "tensorflow_model_server_test.py testGetStatusREST",
    ),
    get("one version", f"{HALF}/versions/1", available_json(1), "api_rest.md, Model status API"),
    get("a label is ignored", f"{HALF}/labels/nope", available_json(2, 1), "seen on 2.19.1"),
    get(
        "an unknown model",
        "/v1/models/nope",
        Fails(404, "Could not find any versions of model nope"),
        STATUS,
    ),
    get(
        "an unknown version",
        f"{HALF}/versions/9",
        Fails(404, "Could not find version 9 of model half_plus_two"),
        STATUS,
    ),
    get(
        "no model",
        "/v1/models",
        Fails(400, "Missing model name in request."),
        "http_rest_api_handler.cc ProcessModelStatusRequest",
    ),
    get(
        "METADATA in capitals is a status",
        f"{HALF}/METADATA",
        available_json(2, 1),
        "http_rest_api_util.cc kModelStatusApiRegex: (?i); ProcessRequest compares exactly",
    ),
]


UNIMPLEMENTED = [
    Case(
        f"unimplemented: {method}",
        Grpc(method, predict(spec(), x=[2.0])),
        Fails(StatusCode.UNIMPLEMENTED, found("")),
        source,
    )
    for method, source in (
        ("/tensorflow.serving.SessionService/SessionRun", "server.cc: not registered"),
        ("/tensorflow.serving.PredictionService/Nope", "gRPC: no such method"),
        (
            "/grpc.health.v1.Health/Check",
            "main.cc: --enable_grpc_healthcheck_service is off by default",
        ),
    )
]


CASES = [*STATUSES, *UNIMPLEMENTED]
