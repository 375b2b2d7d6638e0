"""Cases of Classify over gRPC."""

from typing import Any

from grpc import StatusCode
from tensorflow_serving.apis import (
    classification_pb2,
)

from tests.contract.case import Answer, Case, Fails, Grpc, found
from tests.contract.messages import (
    classes,
    classify,
    example,
    examples,
    spec,
)

INVALID, NOT_FOUND = StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND
FAILED = StatusCode.FAILED_PRECONDITION
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
    _case(
        "a signature to predict",
        classify(spec()),
        Fails(
            (FAILED, INVALID),
            found(
                r"^(No classification inputs found in SignatureDef: |Expected classification "
                r"signature method_name to be tensorflow/serving/classify\. Was: "
                r"tensorflow/serving/predict$)"
            ),
        ),
        "classifier.cc PreProcessClassification; the second text where "
        "--enable_signature_method_name_check is on, which by server.h it is not",
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
