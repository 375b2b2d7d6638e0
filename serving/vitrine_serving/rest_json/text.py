"""JSON text as TensorFlow Serving's RapidJSON reads and prints it, NaN and Infinity included."""

import codecs
import json
import re
from collections.abc import Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from vitrine_client.errors import PayloadTooLarge
from vitrine_serving.errors import ServingError

MAX_VALUES = 1_000_000
"""Most values in a body, an object counting as three: parsed and read, they take up to 150 MB."""

ECHO_CHARS = 10_000  # RapidJSON would print the whole body into an error; nobody reads that much
_LARGE_BYTES = 256 * 1024
"""Of a body: from here on it is not read again for RapidJSON's words, as Python takes five times as
long as orjson and lets nobody else run."""

_INDENT = b"    "
_ENCODER = json.JSONEncoder(indent=4, ensure_ascii=False)
_TYPES = {bool: "True", dict: "Object", list: "Array", str: "String", type(None): "Null"}
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)
# A backslash with what it escapes; the group is a surrogate without its other half.
_ESCAPES = re.compile(
    r"\\(?:u[dD][89abAB]..\\u[dD][c-fC-F]|(u[dD][89a-fA-F])|.)",
    re.DOTALL,
)
_REASONS = {
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Extra data": "The document root must not be followed by other values.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
}


class OneLine(list[Any]):
    """List that `pretty` prints on one line; the objects in it still take lines of their own."""


def parse(body: bytes, max_values: int = MAX_VALUES) -> dict[str, Any]:
    """Returns the object that a request body is.

    Raises `ServingError` in RapidJSON's words, `PayloadTooLarge` before anything is parsed where
    that would be more than `max_values`, and `MemoryError`.
    """
    if not body:
        raise ServingError.invalid("JSON Parse error: The document is empty")
    _check_values(body, max_values)
    try:
        document = orjson.loads(body)
    except SystemError as error:  # orjson's word for it where it cannot make the next object
        raise MemoryError from error
    except orjson.JSONDecodeError as error:
        if len(body) > _LARGE_BYTES and not _may_be_lenient(body):
            raise _broken(f"{error.msg.capitalize()}.", error.pos) from error
        document = _parse_leniently(body)  # NaN, perhaps; if not, it says what is wrong
    if not isinstance(document, dict):
        raise ServingError.invalid(f"JSON Value: {echo(document)} Is not object")
    return document


def _check_values(body: bytes, max_values: int) -> None:
    """Counts the bytes that begin values, those in strings as well: 12 ms for 8 MB."""
    if len(body) <= max_values:
        return
    if body.count(b",") + body.count(b"[") + 3 * body.count(b"{") > max_values:
        raise PayloadTooLarge(
            f"The JSON has more than {max_values:,} values, an object counting as three; "
            "send fewer instances at once; a gateway's VITRINE_MAX_JSON_VALUES allows more"
        )


def _may_be_lenient(body: bytes) -> bool:
    """Says whether a body may have what Python reads and orjson does not."""
    return body.startswith(codecs.BOM_UTF8) or b"NaN" in body or b"Infinity" in body


def _parse_leniently(body: bytes) -> Any:
    text = ""
    try:
        text = body.decode("utf-8-sig")
        if any(escape[1] for escape in _ESCAPES.finditer(text)):
            raise _broken("The surrogate pair in string is invalid.", 0)
        return json.loads(text)
    except UnicodeDecodeError as error:
        raise _broken("Invalid encoding in string.", error.start) from error
    except json.JSONDecodeError as error:
        offset = len(text[: error.pos].encode())
        raise _broken(_reason(error, text), offset) from error
    except RecursionError as error:
        raise _broken("The document is nested too deeply.", 0) from error
    except ValueError as error:  # an integer with more digits than Python converts
        raise _broken("Number too big to be stored in double.", 0) from error


def _broken(reason: str, offset: int) -> ServingError:
    return ServingError.invalid(f"JSON Parse error: {reason} at offset: {offset}")


def _reason(error: json.JSONDecodeError, text: str) -> str:
    if not text.strip(" \t\r\n"):
        return "The document is empty."
    if error.msg == "Expecting ',' delimiter":
        opened: list[str] = []
        for found in _BRACKETS.finditer(text, 0, error.pos):
            if found[0] in "[{":
                opened.append(found[0])
            elif found[0] in "]}":
                opened.pop()
        if opened[-1:] == ["["]:
            return "Missing a comma or ] after an array element."
        return "Missing a comma or } after an object member."
    return _REASONS.get(error.msg, "Invalid value.")


def signature_name(document: dict[str, Any]) -> str:
    """Returns a request's signature name, "" if it has none. Raises `ServingError`."""
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise ServingError.invalid(
            f"JSON Value: {echo(document)} not formatted correctly."
            " 'signature_name' key must be a string value."
        )
    return name


def echo(value: Any) -> str:
    """Returns a parsed value as error texts show it, cut after `ECHO_CHARS`."""
    shown = ""
    with suppress(RecursionError):
        for part in _ENCODER.iterencode(value):
            shown += part
            if len(shown) > ECHO_CHARS:
                break
    return shown[:ECHO_CHARS]


def type_name(value: Any) -> str:
    """Returns RapidJSON's name for the type of a parsed value."""
    return "False" if value is False else _TYPES.get(type(value), "Number")


def numbers(array: npt.NDArray[Any]) -> bytes:
    """Returns a numeric or boolean array as compact JSON, with bare NaN and Infinity.

    Floats have the shortest form that round-trips for their dtype, and always a point or exponent.
    """
    text = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)
    if b"null" in text:  # what orjson makes of NaN and Infinity
        odd = array[~np.isfinite(array)]
        tokens = np.where(np.isnan(odd), b"NaN", np.where(odd > 0, b"Infinity", b"-Infinity"))
        between = [*tokens.tolist(), b""]
        text = b"".join(chain.from_iterable(zip(text.split(b"null"), between, strict=True)))
    return text if array.ndim else text[1:-1]


def spread(text: bytes, rank: int, level: int) -> bytes:
    """Returns compact JSON of an array without empty dimensions as one element a line."""
    lines = [b"\n" + _INDENT * (level + depth) for depth in range(rank + 1)]
    text = text[rank:-rank].replace(b",", b"," + lines[rank])
    for depth in range(1, rank):  # the places where all lists from here inwards end
        count = rank - depth
        ends = b"".join(line + b"]" for line in lines[rank - 1 : depth - 1 : -1])
        starts = b"".join(line + b"[" for line in lines[depth:rank])
        text = text.replace(
            b"]" * count + b"," + lines[rank] + b"[" * count, ends + b"," + starts + lines[rank]
        )
    starts = b"".join(line + b"[" for line in lines[1:rank])
    ends = b"".join(line + b"]" for line in lines[rank - 1 :: -1])
    return b"[" + starts + lines[rank] + text + ends


def pretty(value: Any, level: int = 0) -> bytes:
    """Returns dicts and lists as RapidJSON's PrettyWriter prints them; leaves are JSON already."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, dict):
        begin, end = b"{", b"}"
        inner = [
            orjson.dumps(name) + b": " + pretty(item, level + 1) for name, item in value.items()
        ]
    else:
        begin, end = b"[", b"]"
        inner = [pretty(item, level + 1) for item in value]
    if not inner:
        return begin + end
    if isinstance(value, OneLine):
        return begin + b", ".join(inner) + end
    line = b"\n" + _INDENT * (level + 1)
    return begin + line + (b"," + line).join(inner) + line[: -len(_INDENT)] + end


def listing(name: str, items: Sequence[Any]) -> bytes:
    """Returns an object of one list: items on one line, its end on the next, as TF Serving does."""
    text = pretty(OneLine(items), 1)
    if items:
        text = text[:-1] + b"\n" + _INDENT + b"]"
    return pretty({name: text})
