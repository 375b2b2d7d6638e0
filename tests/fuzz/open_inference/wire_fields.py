"""Protocol buffers that are nearly right: fields of a serialised message, changed one at a time."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

VARINT, FIXED64, BYTES, GROUP, GROUP_END, FIXED32 = range(6)

_NUMBERS = (0, 1, 2, 127, 128, 2**31 - 1, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
_TAGS = (0, 1, 2, 3, 4, 5, 6, 7, 8, 15, 16, 1000, 19000, 2**29 - 1)


@dataclass(frozen=True)
class Field:
    """Field as it travels; `said` is the length that it says it has, None for the true one."""

    number: int
    kind: int
    content: bytes
    said: int | None = None

    def __bytes__(self) -> bytes:
        """Its tag, its length where it has one, and its content."""
        start = varint(self.number << 3 | self.kind)
        if self.kind == BYTES:
            start += varint(len(self.content) if self.said is None else self.said)
        return start + self.content


def varint(number: int) -> bytes:
    """Returns a number of protocol buffers."""
    made = bytearray()
    while number > 127:
        made.append(number & 127 | 128)
        number >>= 7
    return bytes((*made, number))


def fields(content: bytes) -> Iterator[Field]:
    """Yields the fields of a message. Raises `ValueError` where it is none."""
    place = 0
    while place < len(content):
        tag, place = _read(content, place)
        start, kind = place, tag & 7
        if kind == VARINT:
            _, place = _read(content, place)
        elif kind == BYTES:
            size, start = _read(content, place)
            place = start + size
        elif kind in (FIXED32, FIXED64):
            place += 4 if kind == FIXED32 else 8
        else:
            raise ValueError(f"fields of kind {kind}")
        if place > len(content):
            raise ValueError("a field ends behind the message")
        yield Field(tag >> 3, kind, content[start:place])


def mutated(chance: random.Random, content: bytes) -> bytes:
    """Returns a message with a field that is another, at any depth."""
    try:
        found = list(fields(content))
    except ValueError:
        return content
    if not found:
        return bytes(_any(chance))
    at = chance.randrange(len(found))
    field = found[at]
    if field.kind == BYTES and field.content and chance.random() < 0.6:
        inner = mutated(chance, field.content)
        if inner != field.content:
            found[at] = replace(field, content=inner)
            return b"".join(map(bytes, found))
    _change(chance, found, at)
    return b"".join(map(bytes, found))


def _change(chance: random.Random, found: list[Field], at: int) -> None:
    """Changes the list of fields at a place."""
    field, kind = found[at], chance.randrange(7)
    if kind == 0:
        del found[at]
    elif kind == 1:
        found[at:at] = [field] * chance.choice((1, 1, 2, 50))
    elif kind == 2:
        chance.shuffle(found)
    elif kind == 3:
        found[at] = replace(field, number=chance.choice(_TAGS))
    elif kind == 4:
        found[at] = replace(field, kind=chance.randrange(8))
    elif kind == 5:
        found[at] = _other(chance, field)
    else:
        found.insert(at, _any(chance))


def _read(content: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while place < len(content) and shift < 70:
        byte = content[place]
        number |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return number, place
    raise ValueError("no number")


def _other(chance: random.Random, field: Field) -> Field:
    """The same field with another value, or another word on its length."""
    if field.kind == VARINT:
        longer = varint(chance.choice(_NUMBERS)), b"\x80" * 9 + b"\x01", b"\xff" * 11, b"\x80\x00"
        return replace(field, content=chance.choice(longer))
    if field.kind != BYTES:
        return replace(field, content=chance.randbytes(len(field.content)))
    if chance.random() < 0.4:
        lies = (
            0,
            1,
            len(field.content) + 1,
            max(0, len(field.content) - 1),
            2**31 - 1,
            2**32,
            2**64 - 1,
        )
        return replace(field, said=chance.choice(lies))
    texts = (
        b"",
        b"\xff\xfe",
        b"\0",
        b"x" * 3000,
        b"\xed\xa0\x80",
        chance.randbytes(9),
        b"\x80" * 12,
    )
    return replace(field, content=chance.choice(texts))


def _any(chance: random.Random) -> Field:
    kind = chance.randrange(6)
    sizes = {FIXED32: 4, FIXED64: 8}
    if kind == VARINT:
        return Field(chance.choice(_TAGS), kind, varint(chance.choice(_NUMBERS)))
    return Field(chance.choice(_TAGS), kind, chance.randbytes(sizes.get(kind, chance.randrange(9))))
