"""Rows of the data set, mutated: what the quick reader reads, Pillow reads to the same pixels."""

import io
import random
import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from tests.fuzz.mutations import mutated
from vitrine_client.errors import VitrineError
from vitrine_client.images import MAX_PIXELS, SIDE
from vitrine_client.images.raster import decoded
from vitrine_client.images.rows import read_row

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_BESIDE = (b"tRNS", b"gAMA", b"sRGB", b"iCCP", b"eXIf", b"tEXt", b"PLTE", b"acTL", b"IDAT", b"IEND")


class Compared(NamedTuple):
    """Outcome of `compare`: how many files the quick reader read, and those it read otherwise."""

    read: int
    wrong: list[bytes]


def compare(seed: int, count: int) -> Compared:
    """Reads `count` files, the same for the same seed, in both ways."""
    read, wrong = 0, []
    for content in files(seed, count):
        row = read_row(content)
        if row is None:
            continue
        read += 1
        if not _is_read_as(content, row):
            wrong.append(content)
    return Compared(read, wrong)


def _is_read_as(content: bytes, row: np.ndarray) -> bool:
    try:
        raster = decoded(content, MAX_PIXELS)
    except VitrineError:
        return False
    return raster.size == (SIDE, SIDE) and np.array_equal(raster.grey(), row)


def files(seed: int, count: int) -> Iterator[bytes]:
    """Yields rows as PNG, few of them whole: some are broken anywhere, others have all lengths and
    check sums right, and nonsense inside of what is packed, or parts of any kind."""
    chance = random.Random(seed)
    for _ in range(count):
        content = _row(chance)
        match chance.randrange(4):
            case 0:
                content = mutated(chance, content)
            case 1:
                content = _packed(chance, content)
            case 2:
                content = _with_parts(chance, content)
        if chance.random() < 0.1:
            content = _checked(mutated(chance, content))
        yield content


def _row(chance: random.Random) -> bytes:
    levels = np.frombuffer(chance.randbytes(SIDE * SIDE), np.uint8).reshape(SIDE, SIDE)
    levels = np.where(levels > chance.randrange(256), levels, chance.choice((0, 255)))
    image = Image.fromarray(levels.astype(np.uint8)).convert(chance.choice(("L",) * 9 + ("RGB",)))
    info = PngInfo()
    if chance.random() < 0.1:
        info.add_text("Comment", "a row")
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=chance.randrange(10), pnginfo=info)
    return buffer.getvalue()


def _parts(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at + 8 <= len(content):
        (length,) = struct.unpack_from(">I", content, at)
        yield content[at + 4 : at + 8], content[at + 8 : at + 8 + length]
        at += 12 + length


def png(parts: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Returns the file that has these parts, kind and content, with their check sums."""
    return _SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in parts
    )


def _checked(content: bytes) -> bytes:
    """Returns a file with the check sums that its parts should have."""
    return png(_parts(content))


def _packed(chance: random.Random, content: bytes) -> bytes:
    """Returns a file whose pixels are packed well, too few, too many, or filtered by no filter;
    or whose packing is broken."""

    def change(kind: bytes, body: bytes) -> tuple[bytes, bytes]:
        if kind != b"IDAT":
            return kind, body
        if chance.random() < 0.5:
            return kind, mutated(chance, body)
        levels = bytearray(zlib.decompress(body))
        for _ in range(chance.randrange(4)):
            levels[chance.randrange(SIDE) * (SIDE + 1)] = chance.randrange(7)
        levels = levels[: chance.choice((len(levels), chance.randrange(len(levels))))]
        levels += chance.randbytes(chance.choice((0, 0, 1, 5000)))
        packed = zlib.compress(levels, chance.randrange(10))
        return kind, packed[: len(packed) - chance.choice((0, 0, 1, 4, 5, 50))]

    return png(change(*part) for part in _parts(content))


def _with_parts(chance: random.Random, content: bytes) -> bytes:
    """Returns a file with another part somewhere, of any kind, or with its pixels in two."""
    parts = list(_parts(content))
    if chance.random() < 0.3:
        kind, body = parts[-2]
        half = chance.randrange(len(body) + 1)
        parts[-2:-1] = [(kind, body[:half]), (kind, body[half:])]
    else:
        body = chance.randbytes(chance.choice((0, 1, 2, 4, 9)))
        parts.insert(chance.randrange(len(parts) + 1), (chance.choice(_BESIDE), body))
    return png(parts) + chance.choice((b"", b"", b"\0", content))
