"""Bodies as RapidJSON 1.1.0 reads them: what it takes, and its words for what it refuses."""

import math
import struct
import tracemalloc

import pytest

from vitrine_client.errors import PayloadTooLarge
from vitrine_serving.errors import ServingError
from vitrine_serving.rest_json.parsing import (
    MAX_ESCAPES,
    checked_name,
    parse,
    signature_name,
)


def refusal(body: bytes) -> str:
    with pytest.raises(ServingError) as caught:
        parse(body)
    return str(caught.value)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "The document is empty"),
        (b" \n", "The document is empty. at offset: 2"),
        (b"\0", "The document is empty. at offset: 0"),
        (b" }", "The document is empty. at offset: 1"),
        (b"instances = [1, 2]", "Invalid value. at offset: 0"),
        (b"\x1f\x8b\x08", "Invalid value. at offset: 0"),
        (b'{"a": [1, ', "Invalid value. at offset: 10"),
        (b'{"a": [1, ]}', "Invalid value. at offset: 10"),
        (b'{"a": nan}', "Invalid value. at offset: 7"),
        (b'{"a": +1}', "Invalid value. at offset: 6"),
        (b'{"a": 1.}', "Miss fraction part in number. at offset: 8"),
        (b'{"a": 1e}', "Miss exponent in number. at offset: 8"),
        (b'{"a": [1 2]}', "Missing a comma or ']' after an array element. at offset: 9"),
        (b'{"a": 01}', "Missing a comma or '}' after an object member. at offset: 7"),
        (b'{"a": "]" "b"', "Missing a comma or '}' after an object member. at offset: 10"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b"{1: 2}", "Missing a name for object member. at offset: 1"),
        (b'{"a": 1,}', "Missing a name for object member. at offset: 8"),
        (b'{"a": "b', "Missing a closing quotation mark in string. at offset: 8"),
        (b'{"a": "b\0"}', "Missing a closing quotation mark in string. at offset: 8"),
        (b'{"a": "b\x01"}', "Invalid escape character in string. at offset: 8"),
        (b'{"a": "\\x"}', "Invalid escape character in string. at offset: 7"),
        (b'{"a": "\\u00g0"}', "Incorrect hex digit after \\u escape in string. at offset: 7"),
        (b'{"a": "\\ud800"}', "The surrogate pair in string is invalid. at offset: 7"),
        (b'{"a": "\\udc00\\ud800"}', "The surrogate pair in string is invalid. at offset: 13"),
        (
            b'{"a": "\\udc00\\ude0-"}',
            "Incorrect hex digit after \\u escape in string. at offset: 13",
        ),
        (b'{"a": 1e400}', "Number too big to be stored in double. at offset: 6"),
        (b"[NaN, -" + b"9" * 5000 + b"]", "Number too big to be stored in double. at offset: 6"),
        ('{"é": tru}'.encode(), "Invalid value. at offset: 10"),
        (b'{"\xff": tru}', "Invalid value. at offset: 9"),
        (b'\xef\xbb\xbf{"a": tru}', "Invalid value. at offset: 12"),
        (b"[" * 100_000, "The document is nested too deeply. at offset: 0"),
    ],
)
def test_broken_json(body, reason):
    """What is no JSON is refused in RapidJSON's words, with the offset in bytes."""
    assert refusal(body) == f"JSON Parse error: {reason}"


@pytest.mark.parametrize("after", [b"x", b" {}", b"\0", b"\xff", b"]", b" \n", b'"\\ud800'])
def test_what_follows(after):
    """What follows the first value is not read."""
    assert parse(b'{"a": "\xc3\xa9"}' + after) == {"a": "é"}


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"a": 1, "a": 2}', {"a": 1}),
        (b'{"a": {"b": 1, "c": 3, "b": 2}}', {"a": {"b": 1, "c": 3}}),
        (b'{"a": [[1], {"b": 1, "b": 2}]}', {"a": [[1], {"b": 1}]}),
        (b'{"a": [{"b": ":"}, {"b": 1, "\\u0062": 2}]}', {"a": [{"b": ":"}, {"b": 1}]}),
        (b'{"a": [{"b": 1}, 5, [{"b": {}}]]}', {"a": [{"b": 1}, 5, [{"b": {}}]]}),
    ],
)
def test_first_of_equal_keys(body, value):
    """Of equal keys the first counts, at any depth."""
    assert parse(body) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"NaN", math.nan),
        (b"-NaN", math.nan),
        (b"Inf", math.inf),
        (b"-Inf", -math.inf),
        (b"Infinity", math.inf),
        (b"-Infinity", -math.inf),
        (b"1e308", 1e308),
        (b"2e308", math.inf),
        (b"-1.7976931348623159e308", -math.inf),
        (b"17976931348623159000e290", math.inf),
        (b"2e0000308", math.inf),
        (b"18" + 306 * b"0" + b".5e1", math.inf),
        (b"18446744073709551615", 2**64 - 1),
        (b"18446744073709551616", 2.0**64),
    ],
)
def test_numbers(text, value):
    """Numbers are RapidJSON's."""
    read = parse(b'{"a": ' + text + b"}")["a"]
    assert type(read) is type(value)
    assert read == value or math.isnan(value)
    assert math.isnan(read) == math.isnan(value)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"9" * 2**18, id="digits"),
        pytest.param(b"2e308, " + b"9" * 2**18, id="digits behind what is infinite"),
        pytest.param(b"0." + b"9" * 2**18 + b"e400", id="places"),
        pytest.param(b"1e" + b"9" * 2**18, id="a power"),
        pytest.param(b"1e400" + 90_000 * b",1e400", id="many numbers"),
    ],
)
def test_numbers_too_big_are_refused_however_long(text):
    """In one pass over the body: a look at each of its digits again would take hours."""
    assert refusal(b'{"a": [' + text + b"]}").startswith("JSON Parse error: Number too big")


def test_strings_beside_infinite_numbers_take_no_memory():
    """But that of the body and of its document, a few times."""
    body = b'{"a": 2e308, "b": "' + 2**22 * b"x" + b'"}'
    tracemalloc.start()
    try:
        assert parse(body)["a"] == math.inf
        assert tracemalloc.get_traced_memory()[1] < 20 * len(body)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", ["NaN.5", "Inf.5", "NInf"])
def test_numbers_with_a_slip(text):
    """RapidJSON 1.1.0 takes them as numbers; on purpose they are none here."""
    with pytest.raises(ServingError):
        parse(f'{{"instances": [{text}]}}'.encode())


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"\xff\xfe", b"\xff\xfe"),
        ("é😀".encode() + b"\x80\\u00e9\\n", "é😀".encode() + b"\x80\xc3\xa9\n"),
        (b"\\udc80", b"\xed\xb2\x80"),
        (b"\\\\udc80\\udfff", b"\\udc80\xed\xbf\xbf"),
        (b"\\ud83d\\ude00\\udc00\x80", "😀".encode() + b"\xed\xb0\x80\x80"),
    ],
)
def test_strings_that_are_no_text(text, value):
    """Bytes of strings go through as they are, and so does half of a surrogate pair, the second."""
    document = parse(b'{"' + text + b'": ["' + text + b'"]} \xff')
    [(name, [read])] = document.items()
    assert read.encode(errors="surrogateescape") == value
    assert name == read


@pytest.mark.parametrize("private", ["\U0010f400", "\U0010f4ff", "\U0010f4ff\x80"])
def test_private_characters_are_not_mistaken(private):
    """A private character stands for bytes in between; what has it already keeps it."""
    raw = private.encode()
    escaped = "".join(
        f"\\u{unit:04X}" for unit in struct.unpack(">2H", private[:1].encode("utf-16-be"))
    )
    assert parse(b'{"%b": 1, "a": 1, "a": 2}' % raw) == {private: 1, "a": 1}
    assert parse(b'{"%b": "\xff%b\\udc00"}' % (raw, raw)) == {
        private: f"\udcff{private}\udced\udcb0\udc80"
    }
    for text in (escaped, escaped.lower()):
        assert parse(b'{"a": "%b\xff"}' % text.encode()) == {"a": f"{private[:1]}\udcff"}


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(2**21 * b"\xff", id="bytes"),
        pytest.param(2**20 * b"\xc3\xa9\xff", id="letters and bytes"),
        pytest.param(10_000 * b"\\u00e9\\n" + 2**20 * b"\x80a", id="escapes and bytes"),
        pytest.param(2**20 * "\U0010f4ff".encode() + b"\xff", id="private characters"),
    ],
)
def test_strings_that_are_no_text_take_no_memory(text):
    """But a few times that of the body, however many bytes there are."""
    body = b'{"a": "' + text + b'"}'
    tracemalloc.start()
    try:
        value = parse(body)["a"]
        assert tracemalloc.get_traced_memory()[1] < 15 * len(body)
    finally:
        tracemalloc.stop()
    want = text.replace(b"\\u00e9", "é".encode()).replace(b"\\n", b"\n")
    assert value.encode(errors="surrogateescape") == want


@pytest.mark.parametrize("odd", [b"\xff", b"\\udc00"])
def test_escapes_beside_what_is_no_text_are_bounded(odd):
    """Each is looked at there; else they are as cheap as letters."""
    escapes = b'{"a": "' + (MAX_ESCAPES + 1) * b"\\n"
    assert len(parse(escapes + b'"}')["a"]) == MAX_ESCAPES + 1
    with pytest.raises(PayloadTooLarge, match="more than 1,000,000 escapes"):
        parse(escapes + odd + b'"}')


def test_refusals_that_hide_each_other():
    """Infinity by its digits, and half a surrogate pair, in any order and in strings."""
    body = b'{"a": [2e308, "2e308\\"", "\\udc00", -3.5e308], "b": "\\udc01", "c": 2e308 } x'
    assert parse(body) == {
        "a": [math.inf, '2e308"', "\udced\udcb0\udc80", -math.inf],
        "b": "\udced\udcb0\udc81",
        "c": math.inf,
    }
    assert refusal(body.replace(b'"c"', b"nan")) == (
        "JSON Parse error: Missing a name for object member. at offset: 61"
    )


def test_byte_order_mark():
    """A mark of UTF-8 is no part of the document."""
    for mark in (b"\xef\xbb\xbf", b"\xbb", b"\xef\xbf"):
        assert parse(mark + b'{"a": 1}') == {"a": 1}
    assert refusal(b'\xbf\xef{"a": 1}') == "JSON Parse error: Invalid value. at offset: 1"


def test_name_that_is_no_text():
    """No signature has a name that is no UTF-8, and no message takes it."""
    body = b'{"signature_name": "\xff"}'
    assert signature_name(parse(body), body) == "\udcff"
    with pytest.raises(ServingError, match=r"^no \udcff here$"):
        checked_name("\udcff", "no {} here")
    assert checked_name("é", "") == "é"


def test_numbers_in_what_is_no_name():
    """They have RapidJSON's digits."""
    body = b'{"signature_name": 0.23796462709189137}'
    with pytest.raises(ServingError, match=r": 0\.23796462709189138\n}"):
        signature_name(parse(body), body)
