"""The JSON of `classify` and `regress` to tf.Examples."""

import json

import pytest

from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.errors import ServingError
from vitrine_serving.rest_json.examples import read_examples


def read(body: str) -> wire.ClassificationRequest:
    request = wire.ClassificationRequest()
    read_examples(body.encode(), request)
    return request


def features(example) -> dict[str, list]:
    return {
        name: list(getattr(feature, feature.WhichOneof("kind")).value)
        if feature.WhichOneof("kind")
        else []
        for name, feature in example.features.feature.items()
    }


def test_features():
    """Numbers with a point are floats, other numbers and booleans int64, strings bytes."""
    example = {
        "one": 1,
        "many": [1.5, 2.0],
        "odd": [float("nan"), float("inf")],
        "flags": [True, 2],
        "text": "é",
        "bytes": [{"b64": "/w=="}, "a"],
        "none": [],
    }
    body = json.dumps({"signature_name": "s", "examples": [example, {"one": 2}]})
    request = wire.ClassificationRequest()
    name = read_examples(body.encode(), request)
    first, second = request.input.example_list.examples
    found = features(first)
    odd = found.pop("odd")
    assert (name, str(odd)) == ("s", "[nan, inf]")
    assert found == {
        "one": [1],
        "many": [1.5, 2.0],
        "flags": [1, 2],
        "text": ["é".encode()],
        "bytes": [b"\xff", b"a"],
        "none": [],
    }
    assert features(second) == {"one": [2]}


def test_context():
    """Features of all examples go into the other kind of list."""
    parsed = read('{"context": {"c": "x"}, "examples": [{"x": 1.0}]}').input
    assert parsed.WhichOneof("kind") == "example_list_with_context"
    assert features(parsed.example_list_with_context.context) == {"c": [b"x"]}
    assert features(parsed.example_list_with_context.examples[0]) == {"x": [1.0]}
    empty = read('{"context": {}, "examples": [{}]}').input.example_list_with_context
    assert empty.HasField("context")
    assert not empty.examples[0].HasField("features")


def test_the_last_of_equal_names():
    """It counts here alone; an object of one name twice is no base64."""
    assert features(read('{"examples": [{"x": [1, 2], "x": 3.5}]}').input.example_list.examples[0])[
        "x"
    ] == [3.5]
    with pytest.raises(ServingError, match="Feature: x has element with unexpected JSON type: Obj"):
        read('{"examples": [{"x": {"b64": "YQ==", "b64": "YQ=="}}]}')


def test_what_no_float_holds():
    """Numbers are rounded to float32, or Infinity; bytes that are no UTF-8 are values, and no
    name."""
    request = wire.ClassificationRequest()
    read_examples(
        b'{"examples": [{"x": [1e300, 16777217.0], "\xff": [1.0], "b": "\xff"}]}', request
    )
    found = features(request.input.example_list.examples[0])
    assert found == {"x": [float("inf"), 2.0**24], "b": [b"\xff"]}


def test_names_end_at_a_nul():
    """As strings of C do; of names that are equal then the last counts."""
    body = r'{"examples": [{"x\u0000y": 1, "x\u0000": 2, "\u0000": 3}]}'
    assert features(read(body).input.example_list.examples[0]) == {"x": [2], "": [3]}
    with pytest.raises(ServingError, match=r"^Feature: x has element"):
        read(r'{"examples": [{"x\u0000y": null}]}')


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (
            '{"examples": 0.23796462709189137}',
            'JSON Value: {\n    "examples": 0.23796462709189138\n}'
            " Expecting 'examples' value to be an list/array",
        ),
        (
            '{"context": {}, "more": 1.4163578}',
            "\"more\": 1.4163577999999999\n} When method is classify, key 'examples' is expected"
            " and was not found",
        ),
        ("{}", "{} When method is classify, key 'examples' is expected and was not found"),
        ('{"examples": {}}', "Expecting 'examples' value to be an list/array"),
        ('{"examples": []}', "'examples' value is an empty array"),
        ('{"examples": [3]}', "Example must be JSON object but got JSON Number"),
        ('{"context": [], "examples": []}', "Example must be JSON object but got JSON Array"),
        ('{"signature_name": 1}', "'signature_name' key must be a string value."),
        ('{"examples": [{"x": null}]}', "Feature: x has element with unexpected JSON type: Null"),
        ('{"examples": [{"x": [[1]]}]}', "Feature: x has element with unexpected JSON type: Array"),
        ('{"examples": [{"x": {}}]}', "Feature: x has element with unexpected JSON type: Object"),
        (
            '{"examples": [{"x": [1, 2.5]}]}',
            "Unexpected element type in feature: x expecting type: int64",
        ),
        (
            '{"examples": [{"x": [2.5, 1]}]}',
            "Unexpected element type in feature: x expecting type: float",
        ),
        (
            '{"examples": [{"x": ["a", 1]}]}',
            "Unexpected element type in feature: x expecting type: bytes",
        ),
        ('{"examples": [{"x": {"b64": "!"}}]}', "Unable to base64 decode"),
        (
            '{"examples": [{"x": 9223372036854775808}]}',
            "Feature: x has uint64_t element. Only int64_t is supported.",
        ),
        ("nonsense", "JSON Parse error: Invalid value. at offset: 1"),
    ],
)
def test_refused(body, text):
    """What is no list of examples is refused in the words of json_tensor.cc."""
    with pytest.raises(ServingError) as caught:
        read(body)
    assert str(caught.value).endswith(text)
