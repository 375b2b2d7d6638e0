"""Metadata of the Open Inference Protocol: the server and its models, readiness and counts."""

import threading

import numpy as np
import pytest

from harness.waiting import wait_for
from tests.serving.fake_models import publish as publish_fake
from tests.serving.open_inference_grpc.served import CODE, ONE, refused, repository_of, request
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_client.open_inference.messages import V2Tensor
from vitrine_serving.model_server.api.open_inference import EXTENSIONS, OpenInferenceApi
from vitrine_serving.model_server.repository.config import ModelConfig
from vitrine_serving.model_server.runtime.batching import BatchingParameters, BatchScheduler


def test_the_server_tells_of_itself(served):
    assert served.call("ServerLive", b"", wire.ServerLiveResponse).live
    assert served.call("ServerReady", b"", wire.ServerReadyResponse).ready
    found = served.call("ServerMetadata", b"", wire.ServerMetadataResponse)
    assert (found.name, tuple(found.extensions)) == ("vitrine", EXTENSIONS)
    assert found.version


def test_a_server_with_a_model_that_has_no_version_is_not_ready(serve, folder):
    """A failed version, or none; those that answer do so all the same."""
    for name in ("broken", "empty"):
        repository = repository_of(folder, "half_plus_two", name)
        served = serve(repository)
        assert not served.call("ServerReady", b"", wire.ServerReadyResponse).ready
        assert served.infer(ONE)
        repository.stop()


def test_readiness_does_not_flap_while_another_version_loads(start, base, load):
    """Triton's does."""
    repository = start(ModelConfig("mlp", base, latest=0))
    load.gates[2] = threading.Event()
    publish_fake(base, 2)
    repository.refresh()
    wait_for(lambda: load.tries["mlp", 2], 30, "version 2 loads")
    api = OpenInferenceApi(repository)
    assert api.server_ready(wire.ServerReadyRequest()).ready
    index = api.index(wire.RepositoryIndexRequest()).models
    assert [(each.version, each.state) for each in index] == [("1", "READY"), ("2", "LOADING")]
    only = api.index(wire.RepositoryIndexRequest(ready=True)).models
    assert [each.version for each in only] == ["1"]


@pytest.mark.parametrize(
    ("name", "version", "ready"),
    [
        ("half_plus_two", "", True),
        ("half_plus_two", "1", True),
        ("half_plus_two", "02", True),
        ("half_plus_two", "9", False),
        ("half_plus_two", "0", False),
        ("nope", "", False),
        ("nope", "1", False),
        ("", "", False),
    ],
)
def test_models_are_ready_and_unknown_ones_are_not(served, name, version, ready):
    """Without an error, as official clients need it."""
    asked = wire.ModelRequest(name=name, version=version)
    assert served.call("ModelReady", asked, wire.ModelReadyResponse).ready is ready


def test_metadata_has_the_versions_that_answer_and_the_tensors(served):
    asked = wire.ModelRequest(name="half_plus_two")
    found = served.call("ModelMetadata", asked, wire.ModelMetadataResponse)
    assert (found.name, list(found.versions)) == ("half_plus_two", ["1", "2"])
    assert found.platform == "tensorflow_savedmodel"
    inputs, outputs = (
        [(each.name, each.datatype, list(each.shape)) for each in tensors]
        for tensors in (found.inputs, found.outputs)
    )
    assert (inputs, outputs) == ([("x", "FP32", [-1])], [("y", "FP32", [-1])])
    asked.version = "1"
    found = served.call("ModelMetadata", asked, wire.ModelMetadataResponse)
    assert list(found.versions) == ["1"]


def test_a_config_counts_rows_where_the_first_dimension_is_free(served):
    found = served.call("ModelConfig", wire.ModelRequest(name="images"), wire.ModelConfigResponse)
    assert found.config.max_batch_size == 1000
    assert [list(each.dims) for each in found.config.input] == [[28, 28]]
    assert {each.name: list(each.dims) for each in found.config.output} == {
        "class_ids": [],
        "logits": [10],
    }
    found = served.call("ModelConfig", wire.ModelRequest(name="echo"), wire.ModelConfigResponse)
    assert found.config.max_batch_size == 0


def test_batching_bounds_the_rows_that_a_config_tells_and_inference_takes(serve, folder):
    scheduler = BatchScheduler(BatchingParameters(max_batch_size=3, num_batch_threads=1))
    repository = repository_of(folder, "half_plus_two", scheduler=scheduler)
    served = serve(repository)
    asked = wire.ModelRequest(name="half_plus_two")
    found = served.call("ModelConfig", asked, wire.ModelConfigResponse)
    assert found.config.max_batch_size == 3
    assert served.infer(ONE)["y"].array.tolist() == [3.5, 4.0]
    code, words = refused(served.infer, V2Tensor("x", "FP32", np.zeros(4, np.float32)))
    assert (code, "larger than maximum input batch size 3" in words) == (
        CODE.INVALID_ARGUMENT,
        True,
    )
    repository.stop()
    scheduler.close()


def test_the_index_has_all_versions_and_why_one_is_not_there(serve, folder):
    repository = repository_of(folder, "half_plus_two", "broken", "empty")
    served = serve(repository)
    found = served.call("RepositoryIndex", b"", wire.RepositoryIndexResponse).models
    assert [(each.name, each.version, each.state) for each in found] == [
        ("broken", "1", "UNAVAILABLE"),
        ("empty", "", ""),
        ("half_plus_two", "1", "READY"),
        ("half_plus_two", "2", "READY"),
    ]
    assert found[0].reason
    assert not found[2].reason
    asked = wire.RepositoryIndexRequest(ready=True)
    ready = served.call("RepositoryIndex", asked, wire.RepositoryIndexResponse).models
    assert [each.name for each in ready] == ["half_plus_two"] * 2
    repository.stop()


def test_statistics_count_rows_answers_and_faults_by_version(serve, folder):
    repository = repository_of(folder, "half_plus_two")
    served = serve(repository)
    served.infer(ONE)
    served.infer(ONE)
    refused(served.call, "ModelInfer", request())
    served.infer(ONE, version="1")

    def counts(**asked) -> dict:
        found = served.call(
            "ModelStatistics", wire.ModelRequest(**asked), wire.ModelStatisticsResponse
        )
        return {
            (each.name, each.version): (
                each.inference_count,
                each.execution_count,
                each.inference_stats.success.count,
                each.inference_stats.fail.count,
            )
            for each in found.model_stats
        }

    expected = {("half_plus_two", "1"): (2, 1, 1, 0), ("half_plus_two", "2"): (4, 2, 2, 1)}
    assert counts() == counts(name="half_plus_two") == expected
    assert counts(name="half_plus_two", version="1") == dict(list(expected.items())[:1])
    whole = served.call("ModelStatistics", b"", wire.ModelStatisticsResponse).model_stats[1]
    times = whole.inference_stats
    assert whole.last_inference > 10**12
    assert times.success.ns >= times.compute_infer.ns > 0
    assert times.fail.ns > 0
    repository.stop()
