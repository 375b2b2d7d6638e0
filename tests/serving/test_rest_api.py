"""What the REST side answers and how it fails, with a stand-in for the models."""

import json

import grpc
import pytest

from tests.serving.fake_api import PREDICT, Model, client_of, error_of
from vitrine_serving.errors import ServingError


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def client(model):
    return client_of(model)


def test_predict(client, model):
    """By row or by column; the answer's type is JSON and nothing more."""
    response = client.post(PREDICT, data=b'{"instances": [1, 2.5]}')
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert response.data == b'{\n    "predictions": [2.0, 5.0\n    ]\n}'
    assert client.post(PREDICT, data=b'{"inputs": {"x": 1}}').json == {"outputs": 2.0}
    assert model.timeouts_s == [30.0, 30.0]


@pytest.mark.parametrize(
    ("address", "spec"),
    [
        ("m", ("m", 0, "", "s")),
        ("m/versions/7", ("m", 7, "", "s")),
        ("m/versions/007", ("m", 7, "", "s")),
        ("m/labels/stable", ("m", 0, "stable", "s")),
        ("M%20%2F%3a+%C3%A9.1/labels/%C3%A9", ("M /:+é.1", 0, "é", "s")),
        ("%ff", ("\ufffd", 0, "", "s")),
    ],
)
@pytest.mark.parametrize("method", ["predict", "classify", "regress"])
def test_addresses(client, model, address, method, spec):
    """A model by its newest version, a version or a label; names may hold anything, escaped."""
    body = {"signature_name": "s", "examples": [{"x": 1.0}], "inputs": 1}
    client.post(f"/V1/Models/{address}:{method}", json=body)
    assert model.specs == [spec]


def test_classify_and_regress(client):
    """Both answer under `results`."""
    body = {"examples": [{"x": 1.5}, {"x": 2.0}]}
    classified = client.post("/v1/models/m:classify", json=body)
    assert classified.json == {"results": [[["cat", 0.5]], [["cat", 0.5]]]}
    assert client.post("/v1/models/m:regress", json=body).json == {"results": [1.5, 2.0]}
    assert client.post("/v1/models/m:regress", json={}).status_code == 400


def test_labels_that_are_no_text(client, model):
    """Their bytes stay as they are."""
    model.label = b"\xff\xc3\xa9"
    response = client.post("/v1/models/m:classify", json={"examples": [{"x": 1.5}]})
    assert response.data == b'{\n    "results": [[["\xff\xc3\xa9", 0.5]]\n    ]\n}'


@pytest.mark.parametrize(
    ("address", "body", "words"),
    [
        ("m", b'"inputs": 1', b'Serving signature name: \\"a\xff\\" not found in signature def'),
        ("nope", b'"inputs": 1', b"Servable not found for request: Latest(nope)"),
    ],
)
def test_signatures_that_are_no_text(client, address, body, words):
    """No signature has such a name; the model is looked for before it."""
    sent = b'{"signature_name": "a\xff", ' + body + b"}"
    response = client.post(f"/v1/models/{address}:predict", data=sent)
    assert response.data == b'{\n    "error": "' + words + b'"\n}'


@pytest.mark.parametrize(
    ("address", "spec"),
    [
        ("/v1/models/m", ("m", 0, "", "")),
        ("/v1/models/m/versions/3", ("m", 3, "", "")),
        ("/v1/models/m/labels/gone", ("m", 0, "", "")),
        ("/v1/models/m/METADATA", ("m", 0, "", "")),
        ("/v1/models/m?x=1", ("m?x=1", 0, "", "")),
        ("http://somewhere/v1/models/m", ("m", 0, "", "")),
    ],
)
def test_status(client, model, address, spec):
    """The status of all versions or of one, whatever it is; versions are strings."""
    response = client.get("/", environ_overrides={"REQUEST_URI": address})
    assert (response.status_code, model.specs) == (200, [spec])
    assert response.headers["Content-Type"] == "application/json"
    assert response.data.decode() == json.dumps(response.json, indent=1) + "\n"
    assert response.json == {
        "model_version_status": [
            {
                "version": "9007199254740993",
                "state": "END",
                "status": {"error_code": "NOT_FOUND", "error_message": "no saved_model.pb"},
            },
            {
                "version": "1",
                "state": "AVAILABLE",
                "status": {"error_code": "OK", "error_message": ""},
            },
        ]
    }


def test_metadata(client, model):
    """Signatures lie under `signature_def` twice, without the type that an `Any` would show."""
    response = client.get("/v1/models/m/labels/stable/metadata")
    assert model.specs == [("m", 0, "stable", "")]
    assert response.data.startswith(b'{\n"model_spec":{\n "name": "m",\n')
    content = response.json
    assert content["model_spec"] == {"name": "m", "version": "3", "signature_name": ""}
    assert list(content["metadata"]) == ["signature_def"]
    signature = content["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature == {
        "inputs": {
            "x": {
                "name": "x:0",
                "dtype": "DT_FLOAT",
                "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
            }
        },
        "outputs": {},
        "method_name": "tensorflow/serving/predict",
        "defaults": {},
    }


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.CANCELLED, 499),
        (grpc.StatusCode.UNKNOWN, 500),
        (grpc.StatusCode.INVALID_ARGUMENT, 400),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 504),
        (grpc.StatusCode.NOT_FOUND, 404),
        (grpc.StatusCode.ALREADY_EXISTS, 409),
        (grpc.StatusCode.PERMISSION_DENIED, 403),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
        (grpc.StatusCode.FAILED_PRECONDITION, 400),
        (grpc.StatusCode.ABORTED, 409),
        (grpc.StatusCode.OUT_OF_RANGE, 400),
        (grpc.StatusCode.UNIMPLEMENTED, 501),
        (grpc.StatusCode.INTERNAL, 500),
        (grpc.StatusCode.UNAVAILABLE, 503),
        (grpc.StatusCode.DATA_LOSS, 500),
        (grpc.StatusCode.UNAUTHENTICATED, 401),
    ],
)
def test_codes(code, status):
    """Every code has the HTTP status of TensorFlow Serving; the text is that of the error."""
    client = client_of(Model(ServingError(code, 'a "text"\n\udc80')))
    response = client.get("/v1/models/m/metadata")
    assert response.status_code == status
    assert response.data == b'{\n    "error": "a \\"text\\"\\n\x80"\n}'


def test_errors_of_the_body_come_first(client):
    """As in TensorFlow Serving: JSON, then the model and its signature, then the values."""
    broken = client.post("/v1/models/x:predict", data=b"{")
    unknown = client.post("/v1/models/x:predict", data=b"{}")
    signature = client.post(PREDICT, json={"signature_name": "s"})
    values = client.post(PREDICT, json={})
    assert (broken.status_code, unknown.status_code) == (400, 404)
    assert error_of(broken).startswith("JSON Parse error: Missing a name for object member.")
    assert error_of(unknown) == "Servable not found for request: Latest(x)"
    assert error_of(signature) == 'Serving signature name: "s" not found in signature def'
    assert error_of(values) == "Missing 'inputs' or 'instances' key"


def test_observing(model):
    """Every request below /v1/ is told of, as it ended: without a method where it is a GET, and
    without a name where the address has none that is understood."""
    seen: list = []
    client = client_of(model, observe=lambda *what: seen.append(what))
    client.post("/v1/models/%6d/versions/1:predict", json={"inputs": 1})
    client.post("/v1/models/x:predict", json={"inputs": 1})
    client.post("/v1/models/m:classify", json={})
    client.post(f"/v1/models/m/versions/{2**63}:predict", json={})
    client.get("/v1/models/m")
    client.get("/v1/models/m/metadata")
    client.get("/v1/models")
    client.put(PREDICT)
    client.options(PREDICT, headers={"Origin": "http://here"})
    client.options(PREDICT)
    client.get("/")
    assert [(*what[:2], what[3]) for what in seen] == [
        ("m", "predict", "OK"),
        ("x", "predict", "NOT_FOUND"),
        ("m", "classify", "INVALID_ARGUMENT"),
        ("m", "predict", "INVALID_ARGUMENT"),
        ("m", "", "OK"),
        ("m", "", "OK"),
        ("", "", "INVALID_ARGUMENT"),
        ("", "", "INVALID_ARGUMENT"),
        ("", "", "OK"),
        ("", "", "FAILED_PRECONDITION"),
    ]
    assert all(what[2] == "REST" and 0 <= what[4] < 60 for what in seen)
    with_bug = client_of(Model(RuntimeError()), observe=lambda *what: seen.append(what))
    with_bug.post(PREDICT, json={"inputs": 1})
    assert seen[-1][:4] == ("m", "predict", "REST", "INTERNAL")


@pytest.mark.parametrize("cors", [True, False])
@pytest.mark.parametrize(
    ("method", "address", "has_them"),
    [
        ("GET", "/v1/models/m", True),
        ("GET", "/v1/nonsense", True),
        ("GET", f"/v1/models/m/versions/{2**63}", True),
        ("OPTIONS", PREDICT, True),
        ("GET", "/nonsense", False),
        ("GET", "/metrics", False),
    ],
)
def test_cors(model, method, address, has_them, cors):
    """With the flag pages of other origins may read every answer below /v1/, and nothing else."""
    client = client_of(model, cors=cors, metrics=("/metrics", lambda: b"requests 1\n"))
    response = client.open(address, method=method)
    headers = {name: value for name, value in response.headers if name.startswith("Access-")}
    assert headers == (
        {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "POST, GET",
            "Access-Control-Allow-Headers": "Content-Type",
        }
        if cors and has_them
        else {}
    )


@pytest.mark.parametrize(("timeout_s", "passed_on"), [(0.25, 0.25), (0.0, None), (-1.0, None)])
def test_timeout(model, timeout_s, passed_on):
    """The model gets the time it may take; no positive time is no limit."""
    client = client_of(model, timeout_s=timeout_s)
    client.post(PREDICT, json={"inputs": 1})
    for method in ("classify", "regress"):
        client.post(f"/v1/models/m:{method}", json={"examples": [{"x": 1.0}]})
    assert model.timeouts_s == [passed_on] * 3


def test_a_bug_is_no_page_of_html(caplog):
    """An error that nobody expected is JSON, its trace in the log alone."""
    response = client_of(Model(RuntimeError("secret"))).get("/v1/models/m")
    assert response.status_code == 500
    assert error_of(response) == "Internal error"
    assert "secret" in caplog.text


def test_metrics(model):
    """Text for Prometheus at one path, by any method, and nothing else there."""
    client = client_of(model, metrics=("/monitoring/metrics", lambda: b"requests 1\n"))
    response = client.get("/monitoring/metrics")
    assert (response.data, response.headers["Content-Type"]) == (b"requests 1\n", "text/plain")
    wrong = client.get("/monitoring/metrics?x=1")
    assert (wrong.status_code, wrong.headers["Content-Type"]) == (400, "text/plain")
    assert wrong.data == b"Unexpected path: /monitoring/metrics?x=1. Should be /monitoring/metrics"
    assert client.post("/monitoring/metrics").data == b"requests 1\n"
    assert client.get("/monitoring/metrics/").status_code == 404


def test_shortest_floats():
    """On request floats have the shortest form; else TensorFlow Serving's digits."""
    for shortest, text in ((True, b"0.33333334"), (False, b"0.333333343")):
        client = client_of(Model(), shortest_floats=shortest)
        assert b"[" + text + b"\n" in client.post(PREDICT, json={"instances": [1 / 6]}).data
