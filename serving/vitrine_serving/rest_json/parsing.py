"""JSON parser of request bodies: orjson, and RapidJSON, TensorFlow Serving's own, where those two
read a body otherwise."""

import codecs
import math
import re
from itertools import islice
from typing import Any, NamedTuple

import orjson
import rapidjson

from vitrine_client.errors import PayloadTooLarge
from vitrine_serving.errors import ServingError
from vitrine_serving.rest_json.echoes import Repeated, echo

MAX_VALUES = 1_000_000
"""Most values in a body, an object counting as three: parsed and read, they take up to 150 MB."""

_NO_ASCII = bytes(range(128)) + b"?" * 128
MAX_ESCAPES = 1_000_000
"""Most escapes in a body with strings that are no UTF-8, where each is looked at: a second."""

_ESCAPES = re.compile(
    rb"\\(?:u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<second>[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})|u(?P<unit>[0-9a-fA-F]{4})|.)",
    re.DOTALL,
)

_NUMBERS = re.compile(
    rb'"(?:[^"\\]++|\\.)*+"|'
    rb"(?P<sign>-)?(?P<whole>\d++)(?:\.(?P<places>\d++))?+(?:[eE]\+?(?P<exponent>\d++))?+",
    re.DOTALL,
)
"""Strings and numbers, each whole and without a way back: a body is gone through once, however long
these are."""

_DIGITS, _MAX_POWER = 17, 308
"""Digits of a number that count, and the largest power of ten by which they are multiplied."""

_KEY_END = re.compile(rb'"[ \t\r\n]*+:')


class _Decoder(rapidjson.Decoder):
    """RapidJSON's parser, with its own doubles: the first of equal keys counts."""

    def start_object(self) -> list[Any]:
        return []

    def end_object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        members = dict(pairs)
        return members if len(members) == len(pairs) else Repeated(pairs)


class _BytesDecoder(_Decoder):
    """JSON parser of a text whose characters stand for the bytes of UTF-8, and of what is none."""

    def string(self, text: str) -> str:
        return _meant(text)

    def end_object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return super().end_object([(_meant(name), value) for name, value in pairs])


def _meant(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("latin-1").decode(errors="surrogateescape")


_MODE = rapidjson.NM_NATIVE | rapidjson.NM_NAN
_decode = _Decoder(number_mode=_MODE)
_decode_bytes = _BytesDecoder(number_mode=_MODE)


def parse(body: bytes, max_values: int = MAX_VALUES) -> dict[str, Any]:
    """Returns the object that a request body begins with; the first of equal keys counts.

    Bytes of a string that are no UTF-8 are surrogates, as `surrogateescape` makes them. Raises
    `ServingError` in RapidJSON's words, `PayloadTooLarge` before anything is parsed where that
    would be more than `max_values`, and `MemoryError`.
    """
    if not body:
        raise ServingError.invalid("JSON Parse error: The document is empty")
    check_values(body, max_values)
    try:
        document = orjson.loads(body)
    except SystemError as error:  # orjson's word for it where it cannot make the next object
        raise MemoryError from error
    except orjson.JSONDecodeError:
        return parse_exactly(body)
    if not isinstance(document, dict) or not _keys_differ(body, document):
        return parse_exactly(body)
    return document


def parse_exactly(body: bytes) -> dict[str, Any]:
    """Returns what `parse` does, with the doubles that RapidJSON makes: of those with 16 digits and
    more, one in five is a neighbour of the nearest. Raises `ServingError`."""
    try:
        document = _parse_rapidly(body)
    except RecursionError as error:
        raise _broken("The document is nested too deeply.", 0) from error
    if not isinstance(document, dict):
        raise ServingError.invalid(f"JSON Value: {echo(document)} Is not object")
    return document


def check_values(text: bytes | memoryview, max_values: int) -> None:
    """Raises `PayloadTooLarge` for more values than that. Counts the bytes that begin values, those
    in strings as well: 12 ms for 8 MB."""
    if len(text) <= max_values:
        return
    body = bytes(text)
    if body.count(b",") + body.count(b"[") + 3 * body.count(b"{") > max_values:
        raise PayloadTooLarge(
            f"The JSON has more than {max_values:,} values, an object counting as three; "
            "send fewer instances at once; a gateway's VITRINE_MAX_JSON_VALUES allows more"
        )


def _keys_differ(body: bytes, document: dict[str, Any]) -> bool:
    """Says whether no key occurs twice in an object: False also where `":` in a string, or an
    object among other values, leaves that open."""
    at = -1
    for _ in document:
        at = body.find(b":", at + 1)
    if body.find(b":", at + 1) < 0:
        return True
    members = _members(document)  # of which each has a quotation mark before its colon
    if body.count(b":") == members:
        return True
    return sum(1 for _ in islice(_KEY_END.finditer(body), members + 1)) == members


def _members(document: dict[str, Any]) -> int:
    """Returns the members of all objects, but for those in lists that do not begin with one."""
    count = 0
    level: list[Any] = [document]
    while level:
        objects = [value for value in level if type(value) is dict]
        count += sum(map(len, objects))
        below = [value for each in objects for value in each.values()]
        below += [value for value in level if type(value) is list]
        level = [value for value in below if type(value) is dict]
        for value in below:
            if type(value) is list and value and type(value[0]) in (dict, list):
                level += value
    return count


def _parse_rapidly(body: bytes) -> Any:
    mark = 0
    for byte in codecs.BOM_UTF8:  # RapidJSON passes over each of the mark that is there
        mark += body[mark : mark + 1] == bytes([byte])
    value = body[mark:]
    try:
        document, refusal = _attempt(value)
        odd = False
    except UnicodeDecodeError:  # RapidJSON does not ask what a byte above 127 is
        shadow = value.translate(_NO_ASCII)
        _check_escapes(value)
        _, refusal = _attempt(shadow)
        odd = True
    else:
        shadow = value
    for _ in range(2):  # either may hide the other
        if refusal and _is_infinite(refusal, shadow):
            is_one = shadow is value
            value = _NUMBERS.sub(_infinite, value)
            shadow = value if is_one else _NUMBERS.sub(_infinite, shadow)
            document, refusal = _attempt(shadow)
        if refusal and _is_low(refusal, shadow):
            _check_escapes(value)
            shadow, odd = _ESCAPES.sub(_without_low, shadow), True
            document, refusal = _attempt(shadow)
    if refusal:
        if not refusal.reason.startswith("The document root must not be followed"):
            raise _broken(_words(refusal, shadow), mark + refusal.offset)
        value = value[: refusal.offset]
        document = None if odd else _decode(value)
    return _decode_bytes(_unescaped(value).decode("latin-1")) if odd else document


class _Refusal(NamedTuple):
    """Refusal of a text by RapidJSON: where, and why."""

    offset: int
    reason: str


def _attempt(text: bytes) -> tuple[Any, _Refusal | None]:
    try:
        return _decode(text), None
    except rapidjson.JSONDecodeError as error:
        offset, _, reason = str(error).removeprefix("Parse error at offset ").partition(": ")
        return None, _Refusal(int(offset), reason)


def _is_low(refusal: _Refusal, text: bytes) -> bool:
    """Says whether it is for a low surrogate without the high one, which version 1.1.0 takes."""
    if "surrogate" not in refusal.reason:
        return False
    found = _ESCAPES.match(text, refusal.offset)
    return bool(found and found["low"])


def _words(refusal: _Refusal, text: bytes) -> str:
    """Returns the words of RapidJSON 1.1.0, which TensorFlow Serving has."""
    if refusal.reason == "Invalid encoding in string.":
        return "Invalid escape character in string."
    before, after = text[: refusal.offset], text[refusal.offset :][:1]
    if after in (b"}", b"]", b":", b",") and not before.strip(b" \t\r\n"):
        return "The document is empty."
    return refusal.reason


def _is_infinite(refusal: _Refusal, text: bytes) -> bool:
    """Says whether it is for a number that version 1.1.0 takes for Infinity."""
    if not refusal.reason.startswith("Number too big"):
        return False
    found = _NUMBERS.match(text, refusal.offset)
    return bool(found and _infinite(found) != found[0])


def _infinite(found: re.Match[bytes]) -> bytes:
    """Returns Infinity, as long as it was, for what overflows in version 1.1.0 where only the power
    of ten is checked: `2e308`, but not `1e309`."""
    if not found["exponent"]:
        return found[0]
    whole, exponent = found["whole"].lstrip(b"0"), found["exponent"].lstrip(b"0")
    # A digit more would overflow by itself, and many zeros before a power are none.
    if len(whole) > _MAX_POWER + 1 or math.isinf(float(whole or b"0")) or len(exponent) > 4:
        return found[0]
    digits, power = (found["places"] or b"")[: 2 * _DIGITS], int(exponent or b"0")
    if not math.isinf(float(b"%b.%be%d" % (whole or b"0", digits or b"0", power))):
        return found[0]
    places = max(0, min(len(found["places"] or b""), _DIGITS - len(whole)))
    if power - places > _MAX_POWER:
        return found[0]
    return ((found["sign"] or b"") + b"Inf").ljust(len(found[0]))


def _without_low(found: re.Match[bytes]) -> bytes:
    return b"\\u0020" if found["low"] else found[0]


def _unescaped(value: bytes) -> bytes:
    """Returns a text with the bytes of UTF-8 for each escape of what is not ASCII. Those of a low
    surrogate without the high one are no UTF-8, and RapidJSON's."""
    return _ESCAPES.sub(_bytes_of, value) if b"\\u" in value else value


def _bytes_of(found: re.Match[bytes]) -> bytes:
    if found["high"]:
        pair = bytes.fromhex((found["high"] + found["second"]).decode())
        return pair.decode("utf-16-be").encode()
    code = int(found["low"] or found["unit"] or b"0", 16)
    return chr(code).encode(errors="surrogatepass") if code >= 128 else found[0]


def _check_escapes(body: bytes) -> None:
    if body.count(b"\\") > MAX_ESCAPES:
        raise PayloadTooLarge(
            f"The JSON has more than {MAX_ESCAPES:,} escapes, and strings that are no UTF-8; "
            "send bytes as base64"
        )


def _broken(reason: str, offset: int) -> ServingError:
    return ServingError.invalid(f"JSON Parse error: {reason} at offset: {offset}")


def signature_name(document: dict[str, Any], body: bytes) -> str:
    """Returns the signature name in a body that was parsed, "" if it has none; it has surrogates
    where that is no UTF-8. Raises `ServingError`."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise ServingError.invalid(
            f"JSON Value: {echo(parse_exactly(body))} not formatted correctly."
            " 'signature_name' key must be a string value."
        )
    return name


def checked_name(name: str, unknown: str) -> str:
    """Returns a signature's name for a message. Raises `ServingError` with the words `unknown`, in
    which `{}` is the name, where it is no UTF-8: messages take no such name, and no signature has
    one."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ServingError.invalid(unknown.format(name)) from error
    return name
