"""Inference by the Open Inference Protocol: what a model answers, bit for bit."""

import numpy as np
import pytest

from tests.serving.open_inference_grpc.served import ONE, refused, request
from vitrine_client.open_inference import datatypes, packing
from vitrine_client.open_inference import wire_pb2 as wire
from vitrine_client.open_inference.messages import RequestedOutput, V2Tensor

PICTURES = np.zeros((2, 28, 28), np.float32)
PICTURES[1, 0, 0] = 0.5


VALUES = {
    "BOOL": [True, False],
    "BYTES": [b"\xff\x00", b""],
    "FP16": [1.5, -np.inf],
    "FP32": [np.float32(0.1), np.inf],
    "FP64": [0.1, 1e300],
}
KINDS = {"FP16": "float16", "FP32": "float32", "FP64": "float64", "BF16": "bfloat16"}
KINDS |= {"BYTES": "string"}


@pytest.mark.parametrize("shape", [(2,), (1, 2), (2, 1, 1)])
@pytest.mark.parametrize("datatype", datatypes.DATATYPES)
def test_each_datatype_comes_back_as_it_went(served, datatype, shape):
    """Raw, and as contents where it has them."""
    kind = datatypes.named(datatype)
    limits = np.iinfo(kind.dtype) if kind.dtype.kind in "iu" else None
    values = VALUES.get(datatype) or [limits.min, limits.max]
    array = np.empty(2, kind.dtype)
    array[:] = values
    sent = V2Tensor("x", datatype, array.reshape(shape))
    signature = KINDS.get(datatype, datatype.lower())
    found = served.infer(sent, model="echo", signature_name=signature)["y"]
    assert (found.datatype, found.array.shape) == (datatype, shape)
    assert packing.packed(found) == packing.packed(sent)
    if kind.field:
        message = wire.ModelInferRequest(model_name="echo")
        message.parameters["signature_name"].string_param = signature
        tensor = message.inputs.add(name="x", datatype=datatype, shape=shape)
        getattr(tensor.contents, kind.field).extend(array.tolist())
        answer = served.call("ModelInfer", message)
        assert answer.raw_output_contents[0] == packing.packed(sent)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0)])
@pytest.mark.parametrize("datatype", ["FP32", "BF16", "BYTES", "BOOL"])
def test_scalars_and_nothing_at_all_come_back(served, datatype, shape):
    array = np.zeros(shape, datatypes.named(datatype).dtype)
    if datatype == "BYTES":
        array.fill(b"a")
    signature = KINDS.get(datatype, datatype.lower())
    sent = V2Tensor("x", datatype, array)
    found = served.infer(sent, model="echo", signature_name=signature)["y"]
    assert (found.array.shape, packing.packed(found)) == (shape, packing.packed(sent))


def test_an_answer_names_the_version_and_the_request(served):
    found = served.call("ModelInfer", request(ONE))
    assert (found.model_name, found.model_version, found.id) == ("half_plus_two", "2", "an id")
    assert served.call("ModelInfer", request(ONE, version="1")).model_version == "1"
    assert served.infer(ONE, version="1")["y"].array.tolist() == [2.5, 3.0]


def test_outputs_are_in_the_order_of_their_names_and_each_once(served):
    pictures = V2Tensor("images", "FP32", PICTURES)
    assert list(served.infer(pictures, model="images")) == ["class_ids", "logits"]
    asked = tuple(RequestedOutput(name) for name in ("logits", "class_ids", "logits"))
    message = served.call("ModelInfer", request(pictures, model="images", outputs=asked))
    assert [each.name for each in message.outputs] == ["class_ids", "logits"]
    one = served.infer(pictures, model="images", outputs=asked[:1])
    assert list(one) == ["logits"]


def test_the_largest_classes_come_in_place_of_numbers(served):
    pictures = V2Tensor("images", "FP32", PICTURES)
    asked = (RequestedOutput("logits", {"classification": 2}), RequestedOutput("class_ids"))
    found = served.infer(pictures, model="images", outputs=asked)
    assert found["logits"].datatype == "BYTES"
    assert found["logits"].array.tolist() == [
        [b"0.000000:0", b"0.000000:1"],
        [b"4.500000:9", b"4.000000:8"],
    ]
    assert found["class_ids"].array.tolist() == [0, 9]


def test_a_default_stands_in_for_an_input(served):
    one = V2Tensor("a", "FP32", np.array([1], np.float32))
    found = served.infer(one, model="echo", signature_name="defaulted")
    assert found["sum"].array.tolist() == [11.0]


def test_inference_is_counted_in_the_metrics(served):
    served.infer(ONE)
    refused(served.call, "ModelInfer", request())
    refused(served.call, "ModelInfer", request(ONE, model="nope"))
    text = served.metrics.text().decode()
    assert 'request_count{model_name="half_plus_two",status="OK"} 1' in text
    assert 'request_count{model_name="half_plus_two",status="INVALID_ARGUMENT"} 1' in text
    assert 'request_count{model_name="other",status="NOT_FOUND"} 1' in text
    assert 'API="ModelInfer",entrypoint="GRPC"} 1' in text
