"""Cases of Regress over gRPC."""

from typing import Any

from grpc import StatusCode
from tensorflow_serving.apis import (
    regression_pb2,
)

from tests.contract.case import Answer, Case, Fails, Grpc, found, starts_with
from tests.contract.cases.classify import DEFAULT, X_TO_Y, checked
from tests.contract.messages import (
    example,
    examples,
    regress,
    spec,
    values,
)
from tests.contract.seen import SEEN

INVALID, NOT_FOUND = StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND
SOURCE = "regressor.cc PreProcessRegression"
NO_INPUTS, NO_OUTPUTS = (
    f"No regression {each} found in SignatureDef: " for each in ("inputs", "outputs")
)
TWICE = examples(example(x=2.0), example(x=4.0))


def _regressed(signature: str, result: Any) -> Any:
    return regression_pb2.RegressionResponse(
        model_spec=spec(signature=signature, version=2), result=result
    )


def _case(name: str, request: Any, answer: Answer, source: str) -> Case:
    return Case(f"Regress: {name}", Grpc("Regress", request), answer, source)


CASES = [
    _case(
        "two examples",
        regress(spec(signature="regress_x_to_y"), TWICE),
        _regressed("regress_x_to_y", values(4.0, 5.0)),
        "tensorflow_model_server_test.py testRegress",
    ),
    _case(
        "an output of one dimension",
        regress(spec(signature="regress_flat")),
        _regressed("regress_flat", values(4.0)),
        "regressor.cc PostProcessRegressionResult: [batch_size] or [batch_size, 1]",
    ),
    _case(
        "an output of two columns",
        regress(spec(signature="regress_wide")),
        Fails(
            INVALID,
            "Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got "
            "[1,2]",
        ),
        "regressor.cc PostProcessRegressionResult",
    ),
    _case(
        "an output of another dtype",
        regress(spec(signature="regress_integers")),
        Fails(INVALID, "Expected output Tensor of DT_FLOAT.  Got: DT_INT32"),
        "regressor.cc PostProcessRegressionResult",
    ),
    _case(
        "an unknown signature",
        regress(spec(signature="nope")),
        Fails(INVALID, "No signature was found with the name: nope"),
        "regressor.cc GetRegressionSignatureDef",
    ),
    *(
        _case(name, regress(spec(signature=signature)), Fails(INVALID, text), source)
        for name, signature, text, source in (
            ("a signature to predict", "", starts_with(f"{NO_INPUTS}{DEFAULT}"), SEEN),
            ("one to classify", "classify_x_to_y", starts_with(f"{NO_OUTPUTS}{X_TO_Y}"), SOURCE),
            ("one of two outputs", "classify_both", "Expected one output Tensor.", SOURCE),
        )
    ),
    _case(
        "a feature that is missing",
        regress(spec(signature="regress_x_to_y"), examples(example(x=2.0), example(z=2.0))),
        Fails(
            INVALID,
            found(
                r"^Name: <unknown>, Feature: x \(data type: float\) is required but could not be"
            ),
        ),
        SEEN,
    ),
    _case(
        "a version label",
        regress(spec(signature="regress_x_to_y", label="stable")),
        regression_pb2.RegressionResponse(
            model_spec=spec(signature="regress_x_to_y", version=1), result=values(3.0)
        ),
        SEEN,
    ),
    _case(
        "1000 examples",
        regress(
            spec(signature="regress_x_to_y"), examples(*(example(x=float(n)) for n in range(1000)))
        ),
        _regressed("regress_x_to_y", values(*(n / 2 + 3 for n in range(1000)))),
        SEEN,
    ),
    _case(
        "no example",
        regress(spec(signature="regress_x_to_y"), examples()),
        Fails(INVALID, "Input is empty."),
        "util.cc InputToSerializedExampleTensor",
    ),
    _case(
        "an unknown version",
        regress(spec(signature="regress_x_to_y", version=9)),
        Fails(NOT_FOUND, "Servable not found for request: Specific(half_plus_two, 9)"),
        "seen on 2.19.1",
    ),
    _case(
        "no model_spec",
        regress(None),
        Fails(INVALID, "Missing ModelSpec"),
        "regression_service.cc Regress",
    ),
]

CHANGING = [checked("Regress", regress, "regression", "classify")]
