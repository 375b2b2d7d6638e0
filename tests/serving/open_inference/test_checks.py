"""Requests against the signature that they are for: faults are told with what was expected."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest

from tests.serving.open_inference.asked_service import Asked, request, strings, tensor
from tests.serving.open_inference.typed_servers import Version, classifier, echo, signature
from vitrine_client.errors import InvalidRequest, ModelFault, NotFound
from vitrine_client.open_inference.messages import V2Request
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.gateway.models.reference import ModelRef

X = tensor("x", np.array([[1, 2]], np.float32))


@pytest.fixture
def asked(runner: asyncio.Runner) -> Asked:
    return Asked(runner, echo(wire.DT_FLOAT, [-1, 2]))


def test_infer(asked):
    """The answer names model and version, and has the request's id."""
    found = asked.run(asked.infer(V2Request([X], id="7")))
    response = found.response
    assert (response.model_name, response.model_version, response.id) == ("m", "1", "7")
    assert [each.datatype for each in response.outputs] == ["FP32"]
    assert found.outcome.version == 1
    assert asked.outputs(request(tensor("x", np.empty((0, 2), np.float32)))) == {"x": []}


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (request(), "m takes 1 inputs, and 0 came; missing: 'x' FP32 [-1, 2]"),
        (request(tensor("y", np.float32([1]))), "'y' is no input of m, which takes 'x' FP32"),
        (request(X, tensor("y", np.float32([1]))), "'y' is no input of m"),
        (request(X, X), "Input 'x' is there twice"),
        (request(tensor("x", np.array([[1.0, 2]]))), "Input 'x' of m is FP32, and FP64 came"),
        (request(strings("x", b"a")), "Input 'x' of m is FP32, and BYTES came"),
        (request(tensor("x", np.float32([1, 2]))), "shape [-1, 2], and [2] came"),
        (request(tensor("x", np.float32([[1], [2]]))), "shape [-1, 2], and [2, 1] came"),
        (request(tensor("x", np.empty((1, 2, 1), np.float32))), "and [1, 2, 1] came"),
        (request(X, outputs=["y"]), "'y' is no output of m, which answers 'x' FP32 [-1, 2]"),
        (request(X, outputs=["x", "y"]), "'y' is no output of m"),
        (request(X, signature_name="also"), "no signature 'also' (`signature_name`); there are"),
        (request(X, signature_name=1), "`signature_name` is the name of a signature, not 1"),
        (request(X, timeout="1"), "`timeout` is a number of microseconds, not '1'"),
        (request(X, timeout=-1), "`timeout` is a number of microseconds, not -1"),
        (request(X, timeout=True), "`timeout` is a number of microseconds, not True"),
        (request(X, outputs={"x": {"classification": "2"}}), "is a number of classes, not '2'"),
    ],
)
def test_misfits(asked, given, words):
    """Nothing of it reaches the model."""
    error = asked.refusal(given)
    assert isinstance(error, InvalidRequest)
    assert words in str(error)
    assert not asked.servers.asked


@pytest.mark.parametrize("timeout", [0, 2**63 - 1, 10**400], ids=["0", "int64", "more"])
def test_timeouts_that_are_later_than_any_deadline(asked, timeout):
    assert asked.outputs(request(X, timeout=timeout)) == {"x": [[1, 2]]}


def test_parameters_that_mean_nothing_here(asked):
    given = {"priority": 1, "sequence_id": 7, "sequence_start": True, "triton_x": 1, "a": "b"}
    assert asked.outputs(request(X, **given)) == {"x": [[1, 2]]}


def test_outputs(runner):
    """They are in the model's order, and a duplicate is there once."""
    asked = Asked(runner, classifier())
    images = tensor("images", np.zeros((1, 28, 28), np.float32))
    assert list(asked.outputs(request(images))) == ["class_ids", "probabilities"]
    both = ["probabilities", "class_ids", "probabilities"]
    given = request(images, outputs=both)
    given.outputs = [*given.outputs, *given.outputs]
    assert list(asked.outputs(given)) == ["class_ids", "probabilities"]
    assert list(asked.outputs(request(images, outputs=["class_ids"]))) == ["class_ids"]


def test_inputs_with_defaults(runner):
    """They may be left out."""
    inputs = {"a": (wire.DT_FLOAT, [-1]), "b": (wire.DT_FLOAT, [])}
    made = signature(inputs, {"a": (wire.DT_FLOAT, [-1])}, defaults=["b"])
    asked = Asked(runner, Version({"serving_default": made}, dict))
    a = tensor("a", np.float32([1, 2]))
    assert asked.outputs(request(a)) == {"a": [1, 2]}
    assert "missing: 'a' FP32 [-1]" in str(asked.refusal(request(tensor("b", np.float32(1)))))


def test_shapes_of_any_rank(runner):
    asked = Asked(runner, echo(wire.DT_INT64, None))
    for shape in ((), (1,), (2, 3, 1)):
        given = np.ones(shape, np.int64)
        assert asked.outputs(request(tensor("x", given))) == {"x": given.tolist()}


def test_datatypes_without_arrays(runner):
    """bfloat16 comes and goes with its bits; what the protocol lacks is the model's fault."""
    half = Version(echo(wire.DT_BFLOAT16, [-1]).signatures, lambda inputs: inputs)
    asked = Asked(runner, half)
    bits = np.array([0x3F80, 0x7FC0, 0xFF80], np.uint16)

    def halves(inputs):
        return {"x": (inputs["x"].view(np.uint32) >> 16).astype(np.uint16).view(np.float16)}

    half.run, half.answers_as = halves, wire.DT_BFLOAT16
    assert asked.outputs(request(tensor("x", bits, "BF16"))) == {"x": bits.tolist()}
    odd = echo(wire.DT_FLOAT, [-1])
    odd.answers_as = wire.DT_QINT8
    error = Asked(runner, odd).refusal(request(tensor("x", np.float32([1]))))
    assert isinstance(error, ModelFault)
    assert "no datatype" in str(error)


@pytest.mark.parametrize("model", [ModelRef("other"), ModelRef("m", 99)])
def test_unknown_models(asked, model):
    assert isinstance(asked.refusal(request(X), model), NotFound)
    assert asked.outputs(request(X)) == {"x": [[1, 2]]}
    assert isinstance(asked.refusal(request(X), model), NotFound)


def test_signatures_are_learned_again(asked):
    """Nothing is refused because of what was remembered."""
    assert asked.outputs(request(X)) == {"x": [[1, 2]]}
    assert asked.outputs(request(X)) == {"x": [[1, 2]]}
    assert asked.servers.learned == 1
    asked.servers.versions[2] = echo(wire.DT_INT64, [-1], "y")
    y = tensor("y", np.array([1]))
    assert asked.outputs(request(y)) == {"y": [1]}
    assert "'x' is no input of m" in str(asked.refusal(request(X)))
    assert asked.outputs(request(X), ModelRef("m", 1)) == {"x": [[1, 2]]}


def test_a_version_that_is_refused_by_the_model_server(asked):
    """What a version took before is asked again by what its successor takes."""
    assert asked.outputs(request(X)) == {"x": [[1, 2]]}
    asked.servers.versions[2] = echo(wire.DT_INT64, [-1], "y")
    assert "'x' is no input of m, which takes 'y'" in str(asked.refusal(request(X)))
    assert len(asked.servers.asked) == 2


@pytest.mark.parametrize(
    ("dtype", "shape", "content", "found"),
    [
        (wire.DT_FLOAT, [-1, 2], np.float32([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (wire.DT_INT64, [2], np.array([1, 2]), [1, 2]),
        (wire.DT_FLOAT, [-1, 2], np.empty((0, 2), np.float32), []),
        (wire.DT_INT16, [-1, -1], np.int16([[1, 2, 3]]), [[1, 2, 3]]),
    ],
)
def test_raw_requests(runner, dtype, shape, content, found):
    """The size tells a free dimension; of two the first is the batch's, of one row."""
    asked = Asked(runner, echo(dtype, shape))
    assert asked.outputs(V2Request([], raw=content.tobytes())) == {"x": found}


def test_raw_strings(runner):
    """The body is one."""
    for shape in ([-1], [-1, 1], None):
        asked = Asked(runner, echo(wire.DT_STRING, shape))
        found = asked.outputs(V2Request([], raw=b"\xffabc"))["x"]
        assert np.array(found, object).ravel().tolist() == [b"\xffabc"]


@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ([-1, 2], "'x' has 3 bytes, and its shape [0, 2] of FP32 takes 0"),
        ([-1, -1, -1], "The size of a request tells no shape of input 'x' FP32 [-1, -1, -1]"),
        (None, "The size of a request tells no shape of input 'x' FP32 of any shape"),
        ([-1, 0], "takes 0"),
    ],
)
def test_raw_requests_that_do_not_fit(runner, shape, words):
    asked = Asked(runner, echo(wire.DT_FLOAT, shape))
    assert words in str(asked.refusal(V2Request([], raw=b"abc")))


def test_a_raw_request_to_a_model_of_two_inputs(runner):
    inputs = {"a": (wire.DT_FLOAT, [-1]), "b": (wire.DT_FLOAT, [-1])}
    asked = Asked(runner, Version({"serving_default": signature(inputs, inputs)}, dict))
    assert "takes 2 inputs" in str(asked.refusal(V2Request([], raw=b"")))


def test_requests_of_one_form(runner):
    """Are checked once for a version, and again for another that takes something else."""
    asked = Asked(runner, echo(wire.DT_FLOAT, [-1, 2]))
    sent = replace(request(tensor("x", np.float32([[1, 2]]))), form=object())
    for _ in range(3):
        assert asked.outputs(sent) == {"x": [[1, 2]]}
    asked.servers.versions[2] = echo(wire.DT_INT32, [-1, 2])
    for _ in range(2):
        assert "'x' of m is INT32, and FP32 came" in str(asked.refusal(sent))
    asked.servers.versions[3] = echo(wire.DT_FLOAT, [-1, 2])
    other = replace(sent, inputs=[tensor("x", np.float32([[3, 4]]))])
    assert asked.outputs(other) == {"x": [[3, 4]]}


def test_forms_that_do_not_fit(runner):
    """Are refused each time, also beside those that do; more than are kept are checked anew."""
    asked = Asked(runner, echo(wire.DT_FLOAT, [-1, 2]))
    fits = tensor("x", np.float32([[1, 2]]))
    misfits = [tensor("x", np.float32([[1]])), tensor("y", np.float32([[1, 2]]))]
    forms = [replace(request(each), form=object()) for each in misfits]
    for number in range(300):
        assert asked.outputs(replace(request(fits), form=object())) == {"x": [[1, 2]]}
        assert asked.refusal(forms[number % 2])
