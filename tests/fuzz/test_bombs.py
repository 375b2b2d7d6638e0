"""Small bodies that would become large: refused by what they say, before anything is made."""

import io
import struct
import zlib
from functools import cache

import pytest
from PIL import Image

from tests.fuzz.conftest import DEADLINE_S, Gateway
from tests.fuzz.good_bodies import PREDICT, Body
from tests.fuzz.test_sockets import Sender
from tests.serving.forms import BOUNDARY, FORM

MIB = 2**20


def png(*chunks: tuple[bytes, bytes]) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        )

    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in (*chunks, (b"IEND", b"")))


def header(width: int, height: int) -> tuple[bytes, bytes]:
    return b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)


def picture(kind: str, side: int = 40, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), "red").save(buffer, kind, **options)
    return buffer.getvalue()


def patched(content: bytes, at: int, written: bytes) -> bytes:
    return content[:at] + written + content[at + len(written) :]


def jpeg(side: int) -> bytes:
    content = picture("JPEG")
    return patched(content, content.index(b"\xff\xc0") + 5, struct.pack(">HH", side, side))


def webp(width: int, height: int) -> bytes:
    """A header with a canvas of that size, and a small frame."""
    small = picture("WEBP")[12:]
    canvas = b"VP8X\x0a\0\0\0\0\0\0\0" + (width - 1).to_bytes(3, "little")
    canvas += (height - 1).to_bytes(3, "little")
    return b"RIFF" + struct.pack("<I", 4 + len(canvas) + len(small)) + b"WEBP" + canvas + small


@cache
def zeros(count: int) -> bytes:
    return zlib.compress(bytes(count), 9)


def huge_gzip(gibibytes: int) -> bytes:
    """gzip of zeros: one MiB compressed once, and written as often as it takes."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    last = packer.compress(b"") + packer.flush()
    size = gibibytes * 1024 * MIB
    head = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
    return head + block * (size // MIB) + last + struct.pack("<II", 0, size % 2**32)


def npy(shape: str, descr: str = "'<f8'") -> bytes:
    text = f"{{'descr': {descr}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text


def parts(count: int, name: bytes) -> bytes:
    one = b"--%s\r\nContent-Disposition:form-data;name=%s\r\n\r\n\r\n" % (BOUNDARY, name)
    return one * count + b"--" + BOUNDARY + b"--\r\n"


def json_of(content: bytes) -> Body:
    return Body(PREDICT, "application/json", b'{"instances": ' + content + b"}")


def image(content: bytes) -> Body:
    return Body(PREDICT, "application/octet-stream", content)


BOMBS = {
    "PNG of 2.5 gigapixels": (image(png(header(50_000, 50_000), (b"IDAT", zeros(MIB)))), 400),
    "PNG of the largest size": (image(png(header(2**31 - 1, 2**31 - 1))), 400),
    "PNG with 64 MiB of text": (
        image(png(header(28, 28), (b"zTXt", b"a\0\0" + zeros(64 * MIB)), (b"IDAT", zeros(812)))),
        400,
    ),
    "PNG with a colour profile of 64 MiB": (
        image(png(header(28, 28), (b"iCCP", b"a\0\0" + zeros(64 * MIB)), (b"IDAT", zeros(812)))),
        400,
    ),
    "PNG with 64 MiB of pixels too many": (
        image(png(header(28, 28), (b"IDAT", zeros(64 * MIB)))),
        200,
    ),
    "GIF": (image(patched(picture("GIF"), 6, b"\xff\xff\xff\xff")), 400),
    "WebP": (image(webp(16_383, 16_383)), 400),
    "WebP of the largest size": (image(webp(2**24, 2**24)), 400),
    "BMP": (image(patched(picture("BMP"), 18, struct.pack("<II", 2**31 - 1, 2**31 - 1))), 400),
    "JPEG": (image(jpeg(65_500)), 400),
    "gzip of 3 GiB": (Body(PREDICT, "image/png", huge_gzip(3), "gzip"), 413),
    "gzip of 4 GiB, whose length wraps": (Body(PREDICT, "image/png", huge_gzip(4), "gzip"), 400),
    "npy of a petabyte": (Body(PREDICT, "application/x-npy", npy("(99999999999, 28, 28)")), 413),
    "npy with one huge value": (
        Body(PREDICT, "application/x-npy", npy("(1, 28, 28)", "'<U999999999'")),
        400,
    ),
    "form of 300,000 images": (Body(PREDICT, FORM, parts(300_000, b"image")), 413),
    "form of 300,000 fields": (Body(PREDICT, FORM, parts(300_000, b"other")), 413),
    "form with a header of 8 MiB": (
        Body(PREDICT, FORM, b"--%s\r\nX: %s\r\n" % (BOUNDARY, b"x" * 8 * MIB)),
        413,
    ),
    "2,000,000 objects": (json_of(b"[" + b"{}," * 2_000_000 + b"{}]"), 413),
    "lists 4,000,000 deep": (json_of(b"[" * 4_000_000), 413),
    "lists 100,000 deep, closed": (json_of(b"[" * 100_000 + b"]" * 100_000), 400),
    "objects 1,000,000 deep": (json_of(b'{"a":' * 1_000_000), 413),
    "a number of 7 MiB": (json_of(b"[" + b"9" * 7 * MIB + b"]"), 400),
}


@pytest.mark.parametrize(("bomb", "status"), BOMBS.values(), ids=BOMBS)
def test_bombs(gateway: Gateway, bomb: Body, status: int):
    """The worker never holds more than a few copies of what was sent; how soon is printed."""
    send = Sender(gateway)
    for _ in range(2):  # what the first one of a kind loads stays
        gateway.forget_most()
        before, _ = gateway.memory()
        reply = send(bomb)
        _, most = gateway.memory()
    print(
        f"{reply.status} after {1000 * reply.took_s:.1f} ms, {(most - before) / MIB:.1f} MiB "
        f"for {len(bomb.content) / MIB:.2f} MiB: {reply.content[:160]!r}"
    )
    assert reply.status == status, reply.content[:500]
    assert reply.took_s < DEADLINE_S
    assert most - before < 4 * len(bomb.content) + 8 * MIB
