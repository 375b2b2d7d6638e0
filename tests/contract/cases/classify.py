"""Cases of Classify over gRPC."""

from typing import Any

from grpc import StatusCode
from tensorflow_serving.apis import (
    classification_pb2,
)

from tests.contract.case import Answer, Case, Fails, Grpc, found, starts_with
from tests.contract.cases import life
from tests.contract.messages import (
    classes,
    classify,
    example,
    examples,
    spec,
)
from tests.contract.seen import SEEN

INVALID, NOT_FOUND = StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND
NO_INPUTS = "No classification inputs found in SignatureDef: "
NEITHER = (
    'Expected classification signature outputs to contain at least one of "classes" or "scores". '
    "Signature was: "
)
DEFAULT = (
    'inputs {\n  key: "x"\n  value {\n    name: "x:0"\n    dtype: DT_FLOAT\n    tensor_shape {\n'
    '      dim {\n        size: -1\n      }\n    }\n  }\n}\noutputs {\n  key: "y"\n  value {\n'
)
X_TO_Y = (
    'inputs {\n  key: "inputs"\n  value {\n    name: "tf_example:0"\n    dtype: DT_STRING\n'
    "    tensor_shape {\n"
)
ECHO = (
    'inputs {\n  key: "x"\n  value {\n    name: "x_float32:0"\n    dtype: DT_FLOAT\n'
    '    tensor_shape {\n      unknown_rank: true\n    }\n  }\n}\noutputs {\n  key: "y"\n'
)
TWICE = examples(example(x=2.0), example(x=4.0))


def _classified(signature: str, result: Any) -> Any:
    return classification_pb2.ClassificationResponse(
        model_spec=spec(signature=signature, version=2), result=result
    )


def _case(name: str, request: Any, answer: Answer, source: str) -> Case:
    return Case(f"Classify: {name}", Grpc("Classify", request), answer, source)


CASES = [
    _case(
        "scores without labels",
        classify(spec(signature="classify_x_to_y")),
        _classified("classify_x_to_y", classes([("", 4.0)])),
        "tensorflow_model_server_test.py testClassify",
    ),
    _case(
        "labels and scores of two examples",
        classify(spec(signature="classify_both"), TWICE),
        _classified(
            "classify_both", classes([("low", 4.0), ("high", 8.0)], [("low", 5.0), ("high", 10.0)])
        ),
        "classifier.cc PostProcessClassificationResult",
    ),
    _case(
        "labels without scores",
        classify(spec(signature="classify_labels")),
        _classified("classify_labels", classes([("low", 0.0), ("high", 0.0)])),
        "classifier.cc PostProcessClassificationResult",
    ),
    _case(
        "features in a context",
        classify(
            spec(signature="classify_x_to_y"),
            examples(example(), example(), context=example(x=2.0)),
        ),
        _classified("classify_x_to_y", classes([("", 4.0)], [("", 4.0)])),
        "input.proto ExampleListWithContext; util.cc InputToSerializedExampleTensor",
    ),
    _case(
        "a version",
        classify(spec(signature="classify_x_to_y", version=1)),
        classification_pb2.ClassificationResponse(
            model_spec=spec(signature="classify_x_to_y", version=1), result=classes([("", 3.0)])
        ),
        "model.proto version_choice",
    ),
    _case(
        "no example",
        classify(spec(signature="classify_x_to_y"), examples()),
        Fails(INVALID, "Input is empty."),
        "util.cc InputToSerializedExampleTensor",
    ),
    _case(
        "a feature of another kind",
        classify(spec(signature="classify_x_to_y"), examples(example(x=2))),
        Fails(INVALID, found("Data types don't match")),
        "the kernel of parse_example, example_proto_fast_parsing.cc",
    ),
    _case(
        "a feature that is missing",
        classify(spec(signature="classify_x_to_y"), examples(example(z=2.0))),
        Fails(INVALID, found("Feature: x .*is required but could not be found")),
        "the kernel of parse_example, example_proto_fast_parsing.cc",
    ),
    _case(
        "an unknown signature",
        classify(spec(signature="nope")),
        Fails(INVALID, "No signature was found with the name: nope"),
        "classifier.cc GetClassificationSignatureDef",
    ),
    *(
        _case(name, request, Fails(INVALID, starts_with(f"{words}{text}")), SEEN)
        for name, request, words, text in (
            ("a signature to predict", classify(spec()), NO_INPUTS, DEFAULT),
            ("a signature to regress", classify(spec(signature="regress_x_to_y")), NEITHER, X_TO_Y),
            ("one of unknown rank", classify(spec("echo", "float32")), NO_INPUTS, ECHO),
        )
    ),
    _case(
        "signatures of two inputs",
        classify(spec("echo", "pair")),
        Fails(INVALID, "Expected one input Tensor."),
        "classifier.cc PreProcessClassification",
    ),
    _case(
        "a context that is overridden",
        classify(spec(signature="classify_both"), examples(example(x=1.0), context=example(x=3.0))),
        _classified("classify_both", classes([("low", 3.5), ("high", 7.0)])),
        SEEN,
    ),
    _case(
        "a feature in the context alone",
        classify(spec(signature="classify_both"), examples(example(), context=example(x=3.0))),
        _classified("classify_both", classes([("low", 4.5), ("high", 9.0)])),
        SEEN,
    ),
    *(
        _case(name, request, Fails(INVALID, words), SEEN)
        for name, request, words in (
            (
                "two values for one",
                classify(spec(signature="classify_both"), examples(example(x=[1.0, 2.0]))),
                found(
                    r"^Name: <unknown>, Key: x, Index: 0\.  Number of float values != expected\."
                ),
            ),
            (
                "a context without examples",
                classify(spec(signature="classify_both"), examples(context=example(x=1.0))),
                "Input is empty.",
            ),
            (
                "an unknown label",
                classify(spec(signature="classify_both", label="zz")),
                "Unrecognized servable version label: zz",
            ),
            ("an empty name", classify(spec("")), "ModelSpec has no name specified."),
            (
                "a string where a float belongs",
                classify(spec(signature="classify_both"), examples(example(x="two"))),
                starts_with(
                    "Name: <unknown>, Key: x, Index: 0.  Data types don't match. Data type: string "
                    "but expected type: float\n\t [[{{node ParseE"
                ),
            ),
        )
    ),
    _case(
        "scores of one dimension",
        classify(spec(signature="classify_flat")),
        Fails(INVALID, "Expected Tensor shape: [batch_size num_classes] but got [1]"),
        "classifier.cc PostProcessClassificationResult",
    ),
    _case(
        "scores of another dtype",
        classify(spec(signature="classify_doubles")),
        Fails(INVALID, "Expected scores Tensor of DT_FLOAT. Got: DT_DOUBLE"),
        "classifier.cc PostProcessClassificationResult",
    ),
    _case(
        "an unknown model",
        classify(spec("nope")),
        Fails(NOT_FOUND, "Servable not found for request: Latest(nope)"),
        "manager; issue 4",
    ),
    _case(
        "no model_spec",
        classify(None),
        Fails(INVALID, "Missing ModelSpec"),
        "classification_service.cc Classify",
    ),
]


def checked(method: str, make: Any, kind: str, other: str) -> Case:
    """A case of the flag: words where a signature's method is another than what is asked of it."""
    name = f"checked_{method.lower()}"
    return Case(
        f"{method}: a signature of another method, where that is checked",
        Grpc(method, make(spec(name, f"{other}_x_to_y"))),
        Fails(
            INVALID,
            f"Expected {kind} signature method_name to be tensorflow/serving/{method.lower()}. "
            f"Was: tensorflow/serving/{other}",
        ),
        "classifier.cc, regressor.cc; --enable_signature_method_name_check",
        life.one(name),
    )


CHANGING = [checked("Classify", classify, "classification", "regress")]
