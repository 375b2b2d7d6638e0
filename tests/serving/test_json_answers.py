"""Answers, byte by byte as RapidJSON's PrettyWriter prints them for TensorFlow Serving."""

import json

import numpy as np
import pytest

from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.errors import ServingError
from vitrine_serving.rest_json.answers import (
    write_classes,
    write_classification,
    write_predict,
    write_regression,
)

MATRIX = np.array([[2.5, 3], [3.5, 4]], np.float32)
STRINGS = np.array([b"a", b"\xc3\xa9\n"], object)


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ({"y": MATRIX}, "[[2.5, 3.0], [3.5, 4.0]\n    ]"),
        ({"y": MATRIX[:, 0]}, "[2.5, 3.5\n    ]"),
        ({"y": MATRIX.T}, "[[2.5, 3.5], [3.0, 4.0]\n    ]"),
        ({"y": np.zeros((0, 2), np.int32)}, "[]"),
        ({"y": np.zeros((2, 0, 3), np.int32)}, "[[], []\n    ]"),
        ({"y": np.arange(8).reshape(2, 2, 2)}, "[[[0, 1], [2, 3]], [[4, 5], [6, 7]]\n    ]"),
        ({"y": STRINGS}, '["a", "é\\n"\n    ]'),
        ({"y": np.array([b"\xff/\x0b\x7f"], object)}, '["\udcff/\\u000B\x7f"\n    ]'),
        (
            {"y_bytes": STRINGS[:1].reshape(1, 1)},
            '[[{\n                "b64": "YQ=="\n            }]\n    ]',
        ),
        (
            {"a": MATRIX, "b": np.array([1, 2]), "c": STRINGS[:, None]},
            "[\n        {"
            '\n            "a": [2.5, 3.0],\n            "b": 1,\n            "c": ["a"]'
            "\n        },\n        {"
            '\n            "a": [3.5, 4.0],\n            "b": 2,\n            "c": ["é\\n"]'
            "\n        }\n    ]",
        ),
        ({"a": np.zeros((0, 1)), "b": np.zeros(0)}, "[]"),
        (
            {"a": np.zeros((1, 0)), "b": np.zeros(1)},
            '[\n        {\n            "a": [],\n            "b": 0.0\n        }\n    ]',
        ),
    ],
)
def test_rows(outputs, expected):
    """An instance a line where outputs have names, all on one line where there is one output."""
    body = write_predict(outputs, by_row=True).decode(errors="surrogateescape")
    assert body == f'{{\n    "predictions": {expected}\n}}'


@pytest.mark.parametrize(
    "outputs",
    [
        {"y": MATRIX},
        {"y": np.arange(24).reshape(2, 3, 2, 2)},
        {"y": np.float64(0.1)},
        {"y": np.array(True)},
        {"y": np.zeros(0, np.float32)},
        {"y": np.zeros((2, 0, 3), np.uint8)},
        {"y": np.array(b"a", object)},
        {"y": np.array([[b"a"], [b"b"]], object)},
        {"a": MATRIX, "b": np.array([1, 2], np.uint64), "c": np.array(3, np.int8)},
    ],
)
def test_columns(outputs):
    """One element a line, as Python's own printer with an indent of four does it."""
    named = {
        name: json.loads(json.dumps(np.asarray(value).tolist(), default=bytes.decode))
        for name, value in outputs.items()
    }
    content = named if len(named) > 1 else next(iter(named.values()))
    assert write_predict(outputs, by_row=False).decode() == json.dumps(
        {"outputs": content}, indent=4
    )


def test_base64_by_column():
    """Bytes are base64 where the name of the output says that they are bytes."""
    body = write_predict({"y_bytes": np.array([b"\xff"], object)}, by_row=False)
    assert json.loads(body) == {"outputs": [{"b64": "/w=="}]}
    assert b'        {\n            "b64": "/w=="\n        }\n' in body


def test_numbers():
    """Floats have six digits where those read back, else nine (doubles seventeen)."""
    values = [0.1, 1, 1 / 3, -0.0, 1e-7, 1e10, 12345678, 3e38, 1e-45, np.nan, np.inf, -np.inf]
    single = write_predict({"y": np.array(values, np.float32)}, by_row=True)
    assert single == (
        b'{\n    "predictions": [0.1, 1.0, 0.333333343, -0.0, 1e-07, 1e+10, 12345678.0, 3e+38, 0.0,'
        b" NaN, Infinity, -Infinity\n    ]\n}"
    )
    double = write_predict({"y": np.array([values])}, by_row=True)
    assert (
        b"[0.1, 1.0, 0.33333333333333331, -0.0, 1e-07, 1e+10, 12345678.0, 3e+38, 1e-45," in double
    )
    assert write_predict({"y": np.float32("nan")}, by_row=False) == b'{\n    "outputs": NaN\n}'
    assert write_predict({"y": np.float32(1e-5)}, by_row=False) == b'{\n    "outputs": 1e-05\n}'


def test_shortest_numbers():
    """On request floats have the shortest form that round-trips for their own dtype."""
    values = [0.1, 1, 1 / 3, -0.0, 1e-7, 3e38, np.nan, np.inf, -np.inf]
    single = write_predict({"y": np.array(values, np.float32)}, by_row=True, shortest_floats=True)
    assert b"[0.1, 1.0, 0.33333334, -0.0, 1e-7, 3e+38, NaN, Infinity, -Infinity\n" in single
    double = write_predict({"y": np.array([values])}, by_row=True, shortest_floats=True)
    assert b"[0.1, 1.0, 0.3333333333333333, -0.0, 1e-7, 3e+38, NaN, Infinity, -Infinity]" in double
    result = wire.ClassificationResult()
    result.classifications.add().classes.add(score=1 / 3)
    assert b'["", 0.33333334]' in write_classification(result, shortest_floats=True)
    regression = wire.RegressionResult()
    regression.regressions.add(value=1 / 3)
    assert b"[0.33333334]" in write_regression(regression, shortest_floats=True)


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ({}, "Cannot convert empty tensor map to JSON"),
        ({"y": np.float32(1)}, "Tensor name: y has no shape information "),
        (
            {"a": MATRIX, "b": MATRIX[:1]},
            "Tensor name: b has inconsistent batch size: 1 expecting: 2",
        ),
        ({"y": np.ones(1, np.complex64)}, "Failed to write JSON value for tensor type: complex64"),
        ({"y": np.ones(1, np.float16)}, "Failed to write JSON value for tensor type: half"),
        (
            {"y": np.ones(1, [("qint8", np.int8)])},
            "Failed to write JSON value for tensor type: qint8",
        ),
        ({"y": np.ones(1, np.uint16)}, "Failed to write JSON value for tensor type: uint16"),
    ],
)
def test_unwritable(outputs, text):
    """Outputs without a common batch size, or without JSON, are the caller's error."""
    with pytest.raises(ServingError) as caught:
        write_predict(outputs, by_row=True)
    assert str(caught.value) == text


def test_classification():
    """A list of label and score for each example; a class may have no label."""
    result = wire.ClassificationResult()
    result.classifications.add().classes.add(label='"é', score=0.1)
    result.classifications[0].classes.add(score=12)
    result.classifications.add()
    assert write_classification(result).decode() == (
        '{\n    "results": [[["\\"é", 0.1], ["", 12.0]], []\n    ]\n}'
    )
    with pytest.raises(ServingError, match=r"^Cannot convert empty ClassificationResults to JSON$"):
        write_classification(wire.ClassificationResult())


def test_classes():
    """Arrays of labels and scores, one of which a signature may lack; bytes stay as they are."""
    labels, scores = (
        np.array([[b"\xff", b'"'], [b"", b"b"]], object),
        np.float32([[0.1, 1], [2, 1 / 3]]),
    )
    assert write_classes(labels, scores) == (
        b'{\n    "results": [[["\xff", 0.1], ["\\"", 1.0]],'
        b' [["", 2.0], ["b", 0.333333343]]\n    ]\n}'
    )
    assert write_classes(None, scores[1:], shortest_floats=True) == (
        b'{\n    "results": [[["", 2.0], ["", 0.33333334]]\n    ]\n}'
    )
    assert b'[["\xff", 0.0], ["\\"", 0.0]]' in write_classes(labels, None)
    assert b'"results": [[], []\n' in write_classes(labels[:, :0], None)


def test_names_end_at_a_nul():
    """As strings of C do."""
    outputs = {"a\0b": np.float32([1]), "a": np.float32([2])}
    for by_row in (True, False):
        body = write_predict(outputs, by_row=by_row)
        assert b'"a": 1.0,' in body or b'"a": [\n            1.0\n        ],' in body
        assert body.count(b'"a": ') == 2


def test_regression():
    """A value for each example."""
    result = wire.RegressionResult()
    for value in (3.5, float("nan"), 4):
        result.regressions.add(value=value)
    assert write_regression(result) == b'{\n    "results": [3.5, NaN, 4.0]\n}'
    with pytest.raises(ServingError, match=r"^Cannot convert empty RegressionResults to JSON$"):
        write_regression(wire.RegressionResult())
