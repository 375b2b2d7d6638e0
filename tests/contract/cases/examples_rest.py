"""Cases of classify and regress over REST."""

from typing import Any

from tests.contract.case import Answer, Case, Fails, Rest, found

MODEL = "/v1/models/half_plus_two"
DOC = "api_rest.md, Classify and Regress API"
JSON = "json_tensor.cc FillClassifyRegressRequestFromJson"
FEATURE = "json_tensor.cc AddValueToFeature"
TWO, FOUR = {"x": 2.0}, {"x": [4.0]}


def _rest(method: str, name: str, body: Any, answer: Answer, source: str) -> Case:
    return Case(
        f"{method} over REST: {name}", Rest("POST", f"{MODEL}:{method}", body), answer, source
    )


def _rows(signature: str, *rows: Any, **more: Any) -> dict[str, Any]:
    return {"signature_name": signature, "examples": list(rows), **more}


CASES = [
    _rest(
        "classify",
        "scores without labels",
        _rows("classify_x_to_y", TWO),
        {"results": [[["", 4.0]]]},
        "tensorflow_model_server_test.py testClassifyREST: under `results`; seen on 2.19.1",
    ),
    _rest(
        "classify",
        "labels and scores of two examples",
        _rows("classify_both", TWO, FOUR),
        {"results": [[["low", 4.0], ["high", 8.0]], [["low", 5.0], ["high", 10.0]]]},
        DOC,
    ),
    _rest(
        "classify",
        "features in a context",
        _rows("classify_x_to_y", {}, {}, context=TWO),
        {"results": [[["", 4.0]], [["", 4.0]]]},
        DOC,
    ),
    _rest(
        "regress",
        "two examples",
        _rows("regress_x_to_y", TWO, FOUR),
        {"results": [4.0, 5.0]},
        "tensorflow_model_server_test.py testRegressREST: under `results`; seen on 2.19.1",
    ),
    _rest(
        "regress",
        "a feature of another kind",
        _rows("regress_x_to_y", {"x": 2}),
        Fails(400, found("Data types don't match")),
        f"{FEATURE}: a whole number is an int64; the kernel refuses it",
    ),
    _rest(
        "regress",
        "a signature to predict",
        {"examples": [TWO]},
        Fails(
            400,
            found(
                r"^(No regression inputs found in SignatureDef: |Expected regression signature "
                r"method_name to be tensorflow/serving/regress\. Was: tensorflow/serving/predict$)"
            ),
        ),
        "regressor.cc PreProcessRegression; both texts as over gRPC",
    ),
    _rest(
        "classify",
        "an unknown signature",
        _rows("nope", TWO),
        Fails(400, "No signature was found with the name: nope"),
        "classifier.cc GetClassificationSignatureDef",
    ),
    _rest(
        "regress",
        "no `examples`",
        {"signature_name": "regress_x_to_y"},
        Fails(
            400, found(r"When method is classify, key 'examples' is expected and was not found$")
        ),
        f"{JSON}: it says classify for regress, too",
    ),
    _rest(
        "classify",
        "`examples` that are no list",
        {"examples": 1},
        Fails(400, found(r"^JSON Value: .* Expecting 'examples' value to be an list/array$")),
        JSON,
    ),
    _rest(
        "classify",
        "`examples` of none",
        {"examples": []},
        Fails(400, found(r"^JSON Value: .* 'examples' value is an empty array$")),
        JSON,
    ),
    _rest(
        "classify",
        "an example that is no object",
        {"examples": [2.0]},
        Fails(400, "Example must be JSON object but got JSON Number"),
        "json_tensor.cc MakeExampleFromJsonObject",
    ),
    _rest(
        "classify",
        "a feature of null",
        {"examples": [{"x": None}]},
        Fails(400, "Feature: x has element with unexpected JSON type: Null"),
        FEATURE,
    ),
    _rest(
        "classify",
        "a feature of mixed kinds",
        {"examples": [{"x": [2.0, "b"]}]},
        Fails(400, "Unexpected element type in feature: x expecting type: float"),
        FEATURE,
    ),
    Case(
        "regress over REST: an unknown model",
        Rest("POST", "/v1/models/nope:regress", {"examples": [TWO]}),
        Fails(404, "Servable not found for request: Latest(nope)"),
        "manager; issue 4",
    ),
    Case(
        "classify over REST: a version label",
        Rest("POST", f"{MODEL}/labels/stable:classify", _rows("classify_x_to_y", TWO)),
        {"results": [[["", 3.0]]]},
        DOC,
    ),
]
