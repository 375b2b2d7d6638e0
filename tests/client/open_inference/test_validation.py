"""Requests of the Open Inference Protocol are held against what a model declares."""

import numpy as np
import pytest

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference import specs, validation
from vitrine_client.open_inference.messages import RequestedOutput, V2Request, V2Tensor
from vitrine_client.open_inference.specs import TensorSpec
from vitrine_client.tfserving import wire_pb2 as wire

IMAGES = TensorSpec("images", "FP32", (-1, 28, 28))
SCALE = TensorSpec("scale", "FP64", ())
ANY = TensorSpec("any", "INT64", None)
OUTPUTS = [TensorSpec("class_ids", "INT64", (-1,)), TensorSpec("probabilities", "FP32", (-1, 10))]


def tensor(name: str = "images", datatype: str = "FP32", shape=(2, 28, 28)) -> V2Tensor:
    return V2Tensor(name, datatype, np.zeros(shape))


@pytest.mark.parametrize(
    ("tensors", "declared", "told"),
    [
        ([], [IMAGES], "Input 'images' is missing; it has images"),
        ([tensor("foo")], [IMAGES], "The model has no input 'foo'; it has images"),
        ([tensor()], [], "The model has no input 'images'; it has no input"),
        ([tensor(), tensor("foo")], [IMAGES], "The model has no input 'foo'"),
        ([tensor(), tensor()], [IMAGES], "Input 'images' is there twice"),
        ([tensor(datatype="FP64")], [IMAGES], "'images' is FP64, and the model takes FP32"),
        ([tensor(shape=(2, 784))], [IMAGES], r"shape \[2, 784\], and the model takes \[-1, 28, 28"),
        ([tensor(shape=(28, 28))], [IMAGES], r"shape \[28, 28\], and"),
        ([tensor(shape=())], [IMAGES], r"shape \[\], and"),
        ([tensor(shape=(2, 28, 27))], [IMAGES], r"shape \[2, 28, 27\], and"),
        ([tensor("scale", "FP64", (1,))], [SCALE], r"shape \[1\], and the model takes \[\]"),
        ([tensor("any", "INT32")], [ANY], "'any' is INT32, and the model takes INT64"),
        (
            [tensor("c", "FP32")],
            [TensorSpec("c", "DT_COMPLEX64", None)],
            "'c' is DT_COMPLEX64, which the Open Inference Protocol has no datatype for",
        ),
    ],
)
def test_inputs_that_the_model_does_not_take_are_refused(tensors, declared, told) -> None:
    with pytest.raises(InvalidRequest, match=told):
        validation.check_inputs(tensors, declared)


@pytest.mark.parametrize(
    ("tensors", "declared"),
    [
        ([tensor()], [IMAGES]),
        ([tensor(shape=(0, 28, 28))], [IMAGES]),
        ([tensor("scale", "FP64", ()), tensor()], [IMAGES, SCALE]),
        ([tensor("any", "INT64", ())], [ANY]),
        ([tensor("any", "INT64", (1, 2, 3))], [ANY]),
        ([], []),
    ],
)
def test_inputs_that_fit_are_taken_in_any_order(tensors, declared) -> None:
    validation.check_inputs(tensors, declared)


def test_an_optional_input_may_be_missing() -> None:
    validation.check_inputs([tensor()], [IMAGES, SCALE], optional=["scale"])


def test_an_error_never_repeats_a_name_at_length() -> None:
    many = [TensorSpec(f"input_{place}", "FP32", None) for place in range(1000)]
    with pytest.raises(InvalidRequest) as error:
        validation.check_inputs([tensor("x" * 100_000)], many)
    assert len(str(error.value)) < 500
    assert "and 980 more" in str(error.value)


def test_outputs_are_in_the_order_of_the_model_and_each_once() -> None:
    first = RequestedOutput("probabilities", {"classification": 2})
    asked = [first, RequestedOutput("class_ids"), RequestedOutput("probabilities")]
    wanted = validation.check_request(V2Request([tensor()], asked), [IMAGES], OUTPUTS)
    assert wanted == [RequestedOutput("class_ids"), first]


def test_all_outputs_are_wanted_where_none_is_asked_for() -> None:
    wanted = validation.check_request(V2Request([tensor()]), [IMAGES], OUTPUTS)
    assert [each.name for each in wanted] == ["class_ids", "probabilities"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (RequestedOutput("foo"), "no output 'foo'; it has class_ids, probabilities"),
        (RequestedOutput("class_ids", {"classification": -1}), "number of classes, not -1"),
        (RequestedOutput("class_ids", {"classification": "2"}), "number of classes, not '2'"),
        (RequestedOutput("class_ids", {"classification": True}), "number of classes, not True"),
    ],
)
def test_outputs_that_the_model_lacks_are_refused(asked, told) -> None:
    with pytest.raises(InvalidRequest, match=told):
        validation.wanted_outputs([asked], OUTPUTS)


def info(dtype: int, *sizes: int, unknown_rank: bool = False) -> wire.TensorInfo:
    made = wire.TensorInfo(dtype=dtype)
    made.tensor_shape.unknown_rank = unknown_rank
    for size in sizes:
        made.tensor_shape.dim.add(size=size)
    return made


def test_specifications_are_those_of_a_signature_by_name() -> None:
    infos = {
        "c": info(wire.DT_COMPLEX64, unknown_rank=True),
        "b": info(wire.DT_STRING),
        "a": info(wire.DT_BFLOAT16, -1, 3),
    }
    found = specs.of_infos(infos)
    assert found == [
        TensorSpec("a", "BF16", (-1, 3)),
        TensorSpec("b", "BYTES", ()),
        TensorSpec("c", "DT_COMPLEX64", None),
    ]
    assert found[2].metadata == {"name": "c", "datatype": "DT_COMPLEX64", "shape": []}
    assert [specs.count_rows([spec]) for spec in found] == [True, False, False]
