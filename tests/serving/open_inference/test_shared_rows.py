"""Rows of several callers in one call, and requests that go alone."""

import asyncio
import json
import time

import numpy as np
import pytest

from tests.serving.open_inference.asked_service import CALLER, Asked, M, request, tensor
from tests.serving.open_inference.typed_servers import (
    LABELS,
    TypedServers,
    Version,
    classifier,
    echo,
    signature,
)
from vitrine_client.errors import DeadlineExceeded, InvalidRequest, Unavailable
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor
from vitrine_serving.gateway.api.tensorflow import JsonApi
from vitrine_serving.gateway.application import TASKS, Gateway
from vitrine_serving.gateway.inference.batcher import BatchingSettings
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.pixels import PixelWatch
from vitrine_serving.gateway.inference.requests import InferenceRequest, SignatureCall
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.shared_state import SharedState
from vitrine_serving.gateway.shedding import SheddingSettings
from vitrine_serving.gateway.telemetry.metrics import Metrics


def images(*rows: int) -> np.ndarray:
    """Pictures with one bright row each."""
    made = np.zeros((len(rows), 28, 28), np.float32)
    for place, row in enumerate(rows):
        made[place, row] = 1
    return made


def known(runner, version: Version, **settings) -> Asked:
    """A gateway that knows the description of a version."""
    asked = Asked(runner, version, **settings)
    asked.run(asked.infer(request(tensor(*first(version)))))
    asked.until(lambda: asked.servers.described)
    asked.servers.asked.clear()
    return asked


def first(version: Version) -> tuple[str, np.ndarray]:
    name = next(iter(version.signatures["serving_default"].inputs))
    return name, images(0)


def sizes(servers: TypedServers) -> list[int]:
    """Returns the rows of each call since the last time."""
    found = [next(iter(each.inputs.values())).tensor_shape.dim[0].size for each in servers.asked]
    servers.asked.clear()
    return found


def together(asked: Asked, *requests, model: ModelRef = M) -> list:
    """Asks at once; the first is on its way before the others come."""

    async def ask() -> list:
        asked.servers.gate = asyncio.Event()
        one = asyncio.create_task(asked.infer(requests[0], model))
        while not asked.servers.asked:
            await asyncio.sleep(0)
        others = [asyncio.create_task(asked.infer(each, model)) for each in requests[1:]]
        for _ in range(20):
            await asyncio.sleep(0)
        asked.servers.gate.set()
        return await asyncio.gather(one, *others, return_exceptions=True)

    return asked.run(ask())


def class_ids(found) -> list[int]:
    outputs = {each.name: each.array for each in found.response.outputs}
    return outputs["class_ids"].tolist()


def test_rows_share_a_call(runner):
    """Each caller gets the answers to its own rows, and all outputs, as they would be alone."""
    asked = known(runner, classifier())
    given = [request(tensor("images", images(*rows))) for rows in ((1,), (2, 3), (4,))]
    found = together(asked, *given)
    assert sizes(asked.servers) == [1, 3]
    assert [class_ids(each) for each in found] == [[1], [2, 3], [4]]
    [ids, probabilities] = found[1].response.outputs
    assert (ids.name, ids.datatype, ids.array.shape) == ("class_ids", "INT64", (2,))
    assert (probabilities.name, probabilities.datatype) == ("probabilities", "FP32")
    assert probabilities.array.shape == (2, 10)
    assert found[1].outcome.queue_s > 0
    assert [each.calls for each in found] == [1, 0.5, 0.5]


def test_outputs_that_differ_do_not_share(runner):
    asked = known(runner, classifier())
    outputs = ((), ["class_ids"], ["class_ids"])
    given = [request(tensor("images", images(1)), outputs=each) for each in outputs]
    found = together(asked, *given)
    assert sum(sizes(asked.servers)) == 3
    assert [len(each.response.outputs) for each in found] == [2, 1, 1]


@pytest.mark.parametrize("rows", [0, 5])
def test_no_rows_and_too_many_go_alone(runner, rows):
    asked = known(runner, classifier(), max_images=4)
    found = asked.run(asked.infer(request(tensor("images", images(*range(rows))))))
    assert class_ids(found) == list(range(rows))
    assert found.outcome.queue_s == 0


def test_requests_go_alone_until_the_description_is_known(runner):
    asked = Asked(runner, classifier())
    given = [request(tensor("images", images(1))), request(tensor("images", images(2)))]
    together(asked, *given)
    assert sizes(asked.servers) == [1, 1]


def other(**members) -> Version:
    """A classifier of others', with a profile."""
    profile = ModelProfile(input="x", output="y", fit="stretch", **members)
    specs = {"x": (wire.DT_FLOAT, [-1, 28, 28])}, {"y": (wire.DT_FLOAT, [-1, 10])}

    def run(inputs):
        return {"y": inputs["x"].sum(axis=2)[:, :10]}

    return Version({"serving_default": signature(*specs)}, run, Description(LABELS, {}, profile))


@pytest.mark.parametrize(
    ("version", "calls"),
    [
        (other(kind="logits"), [1, 2]),
        (other(kind="logits", batchable=False), [1, 1, 1]),
        (echo(wire.DT_FLOAT, [-1, 28, 28]), [1, 1, 1]),
    ],
    ids=["batchable", "not batchable", "no pictures"],
)
def test_models_of_others(runner, version, calls):
    """Their rows share calls where the profile says so, and outputs are not made probabilities."""
    asked = known(runner, version)
    found = together(asked, *[request(tensor("x", images(1))) for _ in range(3)])
    assert sizes(asked.servers) == calls
    assert found[2].response.outputs[0].array.max() in (1, 28)


def test_a_fault_is_of_its_request(runner):
    """What the model refuses in one call is asked alone."""
    version = classifier()
    answer = version.run

    def run(inputs):
        if inputs["images"].max() > 1:
            raise InvalidRequest("too bright")
        return answer(inputs)

    version.run = run
    asked = known(runner, version)
    rows = images(1), images(2) * 9, images(3)
    given = [request(tensor("images", each)) for each in rows]
    found = together(asked, *given)
    assert "too bright" in str(found[1])
    assert [class_ids(found[place]) for place in (0, 2)] == [[1], [3]]


def test_nan_is_answered_as_it_is(runner):
    """As it is in JSON; pictures are not."""
    version = classifier()
    version.run = lambda inputs: {
        "probabilities": np.full((len(inputs["images"]), 10), np.nan, np.float32),
        "class_ids": np.zeros(len(inputs["images"]), np.int64),
    }
    asked = known(runner, version)
    found = asked.outputs(request(tensor("images", images(1))))
    assert np.isnan(found["probabilities"]).all()


def test_outputs_that_are_not_by_row(runner):
    """They go alone, and are whole."""
    version = classifier()
    version.run = lambda inputs: {
        "probabilities": np.ones((3, 10), np.float32),
        "class_ids": np.arange(len(inputs["images"])),
    }
    asked = known(runner, version)
    found = asked.outputs(request(tensor("images", images(1))))
    assert np.shape(found["probabilities"]) == (3, 10)


def test_a_full_queue(runner):
    """Rows that are too many are shed, as pictures are."""
    asked = known(runner, classifier(), max_queued_images=2)
    given = [request(tensor("images", images(1))) for _ in range(5)]
    found = together(asked, *given)
    assert [type(each).__name__ for each in found].count("QueueFull") == 2
    assert all(isinstance(each, Unavailable) for each in found if isinstance(each, Exception))


def test_the_timeout_parameter(runner):
    """It makes the deadline earlier, and never later."""
    asked = known(runner, classifier())
    asked.servers.gate = asyncio.Event()
    given = request(tensor("images", images(1)), timeout=20_000)
    assert isinstance(asked.refusal(given), DeadlineExceeded)
    late = request(tensor("images", images(1)), timeout=10**12)
    assert isinstance(asked.refusal(late, left_s=0.02), DeadlineExceeded)


def test_a_new_version_with_other_outputs(runner):
    """All of them are answered, and not those that were known."""
    asked = known(runner, classifier())
    changed = classifier()
    changed.signatures["serving_default"].outputs["more"].CopyFrom(
        changed.signatures["serving_default"].outputs["probabilities"]
    )
    answer = changed.run
    changed.run = lambda inputs: answer(inputs) | {"more": answer(inputs)["probabilities"]}
    asked.servers.versions[2] = changed
    given = request(tensor("images", images(1)))
    assert list(asked.outputs(given)) == ["class_ids", "more", "probabilities"]
    asked.outputs(given)
    asked.until(lambda: 2 in asked.servers.described)
    asked.servers.asked.clear()
    fewer = classifier()
    fewer.run = lambda inputs: {"probabilities": answer(inputs)["probabilities"]}
    del fewer.signatures["serving_default"].outputs["class_ids"]
    asked.servers.versions[3] = fewer
    assert list(asked.outputs(given)) == ["probabilities"]
    refused, answered = asked.servers.asked
    assert list(refused.output_filter) == ["class_ids", "more", "probabilities"]
    assert not answered.output_filter


def test_drift_sees_what_it_sees_of_json(runner):
    """The levels and probabilities of rows that share a call are those of the same rows alone."""
    servers = TypedServers(classifier())
    levels = np.random.default_rng(0).integers(0, 256, (3, 28, 28))
    rows = (levels / 255).astype(np.float32)
    seen = []

    def answered(model, version, description, instances, probabilities):
        seen.append((model, version, description.labels, instances, probabilities))

    async def asked(infer) -> None:
        """Asks by a data plane of its own, and waits until drift has seen it."""
        pixels = PixelWatch(servers, answered, 256)
        plane = DataPlane(servers, BatchingSettings(), SheddingSettings(), pixels=pixels)
        before = len(seen)
        await infer(plane)
        async with asyncio.timeout(30):
            while len(seen) == before:
                await asyncio.sleep(0)

    async def by_json(plane) -> None:
        body = json.dumps({"instances": rows.tolist()}).encode()
        await JsonApi(plane).predict(M, body, timeout_s=9.0, caller=CALLER)

    async def by_rows(plane) -> None:
        call = SignatureCall(M, outputs=("probabilities",), as_given=True)
        deadline = time.monotonic() + 9
        await plane.infer(InferenceRequest(call, {"images": rows}, CALLER, deadline))

    runner.run(asked(by_json))
    runner.run(asked(by_rows))
    (*alone, instances, probabilities), (*shared, others, more) = seen
    assert alone == shared
    assert (instances == levels).all()
    assert (others == levels).all()
    assert instances.dtype == others.dtype
    assert (probabilities == more).all()


def test_the_model_gets_the_rows_as_they_are(runner):
    asked = known(runner, classifier())
    rows = np.random.default_rng(0).normal(size=(2, 28, 28)).astype(np.float32)
    asked.outputs(request(tensor("images", rows)))
    [sent] = asked.servers.asked
    assert (from_tensor(sent.inputs["images"]) == rows).all()
    assert list(sent.output_filter) == ["class_ids", "probabilities"]


class NotingWatch:
    """Drift watch that notes how many rows it was told of, and when it was to write them."""

    def __init__(self) -> None:
        self.told: list[int | str] = []

    def note(self, model, version, description, instances, probabilities) -> None:
        self.told.append(len(instances))

    def flush(self) -> None:
        self.told.append("flush")

    def start(self, *_: object) -> None:
        """Has no peers."""

    def stop(self) -> None:
        """Asks nobody."""


def test_drift_is_told_before_the_end(runner):
    """What was noted a moment ago is not lost when the gateway stops."""
    settings, watch = Settings(models=("m",)), NotingWatch()
    servers = TypedServers(classifier())
    guard = SharedState(settings, TASKS).guard
    app = Gateway(settings, lambda: servers, guard, Metrics(("m",)), watch)

    async def run() -> None:
        app.start()
        given = request(tensor("images", images(1, 2)))
        for _ in range(2):  # the second by the description that the first had asked for
            await app.open_inference.infer(given, M, CALLER, time.monotonic() + 9)
            async with asyncio.timeout(30):
                while not watch.told:
                    await asyncio.sleep(0)
        assert watch.told == [2]
        await app.stop()

    runner.run(run())
    assert watch.told == [2, 2, "flush"]
