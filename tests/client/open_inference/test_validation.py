"""Requests of the Open Inference Protocol are held against what a signature declares."""

import numpy as np
import pytest

from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference import specs, validation
from vitrine_client.open_inference.messages import RequestedOutput, V2Tensor
from vitrine_client.open_inference.specs import SignatureSpec, TensorSpec
from vitrine_client.tfserving import wire_pb2 as wire

IMAGES = TensorSpec("images", "FP32", (-1, 28, 28))
SCALE = TensorSpec("scale", "FP64", ())
ANY = TensorSpec("any", "INT64", None)
OUTPUTS = [TensorSpec("class_ids", "INT64", (-1,)), TensorSpec("probabilities", "FP32", (-1, 10))]


def signature(*inputs: TensorSpec, outputs=OUTPUTS) -> SignatureSpec:
    return SignatureSpec(
        {spec.name: spec for spec in inputs}, {spec.name: spec for spec in outputs}
    )


def tensor(name: str = "images", datatype: str = "FP32", shape=(2, 28, 28)) -> V2Tensor:
    return V2Tensor(name, datatype, np.zeros(shape))


@pytest.mark.parametrize(
    ("tensors", "declared", "told"),
    [
        ([], [IMAGES], r"m takes 1 inputs, and 0 came; missing: 'images' FP32 \[-1, 28, 28\]"),
        ([tensor()], [IMAGES, SCALE], "m takes 2 inputs, and 1 came; missing: 'scale'"),
        ([tensor("foo")], [IMAGES], "'foo' is no input of m, which takes 'images' FP32"),
        ([tensor()], [], "'images' is no input of m, which takes nothing"),
        ([tensor(), tensor("foo")], [IMAGES], "'foo' is no input of m"),
        ([tensor(), tensor()], [IMAGES], "Input 'images' is there twice"),
        ([tensor(datatype="FP64")], [IMAGES], "'images' of m is FP32, and FP64 came"),
        ([tensor(shape=(2, 784))], [IMAGES], r"shape \[-1, 28, 28\], and \[2, 784\] came"),
        ([tensor(shape=(28, 28))], [IMAGES], r"and \[28, 28\] came"),
        ([tensor(shape=())], [IMAGES], r"and \[\] came"),
        ([tensor(shape=(2, 28, 27))], [IMAGES], r"and \[2, 28, 27\] came"),
        ([tensor("scale", "FP64", (1,))], [SCALE], r"has the shape \[\], and \[1\] came"),
        ([tensor("any", "INT32")], [ANY], "'any' of m is INT64, and INT32 came"),
        (
            [tensor("c", "FP32")],
            [TensorSpec("c", "DT_COMPLEX64", None)],
            "'c' of m is DT_COMPLEX64; the Open Inference Protocol has no such datatype",
        ),
    ],
)
def test_inputs_that_the_model_does_not_take_are_refused(tensors, declared, told) -> None:
    with pytest.raises(InvalidRequest, match=told):
        validation.check_inputs(tensors, signature(*declared), "m")


@pytest.mark.parametrize(
    ("tensors", "declared"),
    [
        ([tensor()], [IMAGES]),
        ([tensor(shape=(0, 28, 28))], [IMAGES]),
        ([tensor("scale", "FP64", ()), tensor()], [IMAGES, SCALE]),
        ([tensor("any", "INT64", ())], [ANY]),
        ([tensor("any", "INT64", (1, 2, 3))], [ANY]),
        ([tensor()], [IMAGES, SCALE._replace(has_default=True)]),
        ([], []),
    ],
)
def test_inputs_that_fit_are_taken_in_any_order(tensors, declared) -> None:
    validation.check_inputs(tensors, signature(*declared), "m")


def test_outputs_are_in_the_order_of_the_model_and_each_once() -> None:
    asked = [RequestedOutput(name) for name in ("probabilities", "class_ids", "probabilities")]
    wanted = validation.wanted_outputs(asked, signature(IMAGES), "m")
    assert wanted == ["class_ids", "probabilities"]
    assert validation.wanted_outputs([], signature(IMAGES), "m") == []


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (["foo"], r"'foo' is no output of m, which answers 'class_ids' INT64 \[-1\], 'prob"),
        (["odd"], "Output 'odd' of m is DT_COMPLEX64; the Open Inference Protocol has no such"),
        ([], "Output 'odd' of m is DT_COMPLEX64; ask for others by name"),
    ],
)
def test_outputs_that_there_are_not_are_refused(asked: list[str], told: str) -> None:
    declared = signature(IMAGES, outputs=[*OUTPUTS, TensorSpec("odd", "DT_COMPLEX64", None)])
    with pytest.raises(InvalidRequest, match=told):
        validation.wanted_outputs([RequestedOutput(name) for name in asked], declared, "m")
    others = [RequestedOutput("class_ids")]
    assert validation.wanted_outputs(others, declared, "m") == ["class_ids"]


def test_a_signature_is_named_by_a_parameter() -> None:
    assert validation.signature_name({}) == ""
    assert validation.signature_name({"signature_name": "a"}) == "a"
    with pytest.raises(InvalidRequest, match="is the name of a signature, not 1"):
        validation.signature_name({"signature_name": 1})


def info(dtype: int, *sizes: int, unknown_rank: bool = False) -> wire.TensorInfo:
    made = wire.TensorInfo(dtype=dtype)
    made.tensor_shape.unknown_rank = unknown_rank
    for size in sizes:
        made.tensor_shape.dim.add(size=size)
    return made


def test_specifications_are_those_of_a_signature_by_name() -> None:
    declared = wire.SignatureDef(
        inputs={
            "c": info(wire.DT_COMPLEX64, unknown_rank=True),
            "b": info(wire.DT_STRING),
            "a": info(wire.DT_BFLOAT16, -1, 3),
        },
        defaults={"b": wire.Tensor(dtype=wire.DT_STRING)},
    )
    found = specs.VersionSpecs.of_signatures(3, {"serving_default": declared})
    inputs = list(found.signature("serving_default").inputs.values())
    assert inputs == [
        TensorSpec("a", "BF16", (-1, 3)),
        TensorSpec("b", "BYTES", (), has_default=True),
        TensorSpec("c", "DT_COMPLEX64", None),
    ]
    assert inputs[2].metadata == {"name": "c", "datatype": "DT_COMPLEX64", "shape": []}
    with pytest.raises(InvalidRequest, match=r"no signature 'x'.*there are serving_default"):
        found.signature("x")
