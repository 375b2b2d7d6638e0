"""Pictures that show nothing: no class is made up, and no model, metric or log takes them for
more."""

import asyncio
import json
import logging
import time

import numpy as np
import pytest

from tests.monitoring.scraped import Scraped
from tests.serving.asked_gateway import PNG, PREDICT, FakeServers, Http, form, npy, picture, png
from vitrine_client.errors import Unavailable
from vitrine_client.images import NOTHING
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.inference.batcher import BatchingSettings
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.requests import Caller
from vitrine_serving.gateway.inference.versions import Versions
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.shedding import QueueFull, SheddingSettings

EXPLAIN = "/v1/models/mlp:explain"
BLANK = png(np.full((120, 90), 255, np.uint8))
KINDS = {
    "blank": BLANK,
    "black": png(np.zeros((28, 28), np.uint8)),
    "black and large": png(np.zeros((300, 200, 3), np.uint8)),
    "noise": png(np.random.default_rng(7).integers(0, 256, (200, 200), np.uint8)),
}
EMPTY = {"empty": True, "warnings": [NOTHING]}


@pytest.mark.parametrize("content", KINDS.values(), ids=KINDS)
def test_nothing_gets_no_class(http, servers, content):
    """The entry has no label, the version is the one that would have answered, and the model is
    not asked."""
    answer = http.post(PREDICT, content=content, headers=PNG)
    assert answer.status_code == 200
    spec = {"name": "mlp", "version": "3", "signature_name": "serving_default"}
    assert answer.json() == {"predictions": [EMPTY], "model_spec": spec}
    assert (servers.asked, servers.called) == ([], [])
    assert answer.headers["Server-Timing"].startswith("decode;dur=")


def test_among_others_it_is_answered_in_its_place(http, servers):
    """Each picture of a form has its own entry, and only what shows something goes to the model."""
    answer = http.post(PREDICT, files=form(BLANK, picture(7), b"garbage", picture(5)))
    empty, seven, bad, five = answer.json()["predictions"]
    assert (answer.status_code, empty) == (200, EMPTY)
    assert (seven["class_id"], five["class_id"]) == (7, 5)
    assert (seven["box"], seven["warnings"]) == ([0, 0, 28, 28], [])
    assert list(bad) == ["error"]
    assert bad["error"].startswith("image 2: ")
    assert servers.asked == [("mlp", 2, None, None)]
    assert servers.resolved == []


def test_unreadable_and_empty_are_no_error(http):
    """An empty picture is one that could be read, so there is something to answer."""
    answer = http.post(PREDICT, files=form(b"garbage", BLANK))
    assert answer.status_code == 200
    bad, empty = answer.json()["predictions"]
    assert (list(bad), empty) == (["error"], EMPTY)


@pytest.mark.parametrize("verb", ["predict", "explain"])
@pytest.mark.parametrize(
    ("place", "status", "version"),
    [
        ("mlp/versions/2", 200, "2"),
        ("mlp/labels/canary", 200, "2"),
        ("mlp/labels/stable", 200, "3"),
        ("mlp/versions/9", 404, None),
        ("mlp/labels/nope", 400, None),
        ("nope", 404, None),
    ],
)
def test_who_would_have_answered(http, servers, verb, place, status, version):
    """What is not there is refused as for any picture; else its version is told."""
    answer = http.post(f"/v1/models/{place}:{verb}", content=BLANK, headers=PNG)
    assert answer.status_code == status
    assert answer.json().get("model_spec", {}).get("version") == version
    assert (servers.asked, servers.called) == ([], [])


def test_a_model_server_that_fails(http, servers):
    """Its error has its status, here too."""
    servers.error = Unavailable("nobody there")
    assert http.post(PREDICT, content=BLANK, headers=PNG).status_code == 503


def test_asking_who_would_answer_has_the_ids(http, servers):
    """The call belongs to its request, and has the time that is left."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    headers = PNG | {"X-Request-ID": "mine-1", "traceparent": trace}
    http.post(PREDICT, content=BLANK, headers=headers)
    assert servers.metadata == [("x-request-id", "mine-1"), ("traceparent", trace)]
    assert 5 < servers.timeout_s <= 10


def test_many_share_the_call(runner):
    """However many ask at a time, one call is out for each target, and no more may wait."""

    async def scenario():
        servers = HeldServers()
        bounds = BatchingSettings(max_batch_size=4), SheddingSettings(max_queued_images=4)
        versions = Versions(DataPlane(servers, *bounds), *bounds)

        def ask(label: str | None = None):
            asked = (ModelRef("mlp", label=label), Caller("id"), time.monotonic() + 30)
            return asyncio.create_task(versions.resolve(*asked))

        first = ask()
        await asyncio.wait_for(servers.running.wait(), 30)
        waiting = [ask() for _ in range(4)]
        await asyncio.wait(waiting, timeout=0)
        with pytest.raises(QueueFull):
            await ask()
        other = ask("canary")
        servers.go_on.set()
        found = await asyncio.gather(first, *waiting, other)
        assert [each.answers for each in found] == [[3]] * 5 + [[2]]
        assert len(servers.resolved) == 3

    runner.run(scenario())


class HeldServers(FakeServers):
    """Says when it is called, and answers when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.running, self.go_on = asyncio.Event(), asyncio.Event()

    async def call(self, method, request, *, timeout_s, metadata=()):
        self.running.set()
        await asyncio.wait_for(self.go_on.wait(), 30)
        return await super().call(method, request, timeout_s=timeout_s, metadata=metadata)


def test_arrays_are_no_pictures(http, servers):
    """Rows of zeros are answered, and have neither box nor warnings."""
    zeros = npy(np.zeros((2, 28, 28), np.uint8))
    headers = {"Content-Type": "application/x-npy"}
    found = http.post(PREDICT, content=zeros, headers=headers).json()["predictions"]
    explained = http.post(EXPLAIN, content=zeros, headers=headers).json()["explanations"]
    shown = http.post("/v1/instances", content=zeros, headers=headers).json()
    assert servers.asked == [("mlp", 2, None, None)]
    assert [list(each) for each in found] == [
        ["label", "class_id", "probability", "probabilities"]
    ] * 2
    assert [list(each) for each in explained] == [
        ["label", "class_id", "probability", "attributions"]
    ] * 2
    assert list(shown) == ["instances"]


def test_nothing_is_explained_of_nothing(http, servers):
    """It has the same entry, alone and among others, which have their box and warnings."""
    alone = http.post(EXPLAIN, content=BLANK, headers=PNG)
    spec = {"name": "mlp", "version": "3", "signature_name": "explain"}
    assert alone.json() == {"explanations": [EMPTY], "model_spec": spec}
    assert servers.called == []
    answer = http.post(EXPLAIN, files=form(picture(4), BLANK, picture(2)))
    four, empty, two = answer.json()["explanations"]
    assert (four["class_id"], empty, two["class_id"]) == (4, EMPTY, 2)
    assert (four["box"], four["warnings"]) == ([0, 0, 28, 28], [])
    refused = http.post(EXPLAIN, files=form(BLANK, b"garbage"))
    assert (refused.status_code, refused.json()["detail"][:9]) == (400, "image 1: ")


def test_models_would_be_shown_black(http, servers):
    """`/v1/instances` has black rows, no box, and why; it asks no model."""
    answer = http.post("/v1/instances", files=form(BLANK, picture(4))).json()
    black, bar = np.float32(answer["instances"])
    assert (black.max(), bar.max()) == (0, 1)
    assert answer["boxes"] == [None, [0, 0, 28, 28]]
    assert answer["warnings"] == [[NOTHING], []]
    assert servers.resolved == []


def test_the_prediction_log_leaves_them_out(servers, runner, tmp_path):
    """No result and no image of an empty picture is noted, but its place; and no line of nothing
    else."""
    path = tmp_path / "predictions.jsonl"
    app = create_app(Settings(prediction_log=path, prediction_log_images=True), servers)
    http = Http(app, runner)
    for files in (form(BLANK), form(BLANK, picture(7), b"garbage"), form(BLANK, b"garbage")):
        assert http.post(PREDICT, files=files).status_code == 200
    http.post("/v1/models/nope:predict", content=BLANK, headers=PNG)
    app.close()
    mixed, bad, refused = [json.loads(line) for line in path.read_text().splitlines()]
    assert [each.get("class_id") for each in mixed["results"]] == [7, None]
    assert [bool(each) for each in mixed["instances"]] == [True, False]
    assert (mixed["empty"], bad["empty"], refused.get("empty")) == ([0], [0], None)
    assert [list(each) for each in bad["results"]] == [["error"]]
    assert (bad["status"], bad["version"]) == (200, 3)
    assert (refused["status"], "results" in refused) == (404, False)


def test_a_metric_counts_them(servers, runner):
    """By model, from 0; they have a stage of decoding, and are no images of a call."""
    http = Http(create_app(Settings(models=("mlp",)), servers), runner)

    def counted(**labels: str) -> float:
        found = Scraped(http.get("/metrics").text)
        return found.total("vitrine_empty_pictures_total", **labels)

    assert (counted(model="mlp"), counted(model="other")) == (0, 0)
    http.post(PREDICT, files=form(BLANK, picture(7), BLANK))
    http.post(PREDICT, content=BLANK, headers=PNG)
    http.post("/v1/instances", content=BLANK, headers=PNG)
    assert (counted(model="mlp"), counted(model="other")) == (3, 0)
    found = Scraped(http.get("/metrics").text)
    assert found.total("vitrine_stage_seconds_count", version="3", stage="decode") == 2


def test_the_access_log_has_who_would_have_answered(servers, runner, caplog):
    """The line of an empty picture is like any other."""
    http = Http(create_app(Settings(access_log=True), servers), runner)
    with caplog.at_level(logging.INFO, "vitrine_serving.gateway"):
        http.post(PREDICT, content=BLANK, headers=PNG)
    (record,) = [each for each in caplog.records if hasattr(each, "about")]
    assert (record.about["status"], record.about["version"]) == (200, 3)
    assert record.about["decode_ms"] > 0
