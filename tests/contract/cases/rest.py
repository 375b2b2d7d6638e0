"""Cases of what Predict takes over REST: rows, columns, headers, and values of each kind."""

import base64
import gzip
import json
import re
from typing import Any

from tests.contract.case import Answer, Case, Raw, Rest, found
from tests.contract.messages import example
from tests.contract.seen import SEEN

ECHO, HALF, IMAGES = "/v1/models/echo", "/v1/models/half_plus_two", "/v1/models/images"
DOC = "api_rest.md, Predict API"
JSON = "json_tensor.cc"
INSTANCES, INPUTS = f"{JSON} FillTensorMapFromInstancesList", f"{JSON} FillTensorMapFromInputsMap"
NAN, INF = float("nan"), float("inf")
PICTURE = [[1.0] * 28] * 28
EXAMPLE = base64.b64encode(example(x=2.0).SerializeToString()).decode()


def over_rest(
    name: str, body: Any, answer: Answer, source: str, path: str = ECHO, **headers: str
) -> Case:
    """A case of predict; it is for `echo` where no path says otherwise."""
    renamed = {key.replace("_", "-"): value for key, value in headers.items()}
    return Case(
        f"predict over REST: {name}", Rest("POST", f"{path}:predict", body, renamed), answer, source
    )


def rows(signature: str, *rows: Any) -> dict[str, Any]:
    """A body by row."""
    return {"signature_name": signature, "instances": list(rows)}


def columns(signature: str, inputs: Any) -> dict[str, Any]:
    """A body by column."""
    return {"signature_name": signature, "inputs": inputs}


FORMS = [
    over_rest(
        "rows",
        {"instances": [2.0, 3.0, 4.0]},
        {"predictions": [4.0, 4.5, 5.0]},
        "tensorflow_model_server_test.py testPredictREST",
        HALF,
    ),
    over_rest(
        "a column",
        {"inputs": [2.0, 3.0, 4.0]},
        {"outputs": [4.0, 4.5, 5.0]},
        "tensorflow_model_server_test.py testPredictColumnarREST",
        HALF,
    ),
    over_rest(
        "named rows of one input and one output: the output has no name",
        {"instances": [{"x": 2.0}]},
        {"predictions": [4.0]},
        DOC,
        HALF,
    ),
    over_rest("a named column", {"inputs": {"x": [2.0]}}, {"outputs": [4.0]}, DOC, HALF),
    over_rest(
        "rows of two inputs and two outputs",
        rows("pair", {"a": 1.5, "b": 2}, {"a": 2.0, "b": 3}),
        {"predictions": [{"sum": 3.5, "product": 3.0}, {"sum": 5.0, "product": 6.0}]},
        DOC,
    ),
    over_rest(
        "columns of two inputs and two outputs",
        columns("pair", {"a": [1.5, 2.0], "b": [2, 3]}),
        {"outputs": {"sum": [3.5, 5.0], "product": [3.0, 6.0]}},
        DOC,
    ),
    over_rest(
        "columns with a name that the signature has not",
        columns("matrix", {"x": [[1.0, 2.0]], "z": [1]}),
        {"outputs": [[21.0]]},
        f"{INPUTS}: only the signature's names are looked up",
    ),
    over_rest("a scalar column", {"inputs": 3.5}, {"outputs": 3.5}, INPUTS),
    over_rest("an empty column", {"inputs": []}, {"outputs": []}, INPUTS),
    over_rest("an empty row", {"instances": [[]]}, {"predictions": [[]]}, SEEN),
    over_rest("two empty rows", {"instances": [[], []]}, {"predictions": [[], []]}, SEEN),
    over_rest("an empty row in a column", {"inputs": [[]]}, {"outputs": [[]]}, SEEN),
    over_rest(
        "columns of two inputs, and one more",
        columns("pair", {"a": [1.0], "b": [1], "c": [1]}),
        {"outputs": {"sum": [2.0], "product": [1.0]}},
        SEEN,
    ),
    over_rest(
        "columns of different lengths, one of which is 1",
        columns("pair", {"a": [1.0, 2.0], "b": [1]}),
        {"outputs": {"sum": [2.0, 3.0], "product": [1.0, 2.0]}},
        SEEN,
    ),
    over_rest(
        "a signature to classify",
        rows("classify_both", {"b64": EXAMPLE}),
        {"predictions": [{"scores": [4.0, 8.0], "classes": ["low", "high"]}]},
        SEEN,
        HALF,
    ),
    over_rest(
        "a signature to regress",
        columns("regress_x_to_y", [{"b64": EXAMPLE}]),
        {"outputs": [[4.0]]},
        SEEN,
        HALF,
    ),
    over_rest(
        "pictures",
        {"instances": [PICTURE]},
        {"predictions": [{"logits": [float(j) for j in range(10)], "class_ids": 9}]},
        DOC,
        IMAGES,
    ),
    over_rest(
        "a version",
        {"instances": [2.0]},
        {"predictions": [3.0]},
        f"{DOC}, URL",
        f"{HALF}/versions/1",
    ),
    over_rest(
        "a version label",
        {"instances": [2.0]},
        {"predictions": [3.0]},
        f"{DOC}, URL",
        f"{HALF}/labels/stable",
    ),
    over_rest(
        "gzip",
        gzip.compress(json.dumps({"instances": [2.0]}).encode()),
        {"predictions": [4.0]},
        "net_http evhttp_request.cc NeedUncompressGzipContent; issue 4",
        HALF,
        Content_Encoding="gzip",
    ),
    over_rest(
        "another Content-Type",
        {"instances": [2.0]},
        {"predictions": [4.0]},
        "http_rest_api_handler.cc ProcessRequest does not look at it",
        HALF,
        Content_Type="text/plain",
    ),
    over_rest(
        "no Content-Type of JSON, as curl -d",
        {"instances": [2.0]},
        {"predictions": [4.0]},
        "api_rest.md, Example",
        HALF,
        Content_Type="application/x-www-form-urlencoded",
    ),
]


def _kinds() -> list[Case]:
    table = "api_rest.md, JSON mapping"
    whole = {f"int{n}": [-(2 ** (n - 1)), 2 ** (n - 1) - 1, 7] for n in (8, 16, 32, 64)}
    whole |= {f"uint{n}": [0, 2**n - 1, 7] for n in (8, 32, 64)}
    numbers = {**whole, "float32": [1.5, -2.0, 0.1], "float64": [1.5, 0.1, -1e300]}
    return [
        over_rest(dtype, rows(dtype, *values), {"predictions": values}, table)
        for dtype, values in {**numbers, "bool": [True, False], "string": ["a", "é"]}.items()
    ]


VALUES = [
    *_kinds(),
    over_rest(
        "NaN and infinities, both ways",
        {"instances": [NAN, INF, -INF]},
        {"predictions": [NAN, INF, -INF]},
        "api_rest.md, JSON conformance",
    ),
    over_rest(
        "NaN and infinities, as tokens",
        {"instances": [NAN, INF, -INF]},
        Raw(found(r"\[\s*NaN,\s*Infinity,\s*-Infinity\s*\]")),
        f"{JSON} WriteDecimal",
    ),
    over_rest(
        "NaN that the model makes",
        rows("log", -1.0, 0.0),
        {"predictions": [NAN, -INF]},
        f"{JSON} WriteDecimal",
    ),
    over_rest(
        "floats in few digits",
        {"instances": [0.1, 2, 1.5]},
        Raw(found(r"\[\s*0\.1,\s*2\.0,\s*1\.5\s*\]")),
        f"{JSON} WriteDecimal; {SEEN}: six digits where those read back",
    ),
    over_rest(
        "a third, of float32",
        {"instances": [1 / 3]},
        Raw(found(r"\[0\.333333343\s")),
        f"{JSON} WriteDecimal; {SEEN}: else nine",
    ),
    over_rest(
        "whole numbers for floats",
        {"instances": [2]},
        {"predictions": [4.0]},
        f"{JSON} AddValueToTensor: any number",
        HALF,
    ),
    over_rest(
        "bytes in, bytes out",
        rows("bytes", {"b64": "/wA="}, {"b64": ""}),
        {"predictions": [{"b64": "/wA="}, {"b64": ""}]},
        "api_rest.md, Encoding binary values; Output of binary values",
    ),
    over_rest(
        "bytes and text",
        rows("text", {"text": {"b64": "YWI="}}, {"text": "cd"}),
        {
            "predictions": [
                {"shout": "AB", "text_bytes": {"b64": "YWI="}},
                {"shout": "CD", "text_bytes": {"b64": "Y2Q="}},
            ]
        },
        "api_rest.md, Output of binary values: names that end in _bytes",
    ),
    over_rest(
        "bytes in a column",
        columns("bytes", [{"b64": "/wA="}]),
        {"outputs": [{"b64": "/wA="}]},
        "api_rest.md, Encoding binary values",
    ),
    *(
        over_rest(
            f"base64 {name}",
            rows("bytes", given),
            {"predictions": [{"b64": answer}]},
            f"{SEEN}; escaping.cc Base64UnescapeInternal",
        )
        for name, given, answer in (
            ("without its pads", {"b64": "YQ"}, "YQ=="),
            ("of + and /", {"b64": "+/+/"}, "+/+/"),
            ("with spaces in it", {"b64": " YW Jj\n"}, "YWJj"),
            ("in a named row", {"text": {"b64": "YWJj"}}, "YWJj"),
            ("of no byte", {"b64": ""}, ""),
        )
    ),
    over_rest(
        "bytes as the whole column",
        columns("string", {"b64": "YWI="}),
        {"outputs": "ab"},
        f"{INPUTS}: a base64 object is a scalar",
    ),
]


def _laid_out(name: str, body: Any, pattern: str) -> Case:
    """A case of spaces and line ends; the order of members is not told, and `$` is any of them."""
    text = re.escape(pattern).replace(r"\$", "(sum|product)")
    return over_rest(f"the layout of {name}", body, Raw(re.compile(rf"\A{text}\Z")), SEEN)


NAMED = """
        {
            "$": 4.0,
            "$": 4.0
        }"""
LAYOUT = [
    _laid_out(
        "numbers by row",
        {"instances": [3.5, 4.0, 5.5]},
        '{\n    "predictions": [3.5, 4.0, 5.5\n    ]\n}',
    ),
    _laid_out(
        "lists by row",
        {"instances": [[[1.0, 2.0], [3.0, 4.0]]]},
        '{\n    "predictions": [[[1.0, 2.0], [3.0, 4.0]]\n    ]\n}',
    ),
    _laid_out(
        "two outputs by row",
        rows("pair", {"a": 2.0, "b": 2}, {"a": 2.0, "b": 2}),
        f'{{\n    "predictions": [{NAMED},{NAMED}\n    ]\n}}',
    ),
    _laid_out(
        "two outputs by column",
        columns("pair", {"a": [2.0, 2.0], "b": [2, 2]}),
        """{
    "outputs": {
        "$": [
            4.0,
            4.0
        ],
        "$": [
            4.0,
            4.0
        ]
    }
}""",
    ),
]

CASES = [*FORMS, *VALUES, *LAYOUT]
