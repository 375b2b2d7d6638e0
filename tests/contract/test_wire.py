"""Our wire messages against the official ones of tensorflow-serving-api, in both directions."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from tensorflow.core.example import example_pb2, feature_pb2
from tensorflow.core.framework import tensor_pb2, tensor_shape_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
    input_pb2,
    model_management_pb2,
    model_pb2,
    predict_pb2,
    regression_pb2,
    status_pb2,
)
from tensorflow_serving.config import (
    file_system_storage_path_source_pb2,
    log_collector_config_pb2,
    logging_config_pb2,
    model_server_config_pb2,
)

from vitrine_client.errors import InvalidRequest, ServerError
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor, to_tensor

ROOT = Path(__file__).parents[2]

ARRAYS = [
    np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3),
    np.array([1.5, np.nan, np.inf], np.float64),
    np.array([1.5, -2], np.float16),
    np.array([[True], [False]]),
    np.array([b"\xff\x00", b""], object),
    np.array(3, np.int64),
    np.zeros((0, 28, 28), np.float32),
    *(
        np.array([[1, 2], [3, np.iinfo(kind).max // 2]], kind)
        for kind in (
            *(np.int8, np.int16, np.int32, np.int64),
            *(np.uint8, np.uint16, np.uint32, np.uint64),
        )
    ),
]
IDS = [f"{array.dtype}-{list(array.shape)}" for array in ARRAYS]


@pytest.mark.parametrize("array", ARRAYS, ids=IDS)
def test_official_parser_reads_our_tensors(array: np.ndarray):
    """TensorFlow reads every array that we send, dtype and shape included."""
    official = tensor_pb2.TensorProto.FromString(to_tensor(array).SerializeToString())
    read = tf.make_ndarray(official)
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("array", ARRAYS, ids=IDS)
def test_we_read_official_tensors(array: np.ndarray):
    """We read every array that TensorFlow sends as packed content."""
    official = tf.make_tensor_proto(array)
    read = from_tensor(wire.Tensor.FromString(official.SerializeToString()))
    assert read.dtype == array.dtype
    np.testing.assert_array_equal(read, array)


@pytest.mark.parametrize("array", ARRAYS, ids=IDS)
def test_we_read_official_tensors_that_list_their_values(array: np.ndarray):
    """We read the typed lists (`float_val` and so on) that TensorFlow Serving answers with."""
    official = tf.make_tensor_proto(array.ravel().tolist(), dtype=array.dtype, shape=array.shape)
    assert not official.tensor_content or array.dtype != object
    read = from_tensor(wire.Tensor.FromString(official.SerializeToString()))
    np.testing.assert_array_equal(read, array)


def test_short_lists_repeat_their_last_value():
    """`tensor.proto`: a list of one value stands for a whole tensor of it."""
    tensor = wire.Tensor(
        dtype=wire.DT_FLOAT,
        tensor_shape=wire.TensorShape(dim=[wire.TensorShape.Dim(size=3)]),
        float_val=[2.5],
    )
    assert from_tensor(tensor).tolist() == [2.5, 2.5, 2.5]
    text = to_tensor(np.array([b"a", b"b"], object))
    text.tensor_shape.dim[0].size = 3
    assert from_tensor(text).tolist() == [b"a", b"b", b"b"]


def test_contradictory_tensors_are_refused():
    """A tensor whose content does not fill its shape is the server's error, not a crash."""
    tensor = to_tensor(np.zeros(4, np.float32))
    tensor.tensor_content = tensor.tensor_content[:-2]
    with pytest.raises(ServerError):
        from_tensor(tensor)


def test_dtypes_that_tensorflow_lacks_are_refused():
    """Dates have no place in a tensor."""
    with pytest.raises(InvalidRequest, match="datetime64"):
        to_tensor(np.array(["2026-01-01"], "datetime64[D]"))


def _fill(request: object, tensor: object) -> None:
    request.model_spec.name = "mlp"
    request.model_spec.signature_name = "serving_default"
    request.inputs["images"].CopyFrom(tensor)
    request.output_filter.append("probabilities")


@pytest.mark.parametrize("choice", ["version", "version_label", None])
def test_predict_requests_are_the_same_bytes(choice: str | None):
    """A PredictRequest of ours is, byte for byte, the official one."""
    image = np.ones((1, 28, 28), np.float32) / 3
    ours, official = wire.PredictRequest(), predict_pb2.PredictRequest()
    _fill(ours, to_tensor(image))
    _fill(official, tf.make_tensor_proto(image))
    for request in (ours, official):
        if choice == "version":
            request.model_spec.version.value = 7
        elif choice == "version_label":
            request.model_spec.version_label = "stable"
    assert ours.SerializeToString(deterministic=True) == official.SerializeToString(
        deterministic=True
    )
    assert wire.PredictRequest.FromString(official.SerializeToString()) == ours


def test_predict_responses_round_trip():
    """An official PredictResponse keeps its outputs and its version through our message."""
    official = predict_pb2.PredictResponse()
    official.model_spec.name = "mlp"
    official.model_spec.version.value = 3
    official.outputs["probabilities"].CopyFrom(tf.make_tensor_proto([[0.25, 0.75]]))
    ours = wire.PredictResponse.FromString(official.SerializeToString())
    assert ours.model_spec.version.value == 3
    assert from_tensor(ours.outputs["probabilities"]).tolist() == [[0.25, 0.75]]
    assert predict_pb2.PredictResponse.FromString(ours.SerializeToString()) == official


def test_status_responses_round_trip():
    """An official GetModelStatusResponse keeps states and errors through our message."""
    official = get_model_status_pb2.GetModelStatusResponse()
    states = get_model_status_pb2.ModelVersionStatus
    for number, state in ((2, states.AVAILABLE), (1, states.END)):
        official.model_version_status.add(version=number, state=state)
    official.model_version_status[1].status.error_code = 5
    official.model_version_status[1].status.error_message = "gone"
    ours = wire.GetModelStatusResponse.FromString(official.SerializeToString())
    assert [(s.version, s.state, s.status.error_code) for s in ours.model_version_status] == [
        (2, wire.ModelVersionStatus.AVAILABLE, 0),
        (1, wire.ModelVersionStatus.END, 5),
    ]
    back = get_model_status_pb2.GetModelStatusResponse.FromString(ours.SerializeToString())
    assert back == official


def test_numbers_are_the_official_ones():
    """Every dtype, state and code has the official number, and none is left out that is in use."""
    dtypes = {name: number for name, number in types_pb2.DataType.items() if number < 100}
    if not tf.__version__.startswith("2.20."):
        dtypes.pop("DT_FLOAT4_E2M1FN", None)  # new in 2.21, and no model of 2.20.0 has it
    assert dict(wire.DataType.items()) == dtypes
    states = get_model_status_pb2.ModelVersionStatus.State
    assert dict(wire.ModelVersionStatus.State.items()) == dict(states.items())
    codes = status_pb2.StatusProto().DESCRIPTOR.fields_by_name["error_code"].enum_type
    used = {each.name: each.number for each in codes.values if "DO_NOT_USE" not in each.name}
    assert dict(wire.Status.Code.items()) == used
    assert wire.ModelType.items() == model_server_config_pb2.ModelType.items()


OFFICIAL = {
    "Status": status_pb2.StatusProto,
    "Tensor": tensor_pb2.TensorProto,
    "TensorShape": tensor_shape_pb2.TensorShapeProto,
    "ServableVersionPolicy": (
        file_system_storage_path_source_pb2.FileSystemStoragePathSourceConfig.ServableVersionPolicy
    ),
    **{
        name: getattr(module, name)
        for module, names in {
            feature_pb2: "BytesList FloatList Int64List Feature Features",
            example_pb2: "Example",
            meta_graph_pb2: "TensorInfo SignatureDef",
            model_pb2: "ModelSpec",
            input_pb2: "Input ExampleList ExampleListWithContext",
            predict_pb2: "PredictRequest PredictResponse",
            classification_pb2: "Class Classifications ClassificationResult "
            "ClassificationRequest ClassificationResponse",
            regression_pb2: "Regression RegressionResult RegressionRequest RegressionResponse",
            get_model_metadata_pb2: "SignatureDefMap GetModelMetadataRequest "
            "GetModelMetadataResponse",
            get_model_status_pb2: "ModelVersionStatus GetModelStatusRequest GetModelStatusResponse",
            log_collector_config_pb2: "LogCollectorConfig",
            logging_config_pb2: "SamplingConfig LoggingConfig",
            model_server_config_pb2: "ModelConfig ModelConfigList ModelServerConfig",
            model_management_pb2: "ReloadConfigRequest ReloadConfigResponse",
        }.items()
        for name in names.split()
    },
}
LEFT_OUT = {
    "TensorInfo": ["composite_tensor"],  # messages of many more kinds
    "SamplingConfig": ["per_task_sampling_configs"],
    "ReloadConfigResponse": ["metric"],  # nothing that the client asks for
    "PredictRequest": ["predict_streamed_options", "client_id", "request_options"],
}


def _fields(message: Descriptor, left_out: list[str]) -> list[tuple]:
    lengths = {FieldDescriptor.TYPE_MESSAGE, FieldDescriptor.TYPE_BYTES}  # the same on the wire
    return [
        (
            field.name,
            field.number,
            "bytes" if field.type in lengths else field.type,
            field.is_repeated,
            field.containing_oneof and field.containing_oneof.name,
        )
        for field in message.fields
        if field.name not in left_out
    ]


OF_TTRPC = {"TtrpcRequest", "TtrpcKeyValue", "TtrpcResponse", "RpcStatus"}
"""Frames of the local socket, which its own tests hold against bytes of the specification."""


@pytest.mark.parametrize("name", sorted({*wire.DESCRIPTOR.message_types_by_name} - OF_TTRPC))
def test_messages_have_the_official_fields(name: str):
    """Names, numbers, types and order, which is that of the JSON that is made of a message."""
    ours, official = wire.DESCRIPTOR.message_types_by_name[name], OFFICIAL[name].DESCRIPTOR
    assert _fields(ours, []) == _fields(official, LEFT_OUT.get(name, []))
    for nested in ours.nested_types:
        theirs = official.nested_types_by_name[nested.name]
        assert _fields(nested, []) == _fields(theirs, [])


@pytest.mark.parametrize(
    ("member", "name"),
    [
        ("client", "vitrine_client/tfserving/wire"),
        ("serving", "vitrine_serving/model_server/protos/options"),
    ],
)
def test_generated_code_is_current(tmp_path: Path, member: str, name: str):
    """What `make wire` makes of the .proto files is what is there."""
    pytest.importorskip("grpc_tools", reason="requirements/newest.txt has none")
    outputs = (f"--python_out={tmp_path}", f"--pyi_out={tmp_path}")
    subprocess.run(
        [sys.executable, "-m", "grpc_tools.protoc", "-I.", *outputs, f"{name}.proto"],
        cwd=ROOT / member,
        check=True,
    )
    for suffix in ("_pb2.py", "_pb2.pyi"):
        made = (tmp_path / f"{name}{suffix}").read_text()
        assert made == (ROOT / member / f"{name}{suffix}").read_text(), "run `make wire`"
