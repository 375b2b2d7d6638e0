"""Cases of Regress over gRPC."""

from typing import Any

from grpc import StatusCode
from tensorflow_serving.apis import (
    regression_pb2,
)

from tests.contract.case import Answer, Case, Fails, Grpc, found
from tests.contract.messages import (
    example,
    examples,
    regress,
    spec,
    values,
)

INVALID, NOT_FOUND = StatusCode.INVALID_ARGUMENT, StatusCode.NOT_FOUND
FAILED = StatusCode.FAILED_PRECONDITION
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
    _case(
        "a signature to classify",
        regress(spec(signature="classify_x_to_y")),
        Fails(
            (FAILED, INVALID),
            found(
                r"^(No regression outputs found in SignatureDef: |Expected regression signature "
                r"method_name to be tensorflow/serving/regress\. Was: tensorflow/serving/classify$)"
            ),
        ),
        "regressor.cc PreProcessRegression; the second text where "
        "--enable_signature_method_name_check is on, which by server.h it is not",
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
