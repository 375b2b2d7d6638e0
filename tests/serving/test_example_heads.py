"""Signatures that classify and regress: by their inputs and outputs, and with a flag by their
method."""

import pytest
from grpc import StatusCode
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from tests.serving.fake_models import refusal
from vitrine_serving.model_server.runtime.examples import CLASSIFICATION, CLASSIFY, REGRESSION


def signature(inputs: str, outputs: str, method: str = "") -> SignatureDef:
    """Returns a signature of tensors that are named as they are called."""
    made = SignatureDef(method_name=method)
    for target, names in ((made.inputs, inputs), (made.outputs, outputs)):
        for name in names.split():
            target[name].CopyFrom(TensorInfo(name=f"{name}:0"))
    return made


TEXT = """inputs {
  key: "x"
  value {
    name: "x:0"
  }
}
outputs {
  key: "scores"
  value {
    name: "scores:0"
  }
}
method_name: "m"
"""


@pytest.mark.parametrize(
    ("head", "given", "words"),
    [
        (CLASSIFICATION, signature("", "scores"), "Expected one input Tensor."),
        (CLASSIFICATION, signature("inputs a", "scores"), "Expected one input Tensor."),
        (
            CLASSIFICATION,  # as the mlp's serving_default
            signature("images", "a b c"),
            "Expected one or two output Tensors, found 3",
        ),
        (
            CLASSIFICATION,
            signature("inputs", ""),
            "Expected one or two output Tensors, found 0",
        ),
        (
            CLASSIFICATION,
            signature("x", "scores", "m"),
            f"No classification inputs found in SignatureDef: {TEXT}",
        ),
        (
            CLASSIFICATION,
            signature("inputs", "y"),
            'Expected classification signature outputs to contain at least one of "classes" or '
            f'"scores". Signature was: {signature("inputs", "y")}',
        ),
        (REGRESSION, signature("a b", "outputs"), "Expected one input Tensor."),
        (REGRESSION, signature("inputs", "outputs y"), "Expected one output Tensor."),
        (
            REGRESSION,
            signature("x", "scores", "m"),
            f"No regression inputs found in SignatureDef: {TEXT}",
        ),
        (
            REGRESSION,
            signature("inputs", "y"),
            f"No regression outputs found in SignatureDef: {signature('inputs', 'y')}",
        ),
    ],
)
def test_words(head, given, words):
    """They are TensorFlow Serving's, with the signature as it prints one."""
    assert refusal(head.check, given, by_method=False) == (StatusCode.INVALID_ARGUMENT, words)


def test_methods():
    """What a signature says of itself counts where the flag says so, and then before all else."""
    REGRESSION.check(signature("inputs", "outputs", CLASSIFY), by_method=False)
    CLASSIFICATION.check(signature("inputs", "scores", CLASSIFY), by_method=True)
    assert refusal(REGRESSION.check, signature("", "", CLASSIFY), by_method=True) == (
        StatusCode.INVALID_ARGUMENT,
        "Expected regression signature method_name to be tensorflow/serving/regress. "
        "Was: tensorflow/serving/classify",
    )
