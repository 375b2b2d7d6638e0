"""Cases of MultiInference over gRPC."""

from typing import Any

from grpc import StatusCode
from tensorflow_serving.apis import (
    inference_pb2,
)

from tests.contract.case import Answer, Case, Fails, Grpc, starts_with
from tests.contract.cases.classify import DEFAULT, NEITHER, X_TO_Y
from tests.contract.cases.regress import NO_INPUTS
from tests.contract.messages import (
    classes,
    example,
    examples,
    infer,
    spec,
    task,
    values,
)
from tests.contract.models import CLASSIFY, PREDICT, REGRESS
from tests.contract.seen import SEEN

INVALID, NOT_FOUND = StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND


def _infer(name: str, request: Any, answer: Answer, where: str = "Infer") -> Case:
    return Case(
        f"MultiInference: {name}",
        Grpc("MultiInference", request),
        answer,
        f"multi_inference.cc {where}",
    )


def _regressed(*signatures: str, classified: bool = False) -> Any:
    """The answer of tasks of regression, and of one of classification after them."""
    made = inference_pb2.MultiInferenceResponse()
    for signature in signatures:
        made.results.add(
            model_spec=spec(signature=signature, version=2), regression_result=values(4.0)
        )
    if classified:
        made.results.add(
            model_spec=spec(signature="classify_both", version=2),
            classification_result=classes([("low", 4.0), ("high", 8.0)]),
        )
    return made


def _of_version_1(*, classified: bool = False) -> Any:
    """The answer of a task of regression, and of one of classification after it."""
    made = inference_pb2.MultiInferenceResponse()
    made.results.add(
        model_spec=spec(signature="regress_x_to_y", version=1), regression_result=values(3.0)
    )
    if classified:
        made.results.add(
            model_spec=spec(signature="classify_both", version=1),
            classification_result=classes([("low", 3.0), ("high", 6.0)]),
        )
    return made


def _chosen(signature: str, **choice: Any) -> Any:
    """A task on a version, or on a label."""
    made = task(signature)
    made.model_spec.CopyFrom(spec(signature=signature, **choice))
    return made


REGRESS_TASK, CLASSIFY_TASK = task("regress_x_to_y"), task("classify_both")
CASES = [
    _infer(
        "regress and classify",
        infer(REGRESS_TASK, CLASSIFY_TASK),
        _regressed("regress_x_to_y", classified=True),
        "Infer; tensorflow_model_server_test.py testMultiInference: in the order of the tasks",
    ),
    _infer(
        "no task",
        infer(),
        Fails(INVALID, "ModelSpec has no name specified."),
        "GetModelSpecFromRequest: the default spec, which server_core.cc refuses",
    ),
    _infer(
        "a signature twice",
        infer(REGRESS_TASK, REGRESS_TASK),
        Fails(INVALID, "Duplicate evaluation of signature: regress_x_to_y"),
    ),
    _infer(
        "two models",
        infer(REGRESS_TASK, task("classify_both", name="echo")),
        Fails(
            INVALID,
            "All ModelSpecs in a MultiInferenceRequest must access the same model name.",
        ),
    ),
    _infer(
        "a task without a model",
        infer(REGRESS_TASK, task("classify_both", name="")),
        Fails(INVALID, "Found ModelSpec with an empty model name."),
    ),
    _infer(
        "an unknown model",
        infer(task("regress_x_to_y", name="nope")),
        Fails(NOT_FOUND, "Servable not found for request: Latest(nope)"),
        "(multi_inference_helper.cc); manager",
    ),
    _infer(
        "an unknown signature",
        infer(task("regress_nope")),
        Fails(INVALID, "Requested signature not found in model graph: regress_nope"),
    ),
    _infer(
        "a method that is neither",
        infer(task("regress_x_to_y", PREDICT)),
        Fails(
            StatusCode.UNIMPLEMENTED,
            "Unsupported signature method_name: tensorflow/serving/predict",
        ),
    ),
    *(
        Case(f"MultiInference: {name}", Grpc("MultiInference", infer(one)), answer, SEEN)
        for name, one, answer in (
            (
                "a signature of another kind",
                task("regress_x_to_y", CLASSIFY),
                Fails(INVALID, starts_with(f"{NEITHER}{X_TO_Y}")),
            ),
            (
                "no name of a signature",
                task("", REGRESS),
                Fails(INVALID, starts_with(f"{NO_INPUTS}{DEFAULT}")),
            ),
            (
                "an empty method",
                task("regress_x_to_y", ""),
                Fails(StatusCode.UNIMPLEMENTED, "Unsupported signature method_name: "),
            ),
            ("a label", _chosen("regress_x_to_y", label="stable"), _of_version_1()),
        )
    ),
    Case(
        "MultiInference: two versions, of which the first task's answers",
        Grpc(
            "MultiInference",
            infer(_chosen("regress_x_to_y", version=1), _chosen("classify_both", version=2)),
        ),
        _of_version_1(classified=True),
        SEEN,
    ),
    Case(
        "MultiInference: a feature that is missing",
        Grpc("MultiInference", infer(REGRESS_TASK, given=examples(example(z=2.0)))),
        Fails(
            INVALID,
            starts_with(
                "Name: <unknown>, Feature: x (data type: float) is required but could not be "
                "found.\n\t [[{{node ParseExample/ParseExampleV2"
            ),
        ),
        SEEN,
    ),
    _infer(
        "signatures of different input tensors",
        infer(REGRESS_TASK, task("regress_elsewhere")),
        _regressed("regress_x_to_y", "regress_elsewhere"),
        f"Infer; {SEEN}: each input tensor is fed the examples; the check is of later than 2.20.0",
    ),
    _infer(
        "labels from one input tensor, values from another",
        infer(task("regress_elsewhere"), CLASSIFY_TASK),
        _regressed("regress_elsewhere", classified=True),
        f"Infer; {SEEN}",
    ),
    _infer(
        "no example",
        infer(REGRESS_TASK, given=examples()),
        Fails(INVALID, "Input is empty."),
        "Infer; util.cc InputToSerializedExampleTensor",
    ),
]
