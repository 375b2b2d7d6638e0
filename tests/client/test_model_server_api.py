"""What else a model server is asked over gRPC: examples, signatures, and another configuration."""

from collections.abc import Callable
from typing import Any

import grpc
import numpy as np
import pytest

from harness.fake_model_server import Call, FakeModelServer, failing
from vitrine_client import errors
from vitrine_client.model_server import ModelServerClient
from vitrine_client.results.profiles.profile import ProfileError
from vitrine_client.tfserving import management
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.examples import to_example
from vitrine_client.tfserving.tensors import to_tensor

CONFIG = """
model_config_list {
  config {
    name: "mlp"
    base_path: "/models/mlp"
    model_platform: "tensorflow"
    model_version_policy { specific { versions: 3 versions: 4 } }
    version_labels { key: "stable" value: 3 }
  }
}
"""


def asked(response: Any, ask: Callable[[ModelServerClient], Any]) -> tuple[Call, Any]:
    """The one call that a server gets which answers a message, and what the client makes of it."""
    answer = lambda call, context: response.SerializeToString()  # noqa: E731
    with FakeModelServer(answer) as server, ModelServerClient(server.address) as client:
        found = ask(client)
    (call,) = server.calls
    return call, found


def test_classify():
    """Examples go as features of their kinds, and come back as classes with scores."""
    response = wire.ClassificationResponse()
    for scores in ((0.25, 0.75), (1.0, 0.0)):
        found = response.result.classifications.add()
        for label, score in zip(("low", "high"), scores, strict=True):
            found.classes.add(label=label, score=score)
    call, classes = asked(
        response,
        lambda client: client.classify(
            "m", [{"x": 2.0}, {"x": 3.0}], label="new", signature_name="classify"
        ),
    )
    assert classes == [[("low", 0.25), ("high", 0.75)], [("low", 1.0), ("high", 0.0)]]
    assert call.method == "/tensorflow.serving.PredictionService/Classify"
    request = wire.ClassificationRequest.FromString(call.request)
    spec = request.model_spec
    assert (spec.name, spec.version_label, spec.signature_name) == ("m", "new", "classify")
    examples = request.input.example_list.examples
    assert [each.features.feature["x"].float_list.value[:] for each in examples] == [[2.0], [3.0]]


def test_regress():
    """A value for each example."""
    response = wire.RegressionResponse()
    response.result.regressions.add(value=4.0)
    call, values = asked(response, lambda client: client.regress("m", [{"x": 2.0}], version=7))
    assert values == [4.0]
    assert call.method == "/tensorflow.serving.PredictionService/Regress"
    request = wire.RegressionRequest.FromString(call.request)
    assert request.model_spec.version.value == 7
    assert len(request.input.example_list.examples) == 1


@pytest.mark.parametrize(
    ("value", "kind", "values"),
    [
        (1.5, "float_list", [1.5]),
        ([1, 2.5], "float_list", [1.0, 2.5]),
        (np.zeros((2, 2), np.float32), "float_list", [0.0] * 4),
        (np.float32(0.5), "float_list", [0.5]),
        (7, "int64_list", [7]),
        ([True, 2], "int64_list", [1, 2]),
        (np.arange(3, dtype=np.uint8), "int64_list", [0, 1, 2]),
        (-(2**63), "int64_list", [-(2**63)]),
        (2**63, "float_list", [2.0**63]),
        ("é", "bytes_list", ["é".encode()]),
        ([b"\xff", "a"], "bytes_list", [b"\xff", b"a"]),
        (np.array(["a", "b"]), "bytes_list", [b"a", b"b"]),
        ([], None, []),
    ],
    ids=str,
)
def test_features_have_the_kind_of_their_values(value, kind, values):
    """Strings, integers and floats are told apart, in lists as in arrays."""
    feature = to_example({"x": value}).features.feature["x"]
    assert feature.WhichOneof("kind") == kind
    assert not kind or list(getattr(feature, kind).value) == values


@pytest.mark.parametrize("value", [None, [1, "a"], {"a": 1}, [[1.0], [2.0]], 1j], ids=str)
def test_features_that_are_none(value):
    """What an example can't have is named, and nothing is sent."""
    with pytest.raises(errors.InvalidRequest, match="'x'"):
        to_example({"x": value})


def test_metadata():
    """Signatures come as the JSON that TensorFlow Serving's REST API has."""
    response = wire.GetModelMetadataResponse()
    response.model_spec.name = "mlp"
    response.model_spec.version.value = 3
    signatures = wire.SignatureDefMap()
    tensor = signatures.signature_def["serving_default"].inputs["images"]
    tensor.dtype, tensor.name = wire.DT_FLOAT, "images:0"
    response.metadata["signature_def"].Pack(signatures)
    call, found = asked(response, lambda client: client.metadata("mlp", version=3))
    assert found["model_spec"] == {"name": "mlp", "version": "3", "signature_name": ""}
    signature = found["metadata"]["signature_def"]["signature_def"]["serving_default"]
    assert signature["inputs"]["images"]["dtype"] == "DT_FLOAT"
    request = wire.GetModelMetadataRequest.FromString(call.request)
    assert (request.model_spec.version.value, list(request.metadata_field)) == (
        3,
        ["signature_def"],
    )


def profile_answer(value: bytes) -> bytes:
    response = wire.GetModelMetadataResponse()
    response.metadata["profile"].value = value
    return response.SerializeToString()


def test_profile_files():
    """What the embedded server hands out: the files of a version, or that one cannot be read."""
    request = wire.GetModelMetadataRequest.FromString(management.profile_request("mlp", 3))
    assert (request.model_spec.version.value, list(request.metadata_field)) == (3, ["profile"])
    texts = {"labels.txt": "\0a\nä\n"}
    written = management.written_profile_files(texts)
    assert management.read_profile_files(profile_answer(written)) == texts
    later = management.written_profile_files({**texts, "of a later server": ""})
    assert management.read_profile_files(profile_answer(later)) == texts
    broken = management.written_profile_files(ProfileError("labels.txt is \udcff"))
    with pytest.raises(ProfileError, match=r"labels\.txt is \\udcff"):
        management.read_profile_files(profile_answer(broken))


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"[]", b"1", b'{"labels.txt": 1}', b'{"labels.txt": "\xff"}', b"[" * 100_000],
    ids=lambda value: repr(value[:20]),
)
def test_profile_files_that_make_no_sense(value):
    """It is the server's error, and no other."""
    with pytest.raises(errors.ServerError, match="profile files cannot be read"):
        management.read_profile_files(profile_answer(value))


def test_profile_files_are_bounded():
    """Before they are read."""
    value = b" " * 50_000_001
    with pytest.raises(errors.ServerError, match="50,000,001 bytes"):
        management.read_profile_files(profile_answer(value))


def test_reload():
    """A `models.config` travels as its message, labels and policy included."""
    call, _ = asked(wire.ReloadConfigResponse(), lambda client: client.reload(CONFIG.encode()))
    assert call.method == "/tensorflow.serving.ModelService/HandleReloadConfigRequest"
    (config,) = wire.ReloadConfigRequest.FromString(call.request).config.model_config_list.config
    assert (config.name, config.base_path) == ("mlp", "/models/mlp")
    assert list(config.model_version_policy.specific.versions) == [3, 4]
    assert dict(config.version_labels) == {"stable": 3}


def test_reloads_that_fail():
    """A text that makes no sense is not sent; a refusal is raised, however it comes."""
    refused = wire.ReloadConfigResponse()
    refused.status.error_code, refused.status.error_message = 3, "no base path"
    with pytest.raises(errors.InvalidRequest, match="no base path"):
        asked(refused, lambda client: client.reload(CONFIG))
    answer = failing(grpc.StatusCode.INVALID_ARGUMENT, "listed twice")
    with FakeModelServer(answer) as server, ModelServerClient(server.address) as client:
        with pytest.raises(errors.InvalidRequest, match="listed twice"):
            client.reload(CONFIG)
        for text in ("model_config_list { confg {} }", b"\xff"):
            with pytest.raises(errors.InvalidRequest, match="no ModelServerConfig"):
                client.reload(text)
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("version", "tensor"),
    [
        (-1, np.full((1, 2), 0.5, np.float32)),
        (3, None),
        (3, np.full((2, 2), 0.5, np.float32)),
        (3, np.full((1, 2), np.nan, np.float32)),
        (3, np.full(2, 0.5, np.float32)),
        (3, np.array([[b"a"]], object)),
    ],
    ids=["version", "nothing", "rows", "nan", "shape", "text"],
)
def test_predictions_that_are_none(version, tensor):
    """An answer that makes no sense is one error, whatever is odd about it."""
    response = wire.PredictResponse()
    response.model_spec.version.value = version
    if tensor is not None:
        response.outputs["probabilities"].CopyFrom(to_tensor(tensor))
    instances = np.zeros((1, 28, 28), np.uint8)
    with pytest.raises(errors.ServerError, match="makes no sense"):
        asked(response, lambda client: client.predict_instances("m", instances))


def test_answers_about_a_model_that_are_none():
    """Labels that are missing, and a state that there is not."""
    with pytest.raises(errors.ServerError, match="no list of `labels`"):
        asked(wire.PredictResponse(), lambda client: client.describe("m", 1))
    response = wire.GetModelStatusResponse()
    response.model_version_status.add(version=1).state = 77  # type: ignore[assignment]
    with pytest.raises(errors.ServerError, match="77"):
        asked(response, lambda client: client.status("m"))
