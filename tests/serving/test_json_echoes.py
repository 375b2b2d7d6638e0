"""JSON values in error texts, as TensorFlow Serving prints them."""

import math

import pytest

from vitrine_serving.rest_json.echoes import ECHO_BYTES, STRING_CHARS, double, echo
from vitrine_serving.rest_json.parsing import parse


def test_layout():
    """Lists are on one line, members of objects on lines of their own, as deep as they are."""
    value = {
        "a": [1, 2.5, "é\n\x0b/", None, True, False],
        "b": [],
        "c": {},
        "d": [{"x": [{"y": 1}]}],
    }
    assert echo(value) == (
        '{\n    "a": [1, 2.5, "é\\n\\u000B/", null, true, false],\n    "b": [],\n    "c": {},\n'
        '    "d": [{\n            "x": [{\n                    "y": 1\n                }]\n'
        "        }]\n}"
    )


def test_end():
    """It ends with what goes beyond 256 bytes, and where a number is not finite."""
    assert echo({"a": [1, math.nan, 2]}) == '{\n    "a": [1, '
    many = echo({"a": [10] * 1000})
    assert many == ('{\n    "a": [' + "10, " * 1000)[: len(many)]
    assert ECHO_BYTES <= len(many) < ECHO_BYTES + 4
    assert echo(["x" * 300, 1]) == '["' + "x" * 300 + '"'
    assert len(echo(["x" * 10 * STRING_CHARS])) == STRING_CHARS + 3


def test_equal_keys():
    """They are all shown."""
    assert echo(parse(b'{"a": 1, "a": 2}')) == '{\n    "a": 1,\n    "a": 2\n}'


def test_depth():
    """It may be as deep as a body."""
    deep = parse(b'{"a": %b}' % (b"[" * 900 + b"]" * 900))
    assert echo(deep).startswith('{\n    "a": [[[')


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1.0"),
        (-0.0, "-0.0"),
        (100.0, "100.0"),
        (1e20, "100000000000000000000.0"),
        (1e21, "1e21"),
        (1e23, "9.999999999999999e22"),
        (1.5e300, "1.5e300"),
        (0.00001, "0.00001"),
        (1.25e-7, "1.25e-7"),
        (5e-324, "5e-324"),
        (1.4163578, "1.4163577999999999"),
        (1.7976931348623157e308, "1.7976931348623157e308"),
    ],
)
def test_doubles(value, text):
    """Doubles have the digits that RapidJSON 1.1.0 makes, which are not always the fewest."""
    assert double(value) == text
