"""Who answers what: what a request turns out to be, drift and metrics."""

import asyncio
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from tests.serving.asked_gateway import picture
from vitrine_client.errors import MethodNotAllowed, NotFound
from vitrine_serving.gateway.api.open_inference.factory import make_open_inference
from vitrine_serving.gateway.application import TASKS, make_handlers
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.http.problems import expected
from vitrine_serving.gateway.http.routes import RoutedRequest, UnknownAddress
from vitrine_serving.gateway.inference.batcher import BatchingSettings
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.decoding.queue import DecodingQueue
from vitrine_serving.gateway.inference.decoding.runners import ThreadRunner
from vitrine_serving.gateway.inference.threads import in_thread
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.shedding import SheddingSettings
from vitrine_serving.gateway.telemetry.feedback.log import FeedbackLog, FeedbackSettings
from vitrine_serving.gateway.telemetry.metrics import Metrics


class FakeWatch:
    """Has seen one model, and repeats what it was asked."""

    async def report(self, model, version, servers, *, timeout_s):
        if model != "mlp":
            raise NotFound(f"Could not find any versions of model {model}")
        assert 5 < timeout_s <= 10
        self.servers = servers
        return {"model": model, "versions": [{"version": str(version)}]}


class FakeMetrics:
    """Says which thread was asked."""

    def render(self):
        return threading.current_thread().name.encode(), "text/plain; version=0.0.4"


def request(method: str, path: str, body: bytes = b"", **headers: str) -> Request:
    deadline = time.monotonic() + 10
    return Request(method, path, "", headers, "", "id-1", body=body, deadline=deadline)


@pytest.fixture
def ask(servers):
    """Answers a request by handlers of their own, in a loop of their own."""

    def answer(asked: Request, watch=None, metrics=None) -> Answer:
        async def run() -> Answer:
            with ThreadPoolExecutor(1, "asked") as threads:
                offload = partial(in_thread, threads)
                plane = DataPlane(servers, BatchingSettings(), SheddingSettings())
                assert plane.rows_waiting() == {}
                decoding = DecodingQueue(ThreadRunner(TASKS))
                open_inference = make_open_inference(
                    *(Settings(), servers, plane, decoding, offload, Metrics(())),
                    is_draining=lambda: False,
                )
                handlers = make_handlers(
                    Settings(),
                    servers,
                    plane,
                    decoding,
                    offload,
                    is_draining=lambda: False,
                    metrics=metrics,
                    watch=watch,
                    feedback_log=FeedbackLog(FeedbackSettings()),
                    open_inference=open_inference,
                )
                routed = RoutedRequest(asked)
                routed.check()
                return await routed.answer(handlers)

        try:
            return asyncio.run(run())
        except UnknownAddress as error:
            return expected(error)

    return answer


@pytest.mark.parametrize(
    ("method", "path", "endpoint", "target"),
    [
        ("GET", "/", "page", None),
        ("GET", "/v1/models", "models", None),
        ("GET", "/static/page.css", "static", None),
        ("GET", "/nowhere", "other", None),
        ("POST", "/v1/instances", "instances", None),
        ("POST", "/v1/models/mlp:explain", "explain", ModelRef("mlp")),
        ("POST", "/v1/models/mlp/versions/3:predict", "predict", ModelRef("mlp", 3)),
        ("GET", "/v1/models/mlp", "status", ModelRef("mlp")),
    ],
)
def test_a_request_turns_out(ask, method, path, endpoint, target):
    """Whoever looks at it afterwards finds what it was, and which model it was about."""
    asked = request(method, path, picture(4), **{"content-type": "image/png"})
    assert ask(asked).status == (404 if endpoint == "other" else 200)
    assert (asked.endpoint, asked.target) == (endpoint, target)


def test_predictions_are_left_in_the_request(ask):
    """Pictures that were predicted have an outcome with what was sent; others have none."""
    asked = request("POST", "/v1/models/mlp:predict", picture(4), **{"content-type": "image/png"})
    before = time.monotonic()
    ask(asked)
    assert [result.class_id for result in asked.outcome.results] == [4]
    assert asked.outcome.shown.rows.shape == (1, 28, 28)
    assert before <= asked.outcome.began <= time.monotonic()
    other = request("POST", "/v1/models/mlp:explain", picture(4), **{"content-type": "image/png"})
    ask(other)
    assert [result.class_id for result in other.outcome.results] == [4]


def test_drift_is_reported(ask, servers):
    """A model, or one of its versions, with what the watch says, which asks the model servers."""
    watch = FakeWatch()
    for path, version in (
        ("/v1/models/mlp/drift", "None"),
        ("/v1/models/mlp/versions/2/drift", "2"),
    ):
        answer = ask(request("GET", path), watch)
        assert json.loads(answer.body) == {"model": "mlp", "versions": [{"version": version}]}
        assert watch.servers is servers
    with pytest.raises(NotFound):
        ask(request("GET", "/v1/models/nope/drift"), watch)
    with pytest.raises(MethodNotAllowed):
        ask(request("POST", "/v1/models/mlp/drift"), watch)


def test_drift_that_nobody_watches(ask):
    """It is a problem that names the setting."""
    answer = ask(request("GET", "/v1/models/mlp/drift"))
    assert (answer.status, answer.content_type) == (404, "application/problem+json")
    assert "VITRINE_DRIFT" in json.loads(answer.body)["detail"]


def test_metrics_are_made_in_a_thread(ask):
    """They come with their own content type; making them holds up nobody."""
    answer = ask(request("GET", "/metrics"), metrics=FakeMetrics())
    assert answer.content_type == "text/plain; version=0.0.4"
    assert answer.body.startswith(b"asked")
    with pytest.raises(MethodNotAllowed):
        ask(request("POST", "/metrics"), metrics=FakeMetrics())
