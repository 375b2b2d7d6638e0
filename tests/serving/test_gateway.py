"""The gateway with a model server of our own making behind it."""

import io
import struct
import zlib

import flask.testing
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from vitrine_client.errors import DeadlineExceeded, NotFound, Unavailable, VitrineError
from vitrine_client.predictions import VersionStatus, to_predictions
from vitrine_serving.gateway import create_app
from vitrine_serving.gateway.settings import Settings, explain

LABELS = tuple(f"class {n}" for n in range(10))
PREDICT = "/v1/models/mlp:predict"


class FakeBackend:
    """Answers that an image belongs to the class of its brightest row, by version 3."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int | None, str | None]] = []
        self.error: Exception | None = None

    def predict_instances(self, model, instances, *, version=None, label=None, timeout_s=None):
        self.asked.append((model, len(instances), version, label))
        if self.error:
            raise self.error
        rows = instances.sum(axis=2)[:, :10].astype(np.float32) + 1
        return to_predictions(rows / rows.sum(axis=1, keepdims=True), LABELS, model, version or 3)

    def status(self, model, *, version=None, label=None):
        if self.error:
            raise self.error
        if model == "gone":
            raise NotFound("Could not find any versions of model gone")
        return [VersionStatus(3, "AVAILABLE"), VersionStatus(2, "END")]


@pytest.fixture
def backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture
def http(backend: FakeBackend) -> flask.testing.FlaskClient:
    settings = Settings(models=("softmax", "mlp"), max_images=4, max_body_bytes=100_000)
    return create_app(settings, backend).test_client()


def picture(row: int) -> bytes:
    """A 28x28 PNG with one bright row."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[row, 8:20] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def form(*pictures: bytes, name: str = "image") -> dict:
    return {name: [(io.BytesIO(body), f"{n}.png") for n, body in enumerate(pictures)]}


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises width x height pixels and has none."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_a_raw_picture_gets_a_prediction(http, backend):
    """The answer has label, class id, probability, all probabilities and the version."""
    answer = http.post(PREDICT, data=picture(4), content_type="image/png")
    assert answer.status_code == 200
    assert answer.json["model_spec"] == {
        "name": "mlp",
        "version": "3",
        "signature_name": "serving_default",
    }
    (prediction,) = answer.json["predictions"]
    assert prediction["label"] == "class 4"
    assert prediction["class_id"] == 4
    assert prediction["probability"] == max(prediction["probabilities"].values())
    assert list(prediction["probabilities"]) == list(LABELS)
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    assert backend.asked == [("mlp", 1, None, None)]


def test_a_form_gets_its_predictions_in_order(http, backend):
    """Several parts go to the model server as one batch, and come back in their order."""
    answer = http.post(PREDICT, data=form(picture(7), picture(2), picture(5)))
    assert [p["class_id"] for p in answer.json["predictions"]] == [7, 2, 5]
    assert backend.asked == [("mlp", 3, None, None)]


def test_a_bad_part_fails_alone(http, backend):
    """A part that is no picture names its index, and its neighbours are answered."""
    answer = http.post(PREDICT, data=form(picture(7), b"garbage", picture(5)))
    assert answer.status_code == 200
    first, bad, last = answer.json["predictions"]
    assert (first["class_id"], last["class_id"]) == (7, 5)
    assert bad["error"].startswith("image 1: ")
    assert backend.asked == [("mlp", 2, None, None)]


def test_only_bad_parts_are_an_error(http, backend):
    """With no picture at all there is nothing to answer, and nobody is asked."""
    answer = http.post(PREDICT, data=form(b"garbage", b"rubbish"))
    assert answer.status_code == 400
    assert backend.asked == []


def test_versions_and_labels_are_passed_on(http, backend):
    """The address says which version, or which version label, is asked."""
    http.post("/v1/models/mlp/versions/2:predict", data=picture(1), content_type="image/png")
    http.post("/v1/models/mlp/labels/canary:predict", data=picture(1), content_type="image/png")
    assert backend.asked == [("mlp", 1, 2, None), ("mlp", 1, None, "canary")]


def test_models_and_status(http):
    """Lists say the versions and states in TensorFlow Serving's JSON."""
    status = http.get("/v1/models/mlp").json
    assert [(s["version"], s["state"]) for s in status["model_version_status"]] == [
        ("3", "AVAILABLE"),
        ("2", "END"),
    ]
    listed = http.get("/v1/models").json["models"]
    assert [model["name"] for model in listed] == ["softmax", "mlp"]
    assert listed[1]["model_version_status"] == status["model_version_status"]


def test_ready_needs_every_model(backend):
    """One model that is unknown to the model server makes the gateway not ready, but live."""
    http = create_app(Settings(models=("mlp", "gone")), backend).test_client()
    answer = http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {"ready": False, "models": {"mlp": True, "gone": False}}
    assert http.get("/healthz").status_code == 200


def test_ready_without_a_model_server(http, backend):
    """No model server: not ready, and the reason is told; still live."""
    backend.error = Unavailable("nobody there")
    answer = http.get("/readyz")
    assert (answer.status_code, answer.json["reason"]) == (503, "nobody there")
    assert http.get("/healthz").status_code == 200


def test_the_page_loads_nothing_from_elsewhere(http):
    """The page's script and style come from the gateway itself."""
    page = http.get("/").text
    assert "http" not in page.replace('http-equiv="', "")
    for name in ("page.css", "page.js"):
        assert http.get(f"/static/{name}").status_code == 200
        assert f"/static/{name}" in page


PNG = {"content_type": "image/png"}
WRONG = {
    "empty body": ({"data": b"", **PNG}, 400, "empty"),
    "text": ({"data": b"hello", **PNG}, 400, "PNG"),
    "truncated PNG": ({"data": picture(4)[:50], **PNG}, 400, "truncated"),
    "huge PNG header": ({"data": png_header(50_000, 50_000), **PNG}, 400, "pixels"),
    "SVG": ({"data": b"<svg xmlns='x'/>", "content_type": "image/svg+xml"}, 400, "SVG"),
    "wrong content type": ({"data": b"{}", "content_type": "text/html"}, 415, "Content-Type"),
    "curl's default type": (
        {"data": picture(4), "content_type": "application/x-www-form-urlencoded"},
        415,
        "--data-binary",
    ),
    "no content type": ({"data": picture(4)}, 415, "Content-Type"),
    "form without image": ({"data": form(picture(1), name="file")}, 400, "named `image`"),
    "too many images": ({"data": form(*[picture(1)] * 5)}, 413, "at most 4"),
    "too many parts": ({"data": form(*[picture(1)] * 9)}, 413, "fewer"),
    "too large a body": ({"data": b"x" * 100_001, **PNG}, 413, "smaller"),
    "unknown address": ({"path": "/v1/nonsense", "data": b""}, 404, "GET /v1/models"),
    "version that is no number": (
        {"path": "/v1/models/mlp/versions/one:predict", "data": picture(1), **PNG},
        404,
        "no address",
    ),
    "wrong method": ({"path": PREDICT, "method": "GET"}, 405, "POST"),
    "wrong method elsewhere": ({"path": "/v1/models", "method": "DELETE"}, 405, "DELETE"),
}


@pytest.mark.parametrize(("request_", "status", "hint"), WRONG.values(), ids=WRONG)
def test_wrong_requests_are_told_what_to_do(http, backend, request_, status, hint):
    """Wrong input gets a 4xx with a problem+json that helps; the model server is not bothered."""
    answer = http.open(**({"path": PREDICT, "method": "POST"} | request_))
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.json["status"] == status
    assert hint in answer.json["detail"]
    assert answer.json["error"]
    assert "Traceback" not in answer.text
    assert backend.asked == []


BACKEND_ERRORS = [
    (NotFound("Servable not found for request: Latest(mlp)"), 404, "GET /v1/models"),
    (Unavailable("nobody there"), 503, "nobody there"),
    (DeadlineExceeded("too late"), 504, "too late"),
    (VitrineError("odd"), 500, "odd"),
    (ZeroDivisionError("secret of the house"), 500, "log"),
]


@pytest.mark.parametrize(("error", "status", "hint"), BACKEND_ERRORS)
def test_backend_errors_have_their_status(http, backend, error, status, hint):
    """What the model server says keeps its status; a bug of ours shows nothing of the inside."""
    backend.error = error
    answer = http.post(PREDICT, data=picture(1), **PNG)
    assert answer.status_code == status
    assert hint in answer.json["detail"]
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)


@pytest.mark.parametrize(
    ("variable", "value"),
    [("VITRINE_PORT", "eighty"), ("VITRINE_MAX_PIXELS", "0"), ("VITRINE_REQUEST_TIMEOUT_S", "-1")],
)
def test_a_bad_setting_names_its_variable(monkeypatch, variable, value):
    """Who mistypes a setting is told which one."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert explain(caught.value).startswith(f"{variable}='{value}': ")


def test_settings_come_from_the_environment(monkeypatch):
    """Lists are separated by commas."""
    monkeypatch.setenv("VITRINE_MODELS", "a, b,")
    monkeypatch.setenv("VITRINE_PORT", "9000")
    settings = Settings()
    assert (settings.models, settings.port) == (("a", "b"), 9000)
