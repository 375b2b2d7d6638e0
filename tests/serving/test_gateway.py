"""The gateway with model servers of our own making behind it."""

import asyncio
import gzip
import io
import struct
import zlib
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from vitrine_client import wire_pb2 as wire
from vitrine_client.errors import DeadlineExceeded, NotFound, Unavailable, VitrineError
from vitrine_client.predictions import VersionStatus, to_predictions
from vitrine_serving.gateway import create_app
from vitrine_serving.gateway.asgi import Gateway
from vitrine_serving.gateway.settings import Settings, explain

LABELS = tuple(f"class {n}" for n in range(10))
PREDICT = "/v1/models/mlp:predict"


class FakeServers:
    """Answers that an image belongs to the class of its brightest row, by version 3."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, int | None, str | None]] = []
        self.metadata: list[tuple[str, str]] = []
        self.timeout_s = 0.0
        self.error: Exception | None = None

    async def predict_instances(
        self, model, instances, *, version=None, label=None, timeout_s, metadata=()
    ):
        self.asked.append((model, len(instances), version, label))
        self.metadata, self.timeout_s = list(metadata), timeout_s
        if self.error:
            raise self.error
        rows = instances.sum(axis=2)[:, :10].astype(np.float32) + 1
        return to_predictions(rows / rows.sum(axis=1, keepdims=True), LABELS, model, version or 3)

    async def status(self, model, *, version=None, label=None, timeout_s):
        if self.error:
            raise self.error
        if model == "gone":
            raise NotFound("Could not find any versions of model gone")
        return [VersionStatus(3, "AVAILABLE"), VersionStatus(2, "END")]

    async def call(self, method, request, *, timeout_s, metadata=()):
        if self.error:
            raise self.error
        assert method == "ModelService/GetModelStatus"
        model = wire.GetModelStatusRequest.FromString(request).model_spec.name
        if model != "mlp":
            raise NotFound(f"Could not find any versions of model {model}")
        return wire.GetModelStatusResponse(
            model_version_status=[
                wire.ModelVersionStatus(version=3, state="AVAILABLE", status=wire.Status()),
                wire.ModelVersionStatus(version=2, state="END", status=wire.Status()),
            ]
        ).SerializeToString()


class Http:
    """Asks an application without a socket, each request in its turn."""

    def __init__(self, app: Gateway, runner: asyncio.Runner) -> None:
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://gateway"
        )
        self._runner = runner

    def request(self, method: str, path: str, **body) -> httpx.Response:
        return self._runner.run(self._client.request(method, path, **body))

    def get(self, path: str, **options) -> httpx.Response:
        return self.request("GET", path, **options)

    def post(self, path: str, **body) -> httpx.Response:
        return self.request("POST", path, **body)


@pytest.fixture
def servers() -> FakeServers:
    return FakeServers()


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def http(servers: FakeServers, runner: asyncio.Runner) -> Http:
    settings = Settings(models=("softmax", "mlp"), max_images=4, max_body_bytes=100_000)
    return Http(create_app(settings, servers), runner)


def picture(row: int) -> bytes:
    """A 28x28 PNG with one bright row."""
    pixels = np.zeros((28, 28), np.uint8)
    pixels[row, 8:20] = 255
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def form(*pictures: bytes, name: str = "image") -> list:
    return [(name, (f"{n}.png", body)) for n, body in enumerate(pictures)]


PNG = {"Content-Type": "image/png"}


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises width x height pixels and has none."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def test_a_raw_picture_gets_a_prediction(http, servers):
    """The answer has label, class id, probability, all probabilities and the version."""
    answer = http.post(PREDICT, content=picture(4), headers=PNG)
    assert answer.status_code == 200
    assert answer.json()["model_spec"] == {
        "name": "mlp",
        "version": "3",
        "signature_name": "serving_default",
    }
    (prediction,) = answer.json()["predictions"]
    assert prediction["label"] == "class 4"
    assert prediction["class_id"] == 4
    assert prediction["probability"] == max(prediction["probabilities"].values())
    assert list(prediction["probabilities"]) == list(LABELS)
    assert sum(prediction["probabilities"].values()) == pytest.approx(1)
    assert servers.asked == [("mlp", 1, None, None)]


def test_a_form_gets_its_predictions_in_order(http, servers):
    """Several parts go to the model server as one batch, and come back in their order."""
    answer = http.post(PREDICT, files=form(picture(7), picture(2), picture(5)))
    assert [p["class_id"] for p in answer.json()["predictions"]] == [7, 2, 5]
    assert servers.asked == [("mlp", 3, None, None)]


def test_a_bad_part_fails_alone(http, servers):
    """A part that is no picture names its index, and its neighbours are answered."""
    answer = http.post(PREDICT, files=form(picture(7), b"garbage", picture(5)))
    assert answer.status_code == 200
    first, bad, last = answer.json()["predictions"]
    assert (first["class_id"], last["class_id"]) == (7, 5)
    assert bad["error"].startswith("image 1: ")
    assert servers.asked == [("mlp", 2, None, None)]


def test_only_bad_parts_are_an_error(http, servers):
    """With no picture at all there is nothing to answer, and nobody is asked."""
    answer = http.post(PREDICT, files=form(b"garbage", b"rubbish"))
    assert answer.status_code == 400
    assert servers.asked == []


def test_versions_and_labels_are_passed_on(http, servers):
    """The address says which version, or which version label, is asked."""
    http.post("/v1/models/mlp/versions/2:predict", content=picture(1), headers=PNG)
    http.post("/v1/models/mlp/labels/canary:predict", content=picture(1), headers=PNG)
    assert servers.asked == [("mlp", 1, 2, None), ("mlp", 1, None, "canary")]


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def test_an_array_is_a_batch(http, servers):
    """`numpy.save`'s bytes of [n, 28, 28], as bytes or as floats, are n pictures."""
    rows = np.zeros((3, 28, 28), np.uint8)
    for index, bright in enumerate((7, 2, 5)):
        rows[index, bright] = 255
    headers = {"Content-Type": "application/x-npy"}
    for array in (rows, (rows / 255).astype(np.float32)):
        answer = http.post(PREDICT, content=npy(array), headers=headers)
        assert [p["class_id"] for p in answer.json()["predictions"]] == [7, 2, 5]
    assert servers.asked == [("mlp", 3, None, None)] * 2


def test_a_gzip_body_is_unpacked(http):
    """`Content-Encoding: gzip` is taken off, whatever is inside."""
    headers = PNG | {"Content-Encoding": "gzip"}
    answer = http.post(PREDICT, content=gzip.compress(picture(4)), headers=headers)
    assert answer.json()["predictions"][0]["class_id"] == 4


def test_top_k(http):
    """The query asks for the most probable classes alone, best first."""
    answer = http.post(f"{PREDICT}?top_k=2", content=picture(4), headers=PNG)
    probabilities = answer.json()["predictions"][0]["probabilities"]
    assert next(iter(probabilities)) == "class 4"
    assert len(probabilities) == 2
    whole = http.post(f"{PREDICT}?top_k=99", content=picture(4), headers=PNG).json()
    assert len(whole["predictions"][0]["probabilities"]) == 10


def test_a_request_has_an_id_and_takes_its_trace_along(http, servers):
    """Both are passed on to the model server; an id comes back, and is made where none is given."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    headers = PNG | {"X-Request-ID": "mine-1", "traceparent": trace}
    answer = http.post(PREDICT, content=picture(4), headers=headers)
    assert answer.headers["X-Request-ID"] == "mine-1"
    assert servers.metadata == [("x-request-id", "mine-1"), ("traceparent", trace)]
    for bad in (PNG, PNG | {"X-Request-ID": "a b", "traceparent": "00-0-0-01"}):
        made = http.post(PREDICT, content=picture(4), headers=bad).headers["X-Request-ID"]
        assert len(made) == 32
        assert servers.metadata == [("x-request-id", made)]


def test_an_answer_says_what_took_how_long(http, servers):
    """Server-Timing has the stages in milliseconds; the model server gets the time that is left."""
    timing = http.post(PREDICT, content=picture(4), headers=PNG).headers["Server-Timing"]
    stages = dict(stage.split(";dur=") for stage in timing.split(", "))
    assert list(stages) == ["decode", "queue", "rpc"]
    assert all(0 <= float(value) < 10_000 for value in stages.values())
    assert 5 < servers.timeout_s <= 10


def test_answers_keep_browsers_from_harm(http):
    """Nobody sniffs, frames or keeps an answer; a page loads nothing from elsewhere."""
    answer = http.post(PREDICT, content=picture(4), headers=PNG)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "script-src 'self'" in http.get("/").headers["Content-Security-Policy"]


def test_pages_of_allowed_origins_may_ask(servers, runner):
    """CORS: a preflight and an answer name the origin that is allowed, and no other."""
    http = Http(create_app(Settings(cors_origins=("https://a.example",)), servers), runner)
    asks = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
    preflight = http.request("OPTIONS", PREDICT, headers=asks)
    assert preflight.status_code == 200
    for answer in (preflight, http.post(PREDICT, content=picture(4), headers=PNG | asks)):
        assert answer.headers["Access-Control-Allow-Origin"] == "https://a.example"
    other = http.post(PREDICT, content=picture(4), headers=PNG | {"Origin": "https://b.example"})
    assert "Access-Control-Allow-Origin" not in other.headers


def test_models_and_status(http):
    """Lists say the versions and states in TensorFlow Serving's JSON."""
    status = http.get("/v1/models/mlp").json()
    assert [(s["version"], s["state"]) for s in status["model_version_status"]] == [
        ("3", "AVAILABLE"),
        ("2", "END"),
    ]
    listed = http.get("/v1/models").json()["models"]
    assert [model["name"] for model in listed] == ["softmax", "mlp"]
    assert listed[1]["model_version_status"] == status["model_version_status"]


def test_ready_needs_every_model(servers, runner):
    """One model that is unknown to the model server makes the gateway not ready, but live."""
    http = Http(create_app(Settings(models=("mlp", "gone")), servers), runner)
    answer = http.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "models": {"mlp": True, "gone": False}}
    assert http.get("/healthz").status_code == 200


def test_ready_without_a_model_server(http, servers):
    """No model server: not ready, and the reason is told; still live."""
    servers.error = Unavailable("nobody there")
    answer = http.get("/readyz")
    assert (answer.status_code, answer.json()["reason"]) == (503, "nobody there")
    assert http.get("/healthz").status_code == 200


def test_the_page_loads_nothing_from_elsewhere(http):
    """The page's script and style come from the gateway itself."""
    page = http.get("/").text
    assert "http" not in page.replace('http-equiv="', "")
    for name in ("page.css", "page.js"):
        assert http.get(f"/static/{name}").status_code == 200
        assert f"/static/{name}" in page


WRONG = {
    "empty body": ({"content": b"", "headers": PNG}, 400, "empty"),
    "text": ({"content": b"hello", "headers": PNG}, 400, "PNG"),
    "truncated PNG": ({"content": picture(4)[:50], "headers": PNG}, 400, "truncated"),
    "huge PNG header": ({"content": png_header(50_000, 50_000), "headers": PNG}, 400, "pixels"),
    "SVG": (
        {"content": b"<svg xmlns='x'/>", "headers": {"Content-Type": "image/svg+xml"}},
        400,
        "SVG",
    ),
    "wrong content type": (
        {"content": b"{}", "headers": {"Content-Type": "text/html"}},
        415,
        "Content-Type",
    ),
    "curl's default type": (
        {"content": picture(4), "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        415,
        "--data-binary",
    ),
    "no content type": ({"content": picture(4)}, 415, "Content-Type"),
    "form without image": ({"files": form(picture(1), name="file")}, 400, "named `image`"),
    "top_k that is none": (
        {"path": f"{PREDICT}?top_k=few", "content": picture(1), "headers": PNG},
        400,
        "count",
    ),
    "top_k of nothing": (
        {"path": f"{PREDICT}?top_k=0", "content": picture(1), "headers": PNG},
        400,
        "from 1",
    ),
    "broken gzip": ({"content": b"x", "headers": PNG | {"Content-Encoding": "gzip"}}, 400, "gzip"),
    "gzip bomb": (
        {"content": gzip.compress(bytes(100_001)), "headers": PNG | {"Content-Encoding": "gzip"}},
        413,
        "100000",
    ),
    "unknown encoding": (
        {"content": b"x", "headers": PNG | {"Content-Encoding": "br"}},
        415,
        "gzip",
    ),
    "array of another shape": (
        {"content": npy(np.zeros((2, 3))), "headers": {"Content-Type": "application/x-npy"}},
        400,
        "28",
    ),
    "version beyond int64": (
        {"path": f"/v1/models/mlp/versions/{2**63}:predict", "content": picture(1), "headers": PNG},
        400,
        "numeric",
    ),
    "too many images": ({"files": form(*[picture(1)] * 5)}, 413, "at most 4"),
    "too many parts": ({"files": form(*[picture(1)] * 9)}, 413, "at most 4"),
    "too large a body": ({"content": b"x" * 100_001, "headers": PNG}, 413, "smaller"),
    "unknown address": ({"path": "/v1/nonsense", "content": b""}, 404, "GET /v1/models"),
    "version that is no number": (
        {"path": "/v1/models/mlp/versions/one:predict", "content": picture(1), "headers": PNG},
        404,
        "no address",
    ),
    "wrong method": ({"path": PREDICT, "method": "GET"}, 405, "POST"),
    "wrong method elsewhere": ({"path": "/v1/models", "method": "DELETE"}, 405, "DELETE"),
}


@pytest.mark.parametrize(("request_", "status", "hint"), WRONG.values(), ids=WRONG)
def test_wrong_requests_are_told_what_to_do(http, servers, request_, status, hint):
    """Wrong input gets a 4xx with a problem+json that helps; the model server is not bothered."""
    answer = http.request(**({"path": PREDICT, "method": "POST"} | request_))
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert hint in answer.json()["detail"]
    assert answer.json()["error"]
    assert "Traceback" not in answer.text
    assert servers.asked == []


BACKEND_ERRORS = [
    (NotFound("Servable not found for request: Latest(mlp)"), 404, "GET /v1/models"),
    (Unavailable("nobody there"), 503, "nobody there"),
    (DeadlineExceeded("too late"), 504, "too late"),
    (VitrineError("odd"), 500, "odd"),
    (ZeroDivisionError("secret of the house"), 500, "log"),
]


@pytest.mark.parametrize(("error", "status", "hint"), BACKEND_ERRORS)
def test_servers_errors_have_their_status(http, servers, error, status, hint):
    """What the model server says keeps its status; a bug of ours shows nothing of the inside."""
    servers.error = error
    answer = http.post(PREDICT, content=picture(1), headers=PNG)
    assert answer.status_code == status
    assert hint in answer.json()["detail"]
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
