"""TensorFlow Serving's JSON, both ways."""

import numpy as np
import orjson
import pytest
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo

from vitrine_serving.model_server.errors import ServingError
from vitrine_serving.model_server.json_tensors import read_body, write_body

FLOATS = {"x": TensorInfo(dtype=types_pb2.DT_FLOAT)}
STRINGS = {"s": TensorInfo(dtype=types_pb2.DT_STRING)}
TWO = FLOATS | STRINGS


def read(body: object, declared: dict) -> dict[str, list]:
    arrays = read_body(orjson.dumps(body)).to_arrays(declared)
    return {name: array.tolist() for name, array in arrays.items()}


@pytest.mark.parametrize(
    ("body", "declared", "expected"),
    [
        ({"instances": [[1, 2], [3, 4]]}, FLOATS, {"x": [[1, 2], [3, 4]]}),
        ({"instances": [{"x": 1}, {"x": 2}]}, FLOATS, {"x": [1, 2]}),
        ({"inputs": [1, 2]}, FLOATS, {"x": [1, 2]}),
        ({"inputs": {"x": [1, 2], "s": ["a", "b"]}}, TWO, {"x": [1, 2], "s": [b"a", b"b"]}),
        ({"instances": [{"x": 1, "s": {"b64": "/w=="}}]}, TWO, {"x": [1], "s": [b"\xff"]}),
        ({"instances": [{"b64": "/w=="}]}, STRINGS, {"s": [b"\xff"]}),
        ({"inputs": {"b64": "/w=="}}, STRINGS, {"s": b"\xff"}),
    ],
)
def test_reading(body, declared, expected):
    """By row or by column, named or not, with base64 where bytes are no text."""
    assert read(body, declared) == expected


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"instances": []},
        {"instances": 3},
        {"instances": [[1]], "inputs": [[1]]},
        {"instances": [{"x": 1}, {"y": 2}]},
        {"instances": [[1, 2], [3]]},
        {"instances": ["text"]},
        {"inputs": {"s": [{"b64": "not base64!"}]}},
        {"inputs": {"s": [3]}},
    ],
)
def test_nonsense_is_refused(body):
    """What fits no signature is the caller's error."""
    declared = STRINGS if "inputs" in body and "instances" not in body else FLOATS
    with pytest.raises(ServingError):
        read(body, declared)


def test_broken_json_is_refused():
    """Truncated JSON is the caller's error."""
    with pytest.raises(ServingError, match="JSON Parse error"):
        read_body(b'{"instances": [')


def test_writing():
    """One output has no name, several do; bytes travel as base64 where their name says so."""
    rows = {"p": np.array([[0.5], [0.25]], np.float32), "c": np.array([b"a", b"b"], object)}

    def write(outputs: dict, *, by_row: bool) -> object:
        body = write_body(outputs, by_row=by_row)
        return orjson.loads(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY))

    assert write(rows, by_row=True) == {
        "predictions": [{"p": [0.5], "c": "a"}, {"p": [0.25], "c": "b"}]
    }
    assert write(rows, by_row=False) == {"outputs": {"p": [[0.5], [0.25]], "c": ["a", "b"]}}
    assert write({"p": rows["p"]}, by_row=True) == {"predictions": [[0.5], [0.25]]}
    assert write({"c_bytes": rows["c"]}, by_row=False) == {
        "outputs": [{"b64": "YQ=="}, {"b64": "Yg=="}]
    }
