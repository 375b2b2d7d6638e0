"""Methods of the Open Inference Protocol by gRPC, and what each refuses."""

import grpc
import numpy as np
import pytest

from tests.serving.open_inference.asked_grpc import X, answered, asked
from vitrine_client.open_inference import grpc_messages
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_serving.gateway.inference.dataplane import LARGE_BYTES

OK, INVALID = grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT
NOT_FOUND, UNIMPLEMENTED = grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED
GARBAGE = b"\xff\xff\xff"


def model(name: str = "m", version: str = "") -> wire.ModelRequest:
    return wire.ModelRequest(name=name, version=version)


def test_live_and_ready(caller, servers):
    assert wire.ServerLiveResponse.FromString(caller.call("ServerLive").content).live
    assert wire.ServerReadyResponse.FromString(caller.call("ServerReady").content).ready
    servers.names = ()
    assert not wire.ServerReadyResponse.FromString(caller.call("ServerReady").content).ready


@pytest.mark.parametrize(
    ("name", "version", "is_ready"),
    [("m", "", True), ("m", "1", True), ("m", "01", True), ("m", "9", False), ("nope", "", False)],
)
def test_a_model_that_is_not_there_is_not_ready(caller, name, version, is_ready):
    called = caller.call("ModelReady", model(name, version))
    assert called.code is OK
    assert wire.ModelReadyResponse.FromString(called.content).ready == is_ready


def test_metadata(caller):
    server = wire.ServerMetadataResponse.FromString(caller.call("ServerMetadata").content)
    assert (server.name, "binary_tensor_data" in server.extensions) == ("vitrine", True)
    found = wire.ModelMetadataResponse.FromString(caller.call("ModelMetadata", model()).content)
    assert (found.name, list(found.versions)) == ("m", ["1", "2"])
    assert [(each.name, each.datatype, list(each.shape)) for each in found.outputs] == [
        ("row", "INT64", [-1]),
        ("x", "FP32", [-1, 3]),
    ]


def test_config_statistics_and_index(caller):
    config = wire.ModelConfigResponse.FromString(caller.call("ModelConfig", model()).content)
    assert (config.config.name, config.config.input[0].data_type) == ("m", wire.TYPE_FP32)
    for asked_for in (model(), model(""), model("m", "1")):
        assert caller.call("ModelStatistics", asked_for).code is OK
    for only_ready in (True, False):
        request = wire.RepositoryIndexRequest(ready=only_ready)
        index = wire.RepositoryIndexResponse.FromString(
            caller.call("RepositoryIndex", request).content
        )
        assert {(each.name, each.version, each.state) for each in index.models} == {
            ("m", "1", "READY"),
            ("m", "2", "READY"),
        }


@pytest.mark.parametrize("method", ["ModelMetadata", "ModelConfig", "ModelStatistics"])
def test_an_unknown_model_is_not_found(caller, method):
    code, words, *_ = caller.call(method, model("nope"))
    assert (code, "`RepositoryIndex` lists what is served" in words) == (NOT_FOUND, True)


@pytest.mark.parametrize("method", ["ModelMetadata", "ModelConfig", "ModelInfer"])
def test_no_name_is_no_model_that_is_there(caller, method):
    """As Triton, MLServer and KServe say; it is not ready either."""
    code, words, *_ = caller.call(method, b"")
    assert (code, words.startswith("The request names no model")) == (NOT_FOUND, True)
    called = caller.call("ModelReady", b"")
    assert called.code is OK
    assert not wire.ModelReadyResponse.FromString(called.content).ready


@pytest.mark.parametrize("field", ["repository_name", "model_name"])
@pytest.mark.parametrize("method", ["RepositoryModelLoad", "RepositoryModelUnload"])
def test_both_numbers_of_a_name_are_read(caller, method, field):
    """KServe's clients have it where others have the repository's."""
    called = caller.call(method, wire.RepositoryModelRequest(**{field: "m7"}))
    assert called.code not in (OK, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN)
    assert "m7" in called.words
    assert "vitrine promote" in called.words


@pytest.mark.parametrize("method", ["TraceSetting", "LogSettings"])
def test_settings_are_refused(caller, method):
    code, words, *_ = caller.call(method)
    assert (code, "VITRINE_TRACES_URL" in words) == (UNIMPLEMENTED, True)


@pytest.mark.parametrize("kind", ["System", "Cuda"])
def test_there_is_no_shared_memory(caller, kind):
    for verb in ("Status", "Unregister"):
        assert caller.call(f"{kind}SharedMemory{verb}")[:3] == (OK, "", b"")
    code, words, *_ = caller.call(f"{kind}SharedMemoryRegister")
    assert (code, "no shared memory" in words) == (UNIMPLEMENTED, True)


def test_inference(caller):
    called = caller.infer(asked(id="7"))
    response = wire.ModelInferResponse.FromString(called.content)
    assert (response.model_name, response.model_version, response.id) == ("m", "2", "7")
    assert [each.name for each in response.outputs] == ["row", "x"]
    assert not response.outputs[1].HasField("contents")
    assert (answered(called)["x"] == X).all()


@pytest.mark.parametrize("version", ["1", "0001"])
def test_a_version(caller, version):
    called = caller.infer(asked(model_version=version))
    assert wire.ModelInferResponse.FromString(called.content).model_version == "1"


def test_large_ones_are_read_and_written_elsewhere(caller):
    rows = np.zeros((LARGE_BYTES // 6, 3), np.float32)
    assert answered(caller.infer(asked(rows)))["x"].shape == rows.shape


def test_contents(caller):
    message = asked()
    message.ClearField("raw_input_contents")
    message.inputs[0].contents.fp32_contents.extend(X.ravel())
    assert (answered(caller.infer(message))["x"] == X).all()


@pytest.mark.parametrize(
    "version", ["abc", "-1", "1.0", "²", "9223372036854775808", "1" * 5000, "+1", " 1"]
)
def test_versions_that_are_none(caller, version):
    for called in (
        caller.infer(asked(model_version=version)),
        caller.call("ModelReady", model("m", version)),
    ):
        assert (called.code, "is no version of a model" in called.words) == (INVALID, True)


@pytest.mark.parametrize(
    ("changed", "code", "words"),
    [
        ({"model_name": "nope"}, NOT_FOUND, "Servable not found"),
        ({"model_name": ""}, NOT_FOUND, "names no model"),
        ({"model_version": "9"}, NOT_FOUND, "Servable not found"),
        ({"inputs": []}, INVALID, "'x'"),
    ],
)
def test_refused_inference(caller, changed, code, words):
    called = caller.infer(asked(**changed))
    assert (called.code, words in called.words) == (code, True), called


@pytest.mark.parametrize(
    "method",
    [
        *("ModelInfer", "ModelReady", "ModelMetadata", "ModelConfig", "ModelStatistics"),
        *("RepositoryIndex", "RepositoryModelLoad", "RepositoryModelUnload"),
    ],
)
@pytest.mark.parametrize("content", [GARBAGE, b"\x0a\x02\xc3\x28", b"\x0a\x7f"])
def test_bytes_that_are_no_message(caller, method, content):
    """Also strings that are no UTF-8, and ones that end too early."""
    code, words, *_ = caller.call(method, content)
    assert (code, words[:10]) == (INVALID, "This is no")


@pytest.mark.parametrize("path", ["Nope", "/inference.Nope/ModelInfer", "/x", "/a/b/c"])
def test_unknown_methods(caller, path):
    assert caller.call(path).code is UNIMPLEMENTED


def test_a_stream_answers_faults_and_goes_on(caller):
    requests = [asked(id="a"), asked(id="b", model_name="nope"), GARBAGE, asked(id="c")]
    found, code, _ = caller.stream(requests)
    assert code is OK
    assert [each.infer_response.id for each in found] == ["a", "b", "", "c"]
    assert [bool(each.error_message) for each in found] == [False, True, True, False]
    for each in (found[0], found[3]):
        assert each.infer_response.parameters["triton_final_response"].bool_param
        outputs = grpc_messages.response_of(each.infer_response).outputs
        assert (outputs[1].array == X).all()
