"""Image headers: format, size and kind of a picture by its first bytes, before a decoder sees them.

Memory and time that a picture takes go with its pixels and with how they are stored, not with its
bytes. So each kind has a limit of its own, and neither a canvas is allocated nor a decoder made for
a picture that is beyond it. What cannot be told here is a decoder's to refuse.
"""

import re
import struct
from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

_SEGMENTS = 2000
"""Parts of a file that are looked at, at most; photos have some twenty, many of 64 KiB."""

UNTOLD_PIXELS = 6_000_000
"""Most pixels of a picture whose header tells nothing here, though a decoder may read it: the least
that any kind may have."""

MOST_PIXELS = {
    "JPEG": 50_000_000,
    "progressive JPEG": 18_000_000,
    "progressive CMYK JPEG": 13_000_000,
    "PNG": 16_000_000,
    "PNG with transparency": 12_200_000,
    "16-bit PNG": 8_000_000,
    "animated PNG": 6_000_000,
    "WebP": 12_200_000,
    "WebP with transparency": 8_000_000,
    "lossless WebP": 8_000_000,
    "animated WebP": 6_000_000,
    "GIF": 8_000_000,
    "BMP": 16_000_000,
    "TIFF": 12_200_000,
    "TIFF of many bits": 8_000_000,
    "AVIF": 12_200_000,
    "AVIF of many bits": 8_000_000,
}
"""Most pixels of each kind of picture: it then takes less than 150 MB to read one, its file of up
to 32 MiB included. Measured with Pillow 13.0.0, `python -m benchmarks.decoding`, docs/security.md.
A JPEG is decoded at a part of its size, unless it comes in several scans (progressive is one way),
whose coefficients libjpeg keeps; 12.2 million is 4032x3024, as phones have it."""


class Header(NamedTuple):
    """Kind of a picture, one of `MOST_PIXELS`, and its size in pixels as its header states it."""

    kind: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """Width times height."""
        return self.width * self.height


def read_header(content: bytes) -> Header | None:
    """Returns what the header of an image file tells; None where it tells nothing."""
    read = next((read for magic, read in _READERS.items() if content.startswith(magic)), None)
    if content[4:8] == b"ftyp":
        read = _avif
    try:
        return read(content) if read else None
    except (struct.error, IndexError):  # the file ends in its header
        return None


def _png(content: bytes) -> Header | None:
    """https://www.w3.org/TR/png-3/, 11.2.2 and 11.3.1."""
    width, height, depth, colour = struct.unpack_from(">IIBB", content, 16)
    kind = "PNG with transparency" if colour in (4, 6) else "PNG"
    kind = "16-bit PNG" if depth == 16 else kind
    heads = 0
    for name in _png_chunks(content):
        if name == b"IHDR":
            heads += 1
        elif name == b"acTL":
            kind = "animated PNG"
        elif name == b"tRNS" and kind == "PNG":
            kind = "PNG with transparency"
        elif name == b"IDAT":
            break
    return Header(kind, width, height) if heads == 1 else None


def _png_chunks(content: bytes) -> Iterator[bytes]:
    at = 8
    for _ in range(_SEGMENTS):
        length = int.from_bytes(content[at : at + 4], "big")
        yield content[at + 4 : at + 8]
        at += length + 12
        if at >= len(content):
            return


def _jpeg(content: bytes) -> Header | None:
    """https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.2: frame header, then the first scan's."""
    frame = None
    for marker, at in _jpeg_segments(content):
        if marker in _FRAMES_OF_JPEG and frame is None:
            height, width, components = struct.unpack_from(">HHB", content, at + 3)
            frame = marker, width, height, components
        elif marker == _SCAN and frame:
            marker, width, height, components = frame
            several_scans = marker in _PROGRESSIVE or content[at + 2] < components
            kind = "progressive CMYK JPEG" if components > 3 else "progressive JPEG"
            return Header(kind if several_scans else "JPEG", width, height)
    return None


def is_grey_jpeg(content: bytes) -> bool:
    """Says whether a file is a JPEG of one component, as grey ones are."""
    if not content.startswith(b"\xff\xd8"):
        return False
    try:
        frames = (at for marker, at in _jpeg_segments(content) if marker in _FRAMES_OF_JPEG)
        return any(content[at + 7] == 1 for at in islice(frames, 1))
    except IndexError:  # the file ends in its header
        return False


_FRAMES_OF_JPEG = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset((0xC2, 0xC6, 0xCA, 0xCE))
_SCAN = 0xDA
_WITHOUT_LENGTH = frozenset((0x00, 0x01, *range(0xD0, 0xD9)))


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, int]]:
    """Yields the marker of each segment up to the first scan's, and where its length stands."""
    at = 2
    for _ in range(_SEGMENTS):
        at = content.find(b"\xff", at)
        while at >= 0 and content[at + 1] == 0xFF:  # fill bytes
            at += 1
        if at < 0:
            return
        marker = content[at + 1]
        if marker in _WITHOUT_LENGTH:
            at += 2
            continue
        yield marker, at + 2
        at += 2 + int.from_bytes(content[at + 2 : at + 4], "big")


def _webp(content: bytes) -> Header | None:
    """https://developers.google.com/speed/webp/docs/riff_container"""
    at, canvas, flags = 12, None, 0
    for _ in range(_SEGMENTS):
        name, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        if name == b"VP8X":
            flags = content[at + 8]
            wide, tall = content[at + 12 : at + 15], content[at + 15 : at + 18]
            canvas = int.from_bytes(wide, "little") + 1, int.from_bytes(tall, "little") + 1
            if flags & _ANIMATED:
                return Header("animated WebP", *canvas)
        elif name == b"VP8L":
            bits = int.from_bytes(content[at + 9 : at + 13], "little")
            own = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
            return Header("lossless WebP", *(canvas or own))
        elif name == b"VP8 ":
            width, height = struct.unpack_from("<HH", content, at + 14)
            kind = "WebP with transparency" if flags & _TRANSPARENT else "WebP"
            return Header(kind, *(canvas or (width & 0x3FFF, height & 0x3FFF)))
        at += 8 + length + length % 2
        if at >= len(content):
            return None
    return None


_ANIMATED, _TRANSPARENT = 0x02, 0x10


def _gif(content: bytes) -> Header:
    """https://www.w3.org/Graphics/GIF/spec-gif89a.txt, 18: the canvas, which all frames share."""
    return Header("GIF", *struct.unpack_from("<HH", content, 6))


def _bmp(content: bytes) -> Header | None:
    """https://learn.microsoft.com/windows/win32/gdi/bitmap-header-types; no text that begins so."""
    header_bytes = int.from_bytes(content[14:18], "little")
    if header_bytes == _OS2_HEADER:
        return Header("BMP", *struct.unpack_from("<HH", content, 18))
    if header_bytes not in _WINDOWS_HEADERS:
        return None
    width, height = struct.unpack_from("<ii", content, 18)
    return Header("BMP", abs(width), abs(height))


_OS2_HEADER, _WINDOWS_HEADERS = 12, (40, 52, 56, 64, 108, 124)


def _tiff(content: bytes) -> Header | None:
    """https://www.itu.int/itudoc/itu-t/com16/tiff-fx/docs/tiff6.pdf, section 2: the first page."""
    order = "<" if content[:2] == b"II" else ">"
    (at,) = struct.unpack_from(order + "I", content, 4)
    (entries,) = struct.unpack_from(order + "H", content, at)
    found = {}
    for entry in range(min(entries, _SEGMENTS)):
        tag, kind, count = struct.unpack_from(order + "HHI", content, at + 2 + 12 * entry)
        where = at + 10 + 12 * entry
        if kind == _SHORT and count > 2:  # too many to stand here
            (where,) = struct.unpack_from(order + "I", content, where)
        if tag in (_WIDTH, _LENGTH, _BITS):
            format_ = order + ("H" if kind == _SHORT else "I")
            (found[tag],) = struct.unpack_from(format_, content, where)
    if _WIDTH not in found or _LENGTH not in found:
        return None
    many = found.get(_BITS, 1) > 8
    return Header("TIFF of many bits" if many else "TIFF", found[_WIDTH], found[_LENGTH])


_WIDTH, _LENGTH, _BITS, _SHORT = 256, 257, 258, 3


def _avif(content: bytes) -> Header | None:
    """https://aomediacodec.github.io/av1-avif/: the largest of its images, by their properties
    `ispe`; a codec's `av1C` tells the depth."""
    head = content[:_AVIF_HEAD]
    found = [struct.unpack_from(">II", head, each.end() + 4) for each in _ISPE.finditer(head)]
    if not found:
        return None
    many = any(head[each.end() + 2] & 0x40 for each in _AV1C.finditer(head))
    width, height = max(found, key=lambda size: size[0] * size[1])
    return Header("AVIF of many bits" if many else "AVIF", width, height)


_AVIF_HEAD = 2**16
_ISPE, _AV1C = re.compile(rb"\0\0\0\x14ispe"), re.compile(rb"av1C")

_READERS: dict[bytes, Callable[[bytes], Header | None]] = {
    b"\x89PNG": _png,
    b"\xff\xd8": _jpeg,
    b"RIFF": _webp,
    b"GIF8": _gif,
    b"BM": _bmp,
    b"II*\0": _tiff,
    b"MM\0*": _tiff,
}
