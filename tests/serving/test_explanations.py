"""Why a model answers as it does, and what it is shown: `:explain` and `/v1/instances`."""

import asyncio
import gzip
import json
import time

import numpy as np
import pytest

from tests.serving.asked_gateway import PNG, FakeServers, form, npy, picture
from vitrine_client.errors import NotFound, Unavailable
from vitrine_serving.gateway.api.explanations import explain
from vitrine_serving.gateway.inference.batcher import BatchingSettings
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.decoding.decoder import Shown
from vitrine_serving.gateway.inference.requests import Caller
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.shedding import QueueFull, SheddingSettings

EXPLAIN = "/v1/models/mlp:explain"
INSTANCES = "/v1/instances"
NPY = {"Content-Type": "application/x-npy"}


def pixels(row: int) -> np.ndarray:
    """What `picture(row)` is made of, 0..1."""
    made = np.zeros((28, 28), np.float32)
    made[row, 8:20] = 1
    return made


def test_the_answered_class_is_explained(http, servers):
    """A picture gets its class, how probable that is, and a share of it for each pixel."""
    answer = http.post(EXPLAIN, content=picture(4), headers=PNG)
    assert answer.status_code == 200
    spec = {"name": "mlp", "version": "3", "signature_name": "explain"}
    assert answer.json()["model_spec"] == spec
    (found,) = answer.json()["explanations"]
    assert (found["label"], found["class_id"]) == ("class 4", 4)
    assert found["probability"] == pytest.approx(13 / 22)
    np.testing.assert_array_equal(found["attributions"], 4 * pixels(4))
    assert servers.asked == []


def test_another_class_may_be_asked_for(http):
    """`class_id` says which, and the probability is that of this class."""
    answer = http.post(f"{EXPLAIN}?class_id=7", content=picture(4), headers=PNG)
    (found,) = answer.json()["explanations"]
    assert (found["label"], found["class_id"]) == ("class 7", 7)
    assert found["probability"] == pytest.approx(1 / 22)
    np.testing.assert_array_equal(found["attributions"], 7 * pixels(4))


def test_bodies_are_those_of_predict(http):
    """Forms, arrays and gzip are explained in order, in one call."""
    bodies = (
        {"files": form(picture(7), picture(2))},
        {"content": npy(np.stack([pixels(7), pixels(2)])), "headers": NPY},
        {"content": gzip.compress(picture(7)), "headers": PNG | {"Content-Encoding": "gzip"}},
    )
    for body, class_ids in zip(bodies, ([7, 2], [7, 2], [7]), strict=True):
        found = http.post(EXPLAIN, **body).json()["explanations"]
        assert [each["class_id"] for each in found] == class_ids


def test_versions_and_labels_are_asked(http, servers):
    """The address says which version explains, and the answer which one it was."""
    for place, version in (("versions/2", "2"), ("labels/canary", "2"), ("labels/stable", "3")):
        answer = http.post(f"/v1/models/mlp/{place}:explain", content=picture(1), headers=PNG)
        assert answer.json()["model_spec"]["version"] == version
    asked = [(spec.version.value, spec.version_label) for spec in servers.called]
    assert asked == [(2, ""), (0, "canary"), (0, "stable")]


def test_an_explanation_says_what_took_how_long(http, servers):
    """Server-Timing has the stages of predictions; id, trace and deadline travel on."""
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    headers = PNG | {"X-Request-ID": "mine-1", "traceparent": trace}
    answer = http.post(EXPLAIN, content=picture(4), headers=headers)
    stages = dict(part.split(";dur=") for part in answer.headers["Server-Timing"].split(", "))
    assert list(stages) == ["decode", "queue", "rpc"]
    assert servers.metadata == [("x-request-id", "mine-1"), ("traceparent", trace)]
    assert 5 < servers.timeout_s <= 10


def test_explanations_that_wait_go_together(runner):
    """As those of predictions do, and no more may wait; other classes have queues of their own."""
    batching, shedding = BatchingSettings(max_batch_size=4), SheddingSettings(max_queued_images=3)
    pictures = np.uint8(255 * np.stack([pixels(row) for row in range(6)]))

    async def scenario():
        servers = HeldServers()
        plane = DataPlane(servers, batching, shedding)

        def ask(row: int, class_id: int | None = None):
            deadline = time.monotonic() + 30
            asked = (Shown(pictures[row : row + 1]), ModelRef("mlp"), Caller(f"of {row}"), deadline)
            return asyncio.create_task(explain(plane, *asked, class_id))

        first = ask(1)
        await asyncio.wait_for(servers.running.wait(), 30)
        waiting = [ask(row) for row in (2, 3, 4)]
        await asyncio.wait(waiting, timeout=0)
        assert plane.rows_waiting() == {"mlp": 3}
        with pytest.raises(QueueFull, match="3 images wait already"):
            await ask(5)
        other = ask(5, class_id=7)
        servers.go_on.set()
        found = await asyncio.gather(first, *waiting, other)
        assert [each.decoded[0].class_id for each in found] == [1, 2, 3, 4, 7]
        assert sorted(servers.ids) == ["of 1", "of 2,of 3,of 4", "of 5"]
        assert not plane.rows_waiting()

    runner.run(scenario())


class HeldServers(FakeServers):
    """Says when it is called, by whom, and answers when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.running, self.go_on = asyncio.Event(), asyncio.Event()
        self.ids: list[str] = []

    async def call(self, method, request, *, timeout_s, metadata=()):
        self.ids.append(dict(metadata)["x-request-id"])
        self.running.set()
        await asyncio.wait_for(self.go_on.wait(), 30)
        return await super().call(method, request, timeout_s=timeout_s, metadata=metadata)


def test_a_model_without_the_signature(http, servers):
    """A version that was published before says how to get one that explains."""
    servers.signatures.remove("explain")
    answer = http.post(EXPLAIN, content=picture(4), headers=PNG)
    assert answer.status_code == 400
    assert "published without the signature `explain`" in answer.json()["detail"]
    assert "training them again" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("class_id", "words"),
    [
        ("10", "is no class of mlp"),
        ("-1", "a number from 0"),
        ("bag", "a number from 0"),
        ("", "a number from 0"),
        ("9" * 10, "a number from 0"),
    ],
)
def test_classes_that_are_none(http, class_id, words):
    """An index that no class has, or that is none, is refused with what it may be."""
    answer = http.post(f"{EXPLAIN}?class_id={class_id}", content=picture(4), headers=PNG)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]


@pytest.mark.parametrize(("error", "status"), [(NotFound("gone"), 404), (Unavailable("no"), 503)])
def test_errors_of_the_model_server(http, servers, error, status):
    """What the model server refuses is refused as for a prediction."""
    servers.error = error
    assert http.post(EXPLAIN, content=picture(4), headers=PNG).status_code == status


def test_instances_are_what_models_are_shown(http):
    """A picture of any size comes back as 28x28 floats, and can be posted as JSON."""
    answer = http.post(INSTANCES, content=picture(4), headers=PNG)
    assert answer.status_code == 200
    assert answer.headers["Server-Timing"].startswith("decode;dur=")
    (instance,) = answer.json()["instances"]
    np.testing.assert_array_equal(np.float32(instance), pixels(4))
    shades = np.arange(784, dtype=np.uint8).reshape(1, 28, 28)
    of_array = http.post(INSTANCES, content=npy(shades), headers=NPY).json()
    assert list(of_array) == ["instances"]
    exact = of_array["instances"]
    assert np.float32(exact).tobytes() == (shades.astype(np.float32) / 255).tobytes()
    several = http.post(INSTANCES, files=form(picture(7), picture(2))).json()
    np.testing.assert_array_equal(several["instances"], [pixels(7), pixels(2)])
    assert several["boxes"] == [[0, 0, 28, 28]] * 2
    assert several["warnings"] == [[], []]


@pytest.mark.parametrize("path", [EXPLAIN, INSTANCES])
def test_a_bad_picture_is_named(http, servers, path):
    """One that cannot be read fails the request: among others by its index."""
    among = http.post(path, files=form(picture(7), b"garbage"))
    alone = http.post(path, content=b"garbage", headers=PNG)
    assert (among.status_code, alone.status_code) == (400, 400)
    assert among.json()["detail"].startswith("image 1: ")
    assert not alone.json()["detail"].startswith("image")
    assert servers.called == []


@pytest.mark.parametrize("path", [EXPLAIN, INSTANCES])
def test_what_is_too_much_or_of_another_kind(http, path):
    """The bounds of predictions hold; JSON is told where to go; GET is no way to ask."""
    many = http.post(path, files=form(*[picture(1)] * 5))
    array = http.post(path, content=npy(np.zeros((5, 28, 28), np.uint8)), headers=NPY)
    rows = json.dumps({"instances": [pixels(1).tolist()]})
    told = http.post(path, content=rows, headers={"Content-Type": "application/json"})
    untold = http.post(path, content=rows)
    assert [each.status_code for each in (many, array, told, untold)] == [413, 413, 415, 415]
    assert "`:predict`" in told.json()["detail"]
    refused = http.get(path)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
