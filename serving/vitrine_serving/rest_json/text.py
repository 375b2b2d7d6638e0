"""JSON text as TensorFlow Serving's PrettyWriter lays it out."""

from collections.abc import Iterable, Sequence
from typing import Any

from vitrine_serving.rest_json.strings import quoted, until_nul

_INDENT = b"    "


class OneLine(list[Any]):
    """List that `pretty` prints on one line; the objects in it still take lines of their own."""


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
        inner = [_key(name) + pretty(item, level + 1) for name, item in value.items()]
    else:
        begin, end = b"[", b"]"
        inner = [pretty(item, level + 1) for item in value]
    if not inner:
        return begin + end
    if isinstance(value, OneLine):
        return begin + b", ".join(inner) + end
    line = b"\n" + _INDENT * (level + 1)
    return begin + line + (b"," + line).join(inner) + line[: -len(_INDENT)] + end


def _key(name: str) -> bytes:
    """Returns what stands before a member's value; RapidJSON is given a name as a string of C."""
    return quoted(until_nul(name).encode(errors="surrogateescape")) + b": "


def objects(name: str, members: Sequence[str], rows: Iterable[Sequence[Any]]) -> bytes:
    """Returns an object of one list: an object for each row, of values for its `members`."""
    line = b"\n" + _INDENT * 2
    begins = [b"," + line + _INDENT + _key(member) for member in members]
    begins[0] = begins[0].replace(b",", b"{", 1)
    texts = [
        b"".join(begin + pretty(value, 3) for begin, value in zip(begins, row, strict=True))
        for row in rows
    ]
    if not texts:
        return pretty({name: []})
    between = line + b"}," + line
    return pretty({name: b"[" + line + between.join(texts) + line + b"}\n" + _INDENT + b"]"})


def listing(name: str, items: Sequence[Any]) -> bytes:
    """Returns an object of one list: items on one line, its end on the next, as TF Serving does."""
    text = pretty(OneLine(items), 1)
    if items:
        text = text[:-1] + b"\n" + _INDENT + b"]"
    return pretty({name: text})
