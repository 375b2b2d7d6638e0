"""The gateway with model servers of our own making behind it."""

import gzip
import threading
from collections.abc import Sequence

import numpy as np
import pytest

from tests.serving.asked_gateway import (
    LABELS,
    PNG,
    PREDICT,
    FakeServers,
    Http,
    form,
    npy,
    picture,
)
from vitrine_client.errors import Unavailable
from vitrine_serving.gateway.access.guard import Guard
from vitrine_serving.gateway.application import Gateway, create_app
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.telemetry.drift import DriftState
from vitrine_serving.gateway.telemetry.metrics import Metrics


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
    answer = http.get("/readyz?models=1")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "models": {"mlp": True, "gone": False}}
    assert http.get("/healthz").status_code == 200


def test_ready_without_a_model_server(http, servers):
    """No model server: not ready, and the reason is told; still live."""
    servers.error = Unavailable("nobody there")
    answer = http.get("/readyz?models=1")
    assert (answer.status_code, answer.json()["reason"]) == (503, "nobody there")
    assert http.get("/healthz").status_code == 200


def test_the_page_loads_nothing_from_elsewhere(http):
    """The page's script and style come from the gateway itself."""
    page = http.get("/").text
    assert "http" not in page.replace('http-equiv="', "")
    for name in ("page.css", "page.js"):
        assert http.get(f"/static/{name}").status_code == 200
        assert f"/static/{name}" in page


class LastFlush:
    """A watch that knows which threads flushed it."""

    def __init__(self) -> None:
        self.threads: list[int] = []

    def flush(self) -> None:
        self.threads.append(threading.get_ident())

    def start(self, *_: object) -> None:
        """Has no peers."""

    def stop(self) -> None:
        """Asks nobody."""

    def note(self, *_: object) -> None:
        """Sees nothing."""

    def states(self) -> Sequence[DriftState]:
        return []


class Closable(FakeServers):
    """Model servers whose connections can end."""

    closed = False

    async def close(self) -> None:
        self.closed = True


def test_the_end_flushes_the_watch_in_its_own_thread(runner):
    """That of the event loop, which notes answers and has a timer that flushes, too."""
    settings, servers, watch = Settings(), Closable(), LastFlush()
    guard = Guard(settings.access, settings.rates)
    gateway = Gateway(settings, lambda: servers, guard, Metrics(()), watch)

    async def live() -> None:
        gateway.start()
        await gateway.stop()

    runner.run(live())
    gateway.close()
    assert watch.threads == [threading.get_ident()], "once, and here"
    assert servers.closed
