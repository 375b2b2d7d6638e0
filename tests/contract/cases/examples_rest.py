"""Cases of classify and regress over REST."""

from typing import Any

from tests.contract.case import Answer, Case, Fails, Raw, Rest, found, starts_with
from tests.contract.cases.classify import DEFAULT
from tests.contract.cases.classify import NO_INPUTS as NO_CLASSES
from tests.contract.cases.regress import NO_INPUTS
from tests.contract.seen import SEEN

MODEL = "/v1/models/half_plus_two"
DOC = "api_rest.md, Classify and Regress API"
JSON = "json_tensor.cc FillClassifyRegressRequestFromJson"
FEATURE = "json_tensor.cc AddValueToFeature"
TWO, FOUR = {"x": 2.0}, {"x": [4.0]}
NAN, OF_X = float("nan"), r"Name: <unknown>, Key: x, Index: 0\.  "


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
        "a NUL in a feature's name",
        b'{"signature_name": "classify_x_to_y", "examples": [{"x": 1.0, "x\\u0000": 2.0}]}',
        {"results": [[["", 4.0]]]},
        "not seen; json_tensor.cc MakeExampleFromJsonObject: a name is a string of C",
    ),
    _rest(
        "classify",
        "a signature's name that is no UTF-8",
        b'{"signature_name": "a\xff", "examples": [{"x": 1.0}]}',
        Fails(400, found("^No signature was found with the name: a.+$")),
        "not seen; classifier.cc GetClassificationSignatureDef",
    ),
    _rest(
        "regress",
        "a number in an error",
        b'{"examples": 0.23796462709189137}',
        Fails(
            400,
            'JSON Value: {\n    "examples": 0.23796462709189138\n} Expecting'
            " 'examples' value to be an list/array",
        ),
        "not seen; json_tensor.cc JsonValueToDebugString: RapidJSON's own doubles",
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
    *(
        _rest(method, "a signature to predict", {"examples": [TWO]}, Fails(400, text), SEEN)
        for method, text in (
            ("classify", starts_with(f"{NO_CLASSES}{DEFAULT}")),
            ("regress", starts_with(f"{NO_INPUTS}{DEFAULT}")),
        )
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
    *(
        _rest(
            "classify", name, _rows("classify_both", {"x": value}), Fails(400, found(words)), SEEN
        )
        for name, value, words in (
            (
                "a feature that is an int",
                2,
                rf"^{OF_X}Data types don't match\. Data type: int64 but",
            ),
            ("a feature that is text", "a", rf"^{OF_X}Data types don't match\. Data type: string "),
            ("a feature of bytes", {"b64": "YQ=="}, rf"^{OF_X}Data types don't match\. .*string "),
            ("a feature that is true", True, rf"^{OF_X}Data types don't match\. Data type: int64 "),
            ("two values for one", [1.0, 2.0], rf"^{OF_X}Number of float values != expected\.  Va"),
            ("no value", [], r"^Name: <unknown>, Feature: x \(data type: float\) is required but "),
            (
                "an int and a float",
                [1, 2.0],
                "^Unexpected element type in feature: x expecting typ",
            ),
            (
                "a list of a list",
                [[1.0]],
                "^Feature: x has element with unexpected JSON type: Arra",
            ),
            ("an object", {"a": 1.0}, "^Feature: x has element with unexpected JSON type: Object$"),
        )
    ),
    *(
        _rest("classify", name, body, answer, SEEN)
        for name, body, answer in (
            (
                "a feature that is missing",
                _rows("classify_both", {"y": 1.0}),
                Fails(400, found(r"^Name: <unknown>, Feature: x \(data type: float\) is required")),
            ),
            (
                "a feature more",
                _rows("classify_both", {"x": 1.0, "y": 2.0}),
                {"results": [[["low", 3.5], ["high", 7.0]]]},
            ),
            (
                "NaN",
                _rows("classify_both", {"x": NAN}),
                {"results": [[["low", NAN], ["high", NAN]]]},
            ),
            (
                "a context that is overridden",
                _rows("classify_both", TWO, context={"x": 9.0}),
                {"results": [[["low", 4.0], ["high", 8.0]]]},
            ),
            (
                "an unknown member",
                _rows("classify_both", {"x": 1.0}, more=1),
                {"results": [[["low", 3.5], ["high", 7.0]]]},
            ),
            (
                "a context that is a list",
                _rows("classify_both", TWO, context=[]),
                Fails(400, "Example must be JSON object but got JSON Array"),
            ),
            (
                "`examples` of null",
                {"signature_name": "classify_both", "examples": None},
                Fails(
                    400, found(r"^JSON Value: \{.*\} Expecting 'examples' value to be an list/arr")
                ),
            ),
            (
                "`instances` and no `examples`",
                {"signature_name": "classify_both", "instances": [{"x": 1.0}]},
                Fails(
                    400, found(r"^JSON Value: .* When method is classify, key 'examples' is exp")
                ),
            ),
        )
    ),
    _rest(
        "regress",
        "two examples, as they are laid out",
        _rows("regress_x_to_y", TWO, {"x": 3.0}),
        Raw('{\n    "results": [4.0, 4.5]\n}'),
        SEEN,
    ),
    _rest(
        "classify",
        "an example, as it is laid out",
        _rows("classify_both", TWO),
        Raw('{\n    "results": [[["low", 4.0], ["high", 8.0]]\n    ]\n}'),
        SEEN,
    ),
    Case(
        "classify over REST: no body, of a network",
        Rest("POST", "/v1/models/images:classify"),
        Fails(400, "JSON Parse error: The document is empty"),
        SEEN,
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
