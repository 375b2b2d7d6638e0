"""Strict JSON: every result in a form that all readers take."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from vitrine_client.results.strict_json import dumps, loads, plain


@dataclass(frozen=True)
class Result:
    name: str
    shares: dict[str, float]
    box: tuple[int, int] | None = None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Result("Bag", {"a": 0.5}, (1, 2)), {"name": "Bag", "shares": {"a": 0.5}, "box": [1, 2]}),
        ([float("nan"), float("inf"), -float("inf"), 1.5], [None, None, None, 1.5]),
        (np.array([[1, 2], [3, 4]], np.uint8), [[1, 2], [3, 4]]),
        (np.array([0.1, np.nan], np.float32), [0.1, None]),
        (np.float32(0.1), 0.1),
        (np.float64(0.1), 0.1),
        (np.bool_(True), True),
        ({3: Path("a/b")}, {"3": "a/b"}),
        (None, None),
        (True, True),
    ],
    ids=str,
)
def test_what_it_becomes(value, expected):
    """Tuples and arrays are lists, keys text, numbers that are not finite null; what is read again
    is the same."""
    assert plain(value) == expected
    assert json.loads(dumps(value), parse_constant=pytest.fail) == expected
    assert json.loads(dumps(value, indent=2)) == expected


def test_float32_round_trips():
    """Its digits are few, and lead back to the same number."""
    numbers = np.random.default_rng(0).normal(size=1000).astype(np.float32) * 1e-5
    again = json.loads(dumps(numbers))
    np.testing.assert_array_equal(np.array(again, np.float32), numbers)
    assert max(len(repr(number)) for number in again) <= 16


def test_what_has_no_form():
    """It is told, not written as its repr."""
    for value in (object(), {1, 2}, b"bytes", Result):
        with pytest.raises(TypeError, match="JSON has no form for a"):
            dumps(value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            b'{"a": [1, -2.5, 1e300, null, true, "\\u00e9"]}',
            {"a": [1, -2.5, 1e300, None, True, "é"]},
        ),
        (b" 1\r\n", 1),
        (b"-1e-999", 0.0),
        (b"9" * 400, int("9" * 400)),
    ],
)
def test_what_is_read(text, expected):
    assert loads(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "Expecting value"),
        (b'{"a": 1', "Expecting"),
        (b'{"a": 1} 2', "Extra data"),
        (b"NaN", "NaN is no JSON"),
        (b'{"a": -Infinity}', "-Infinity is no JSON"),
        (b"1e999", "1e999 is beyond all numbers"),
        (b"-" + b"9" * 500 + b".5", "is beyond all numbers"),
        (b"9" * 100_000, "a number has 100,000 digits"),
        (b'[{"a": 1, "b": 2, "a": 1}]', "'a' is there more than once"),
        (b'"\xff"', "not UTF-8"),
        (b"[" * 200_000, "nested too deep"),
        (b'{"a":' * 200_000, "nested too deep"),
        (b"\xef\xbb\xbf1", "BOM"),
    ],
)
def test_what_is_not_read(text, said):
    with pytest.raises(ValueError, match=said) as refused:
        loads(text)
    assert len(str(refused.value)) < 200
