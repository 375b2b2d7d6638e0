"""Operations of the service beside inference: readiness, metadata, configuration, statistics."""

import asyncio
import time

import numpy as np
import pytest
from google.protobuf import json_format

from tests.serving.open_inference.asked_service import CALLER, Asked, M, request, tensor
from tests.serving.open_inference.test_shared_rows import images, known, together
from tests.serving.open_inference.typed_servers import Version, classifier, echo, signature
from vitrine_client.errors import InvalidRequest, NotFound, Unavailable
from vitrine_client.open_inference import wire_pb2 as v2
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.telemetry.metrics import Metrics, SharedSeries
from vitrine_serving.gateway.telemetry.metrics.inference_statistics import Took

OTHER = ModelRef("other")


@pytest.fixture
def asked(runner: asyncio.Runner) -> Asked:
    return Asked(runner, classifier(), classifier())


def metadata(asked: Asked, model: ModelRef = M):
    return asked.run(asked.service.model_metadata(model, CALLER, time.monotonic() + 9))


def config(asked: Asked, model: ModelRef = M):
    return asked.run(asked.service.model_config(model, CALLER, time.monotonic() + 9))


def statistics(asked: Asked, model: ModelRef | None = M):
    return asked.run(asked.service.statistics(model))["model_stats"]


def test_readiness(asked):
    """Of the server as of `/readyz?models=1`, and of a model that nobody knows it is false."""
    assert asked.run(asked.service.is_ready())
    for model, ready in ((M, True), (ModelRef("m", 1), True), (ModelRef("m", 9), False)):
        assert asked.run(asked.service.model_is_ready(model)) is ready
    assert asked.run(asked.service.model_is_ready(OTHER)) is False
    asked.servers.versions.clear()
    assert not asked.run(asked.service.is_ready())
    assert not asked.run(asked.service.model_is_ready(M))


def test_readiness_without_model_servers(asked):
    async def gone(*_, **__):
        raise Unavailable("gone")

    asked.servers.status = gone
    assert not asked.run(asked.service.is_ready())
    assert not asked.run(asked.service.model_is_ready(M))


def test_a_gateway_that_ends_is_not_ready(asked):
    asked.app.begin_draining()
    assert not asked.run(asked.service.is_ready())


def test_server_metadata(asked):
    found = asked.run(asked.service.server_metadata())
    assert found["name"] == "vitrine"
    assert "binary_tensor_data" in found["extensions"]


def test_model_metadata(asked):
    """Of the signature serving_default; pictures are no input of it that clients should send."""
    assert metadata(asked) == {
        "name": "m",
        "versions": ["1", "2"],
        "platform": "tensorflow_savedmodel",
        "inputs": [{"name": "images", "datatype": "FP32", "shape": [-1, 28, 28]}],
        "outputs": [
            {"name": "class_ids", "datatype": "INT64", "shape": [-1]},
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 10]},
        ],
    }
    assert metadata(asked, ModelRef("m", 1))["versions"] == ["1"]


@pytest.mark.parametrize("model", [OTHER, ModelRef("m", 9)])
def test_unknown_models(asked, model):
    for ask in (metadata, config, statistics):
        with pytest.raises(NotFound):
            ask(asked, model)


def test_a_model_without_the_signature(runner):
    version = Version({"other": signature({}, {})}, dict)
    with pytest.raises(InvalidRequest, match="no signature 'serving_default'; there are other"):
        metadata(Asked(runner, version))


def test_model_config(asked):
    """A free first dimension is the batch's, and is left out; gRPC makes its message of it."""
    found = config(asked)
    assert found["max_batch_size"] == 256
    assert found["input"] == [{"name": "images", "data_type": "TYPE_FP32", "dims": [28, 28]}]
    assert [each["dims"] for each in found["output"]] == [[], [10]]
    json_format.ParseDict(found, v2.ModelConfig())


@pytest.mark.parametrize(
    ("shape", "dims"), [([1, 2], [1, 2]), ([], []), ([2, -1], [2, -1]), (None, [])]
)
def test_configs_without_a_batch(runner, shape, dims):
    found = config(Asked(runner, echo(wire.DT_STRING, shape)))
    assert found["max_batch_size"] == 0
    assert found["input"] == [{"name": "x", "data_type": "TYPE_STRING", "dims": dims}]


def test_configs_of_dtypes_that_the_protocol_lacks(runner):
    found = config(Asked(runner, echo(wire.DT_QINT8, [-1])))
    assert found["input"][0]["data_type"] == "TYPE_INVALID"
    json_format.ParseDict(found, v2.ModelConfig())


def test_index(asked):
    """What is not AVAILABLE has a reason."""
    ready = [{"name": "m", "version": number, "state": "READY"} for number in ("2", "1")]
    failed = {"name": "m", "version": "9", "state": "UNAVAILABLE", "reason": "no saved_model.pb"}
    assert asked.run(asked.service.index(only_ready=False)) == [failed, *ready]
    assert asked.run(asked.service.index(only_ready=True)) == ready


def test_models_are_not_loaded(asked):
    for refused in (asked.service.load, asked.service.unload):
        with pytest.raises(InvalidRequest, match=r"models directory.*vitrine promote"):
            asked.run(refused("m"))


def test_statistics(runner):
    """Rows, calls, and requests with their stages; a call that is shared counts once."""
    asked = known(runner, classifier())
    [before] = statistics(asked)
    assert (before["name"], before["version"]) == ("m", "1")
    together(asked, *[request(tensor("images", images(*rows))) for rows in ((1,), (2, 3), (4,))])
    asked.refusal(request(tensor("images", images(1)), tensor("z", images(1))))
    [after] = statistics(asked)
    assert after["inference_count"] - before["inference_count"] == 4
    assert after["execution_count"] - before["execution_count"] == 2
    found, earlier = after["inference_stats"], before["inference_stats"]
    counts = {name: found[name]["count"] - earlier[name]["count"] for name in found}
    assert counts == {
        "success": 3,
        "fail": 1,
        **dict.fromkeys(("queue", "compute_input", "compute_infer", "compute_output"), 3),
        "cache_hit": 0,
        "cache_miss": 0,
    }
    assert found["success"]["ns"] >= found["compute_infer"]["ns"] > 0
    assert abs(after["last_inference"] / 1e3 - time.time()) < 60
    json_format.ParseDict({"model_stats": [after]}, v2.ModelStatisticsResponse())


def test_statistics_of_versions(asked):
    """Each has its own, of those that are AVAILABLE, and zeros before the first request."""
    asked.outputs(request(tensor("images", images(1))), ModelRef("m", 1))
    first, second = statistics(asked)
    assert [first["version"], second["version"]] == ["1", "2"]
    assert [first["inference_count"], second["inference_count"]] == [1, 0]
    assert second["last_inference"] == 0
    assert statistics(asked, None) == [first, second]
    assert statistics(asked, ModelRef("m", 2)) == [second]


def test_failures_of_models_that_nobody_knows_are_not_counted(asked):
    for n in range(3):
        asked.refusal(request(tensor("images", images(1))), ModelRef(f"made up {n}"))
    assert [each["inference_stats"]["fail"]["count"] for each in statistics(asked, None)] == [0, 0]


def test_statistics_of_all_processes():
    """Counts are added up, and go on when a process is replaced; the last moment is the latest."""
    shared = SharedSeries(2)
    took = Took(queue_s=1.0, input_s=0.5, infer_s=2.0, whole_s=4.0)
    one, other = (Metrics((), shared=shared, slot=slot) for slot in (0, 1))
    for metrics in (one, other):
        metrics.inference.note("m", 1, 3, 0.5, took)
        metrics.inference.note_failure("m", 1, 0.25)
        metrics.flush()
    replaced = Metrics((), shared=shared, slot=1)
    replaced.inference.note("m", 1, 3, 0.5, took)
    totals = replaced.inference.totals()["m", 1]
    assert totals[:9] == (9, 1.5, 3, 12.0, 3.0, 1.5, 6.0, 2, 0.5)
    assert abs(totals.last_ms / 1e3 - time.time()) < 60


def test_statistics_are_bounded():
    metrics = Metrics(())
    for version in range(1100):
        metrics.inference.note_failure("m", version, 0.0)
    assert len(metrics.inference.totals()) == 1024


def test_prometheus_is_not_told_of_them():
    metrics = Metrics(())
    metrics.inference.note("m", 1, 3, 0.5, Took(0, 0, 0, 0))
    text, _ = metrics.render()
    assert b"inference" not in text


def test_the_queue_of_rows_is_a_stage(runner):
    """Of rows that waited, as of pictures; JSON of TensorFlow Serving waits for nobody."""
    asked = known(runner, classifier())
    found = asked.run(asked.infer(request(tensor("images", images(1)))))
    assert found.outcome.queue_s > 0
    alone = asked.run(asked.infer(request(tensor("images", np.empty((0, 28, 28), np.float32)))))
    assert alone.outcome.queue_s == 0
