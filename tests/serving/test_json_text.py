"""What is no JSON for RapidJSON, and how long its echo in an error text may be."""

import json

import pytest

from vitrine_serving.errors import ServingError
from vitrine_serving.rest_json.text import ECHO_CHARS, echo, parse


def refusal(body: bytes) -> str:
    with pytest.raises(ServingError) as caught:
        parse(body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "The document is empty"),
        (b" \n", "The document is empty. at offset: 2"),
        (b"instances = [1, 2]", "Invalid value. at offset: 0"),
        (b'{"instances": [1, ', "Invalid value. at offset: "),
        (b'{"instances": [1 2]}', "Missing a comma or ] after an array element. at offset: 17"),
        (b'{"a": "]" "b"', "Missing a comma or } after an object member. at offset: 10"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b"{1: 2}", "Missing a name for object member. at offset: 1"),
        (b'{"a": "b', "Missing a closing quotation mark in string. at offset: "),
        (b'{"a": "\\x"}', "Invalid escape character in string. at offset: "),
        (b'{"a": "\\u00g0"}', "Incorrect hex digit after \\u escape in string. at offset: "),
        (b'{"a": "\\ud800"}', "The surrogate pair in string is invalid. at offset: "),
        (b"{} {}", "The document root must not be followed by other values. at offset: 3"),
        (b'{"a": "\xff"}', "Invalid encoding in string. at offset: 7"),
        ('{"é": tru}'.encode(), "Invalid value. at offset: 7"),
        (b"[" * 100_000, "The document is nested too deeply. at offset: 0"),
        (b"[NaN, " + b"9" * 5000 + b"]", "Number too big to be stored in double. at offset: 0"),
    ],
)
def test_broken_json(body, reason):
    """What is no JSON is refused in RapidJSON's words, with the offset in bytes."""
    assert refusal(body).startswith(f"JSON Parse error: {reason}")


def test_lenient_but_right():
    """NaN makes a body no JSON by the book; all else is read as strictly as without it."""
    read = parse('\ufeff{"a": [NaN], "é": "\\ud83d\\ude00\\\\ud800"}'.encode())
    assert read["é"] == "😀\\ud800"
    assert refusal(b'{"a": [NaN], "b": "\\ude00\\ud83d"}').startswith(
        "JSON Parse error: The surrogate pair in string is invalid."
    )


def test_echo():
    """A value is shown as PrettyWriter prints it, up to a bound, however deep it is."""
    value = {"a": [1, 2.5, "é\n", None, True], "b": [], "c": {}, "d": float("nan")}
    assert echo(value) == json.dumps(value, indent=4, ensure_ascii=False)
    assert len(echo(["x" * 10 * ECHO_CHARS])) == ECHO_CHARS
    assert len(echo(list(range(10 * ECHO_CHARS)))) == ECHO_CHARS
    deep = parse(b'{"a": %b}' % (b"[" * 900 + b"]" * 900))
    assert echo(deep).startswith('{\n    "a": [\n        [')
