"""Headers of pictures: what they tell without a decoder, and the limit of each kind."""

import struct
import subprocess
import sys
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.client.made_pictures import encoded
from vitrine_client.errors import InvalidImage
from vitrine_client.images import FORMATS, find_item
from vitrine_client.images.headers import MOST_PIXELS, Header, is_grey_jpeg, read_header

SIZE = (60, 40)


def plain(mode: str = "RGB") -> Image.Image:
    return Image.new("RGB", SIZE, "white").convert(mode)


def shaped(mode: str = "RGBA") -> Image.Image:
    image = plain(mode)
    image.putalpha(Image.new("L", SIZE, 100))
    return image


def deep_png(width: int, height: int, colour: int = 2) -> bytes:
    """16 bits a sample, as Pillow writes none."""
    samples = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    rows = np.zeros((height, 1 + 2 * samples * width), np.uint8)

    def chunk(name: bytes, content: bytes) -> bytes:
        check = zlib.crc32(name + content)
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", check)

    head = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    body = zlib.compress(rows.tobytes(), 1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def two(first: Image.Image) -> dict[str, object]:
    return {"save_all": True, "append_images": [Image.new("RGB", first.size, "black")]}


def in_scans(content: bytes) -> bytes:
    """A baseline JPEG whose first scan has one component of three."""
    at = content.index(b"\xff\xda")
    return content[:at] + b"\xff\xda\0\x08\x01\x01\0\0\x3f\0" + content[at + 14 :]


KINDS = {
    "JPEG": lambda: encoded(plain(), "JPEG"),
    "JPEG, grey": lambda: encoded(plain("L"), "JPEG"),
    "JPEG, CMYK": lambda: encoded(plain("CMYK"), "JPEG"),
    "progressive JPEG": lambda: encoded(plain(), "JPEG", progressive=True),
    "progressive JPEG, scans": lambda: in_scans(encoded(plain(), "JPEG")),
    "progressive JPEG, with much before": lambda: encoded(
        plain(), "JPEG", progressive=True, exif=b"Exif\0\0" + bytes(60000), comment=b"\xff\xc0" * 99
    ),
    "progressive CMYK JPEG": lambda: encoded(plain("CMYK"), "JPEG", progressive=True),
    "PNG": lambda: encoded(plain(), "PNG"),
    "PNG, palette": lambda: encoded(plain("P"), "PNG"),
    "PNG, bilevel": lambda: encoded(plain("1"), "PNG"),
    "PNG with transparency": lambda: encoded(shaped(), "PNG"),
    "PNG with transparency, grey": lambda: encoded(shaped("LA"), "PNG"),
    "PNG with transparency, palette": lambda: encoded(plain("P"), "PNG", transparency=0),
    "16-bit PNG": lambda: deep_png(*SIZE),
    "16-bit PNG, grey": lambda: deep_png(*SIZE, 0),
    "16-bit PNG, transparent": lambda: deep_png(*SIZE, 6),
    "animated PNG": lambda: encoded(plain(), "PNG", **two(plain())),
    "WebP": lambda: encoded(plain(), "WEBP"),
    "WebP, with EXIF": lambda: encoded(plain(), "WEBP", exif=b"Exif\0\0II*\0\x08\0\0\0\0\0"),
    "WebP with transparency": lambda: encoded(shaped(), "WEBP"),
    "lossless WebP": lambda: encoded(plain(), "WEBP", lossless=True),
    "lossless WebP, transparent": lambda: encoded(shaped(), "WEBP", lossless=True),
    "animated WebP": lambda: encoded(plain(), "WEBP", **two(plain())),
    "GIF": lambda: encoded(plain(), "GIF"),
    "GIF, animated": lambda: encoded(plain(), "GIF", **two(plain())),
    "BMP": lambda: encoded(plain(), "BMP"),
    "BMP, bilevel": lambda: encoded(plain("1"), "BMP"),
    "TIFF": lambda: encoded(plain(), "TIFF"),
    "TIFF, packed": lambda: encoded(plain("L"), "TIFF", compression="tiff_lzw"),
    "TIFF of many bits": lambda: encoded(Image.new("I;16", SIZE), "TIFF"),
    "TIFF of many bits, floats": lambda: encoded(Image.new("F", SIZE), "TIFF"),
    "AVIF": lambda: encoded(plain(), "AVIF"),
}


@pytest.mark.parametrize("name", KINDS)
def test_kind_and_size(name):
    if name == "AVIF" and name not in FORMATS:
        pytest.skip("this Pillow reads no AVIF")
    assert read_header(KINDS[name]()) == Header(name.partition(",")[0], *SIZE)


def test_each_kind_has_a_test():
    assert set(MOST_PIXELS) - {"AVIF of many bits"} == {name.partition(",")[0] for name in KINDS}


@pytest.mark.parametrize("name", [name for name in KINDS if name != "AVIF"])
def test_a_file_that_ends_early(name):
    content = KINDS[name]()
    for end in range(min(len(content), 300)):
        header = read_header(content[:end])
        assert header is None or header[1:] == SIZE or 0 in header[1:] or end < 40


@given(st.sampled_from([*(name for name in KINDS if name != "AVIF")]), st.data())
def test_any_bytes_in_a_header(name, data):
    """Any header gives a header, or nothing; and the decoder's check comes after it."""
    content = bytearray(KINDS[name]())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(4, min(len(content), 120) - 1))
        content[at] = data.draw(st.integers(0, 255))
    header = read_header(bytes(content))
    assert header is None or header.kind in MOST_PIXELS


FILL = b"\xff\xe9\x00\x02" * 2100


def test_a_header_that_is_not_found():
    """A decoder may find it, so the least limit of all holds."""
    content = encoded(photo(3000, 2100), "JPEG")
    hidden = content[:2] + FILL + content[2:]
    assert read_header(hidden) is None
    with pytest.raises(InvalidImage, match="3000x2100 pixels, more than 6000000"):
        find_item(hidden)
    small = encoded(photo(300, 210), "JPEG")
    assert find_item(small[:2] + FILL + small[2:]).box == find_item(small).box


def test_a_header_of_very_many_parts():
    """A decoder would keep each of them: 6 MB of empty ones took 178 MB."""
    content = encoded(photo(300, 210), "JPEG")
    with pytest.raises(InvalidImage, match="damaged or has too many parts"):
        find_item(content[:2] + b"\xff\xed\x00\x02" * 300_000 + content[2:])


def test_markers_without_a_length():
    """They are not jumped over by what stands after them."""
    content = encoded(photo(300, 200), "JPEG", progressive=True)
    fake = b"\xff\xe9" + (2 + 20).to_bytes(2, "big")
    fake += b"\xff\xc0\x00\x0b\x08\x00\x32\x00\x32\x01" + bytes(10)
    for marker in (b"\xff\xd0", b"\xff\xd7", b"\xff\x01"):
        header = read_header(content[:2] + marker + fake + content[2:])
        assert header == Header("progressive JPEG", 300, 200)


def test_a_second_header():
    """A decoder may take it for the first."""
    content = encoded(plain(), "PNG")
    assert read_header(content[:33] + content[8:33] + content[33:]) is None


def test_beyond_the_limit_of_a_kind():
    """Its size, its kind and what to do; the picture is not decoded."""
    with pytest.raises(InvalidImage, match=r"4000x2001 .* a 16-bit PNG may have 8,000,000"):
        find_item(deep_png(4000, 2001))
    too_wide = encoded(Image.new("1", (4000, 4001)), "PNG")
    with pytest.raises(InvalidImage, match="a PNG may have 16,000,000; scale it down, or save"):
        find_item(too_wide)
    with pytest.raises(InvalidImage, match="more than 1000; scale it down"):
        find_item(encoded(plain(), "PNG"), max_pixels=1000)


MEASURED = """
import io, sys
from vitrine_client.images import find_item

def kilobytes(name):
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(name))

find_item(open(sys.argv[1], "rb").read())
content = open(sys.argv[2], "rb").read()
before = kilobytes("VmRSS")
open("/proc/self/clear_refs", "w").write("5")  # the peak begins again
assert find_item(content).box
print((kilobytes("VmHWM") - before) * 1024 // 10**6)
"""


def photo(width: int, height: int, mode: str = "RGB") -> Image.Image:
    image = Image.new("RGB", (width, height), "white")
    image.paste("navy", (width // 3, height // 3, width // 2, height - height // 4))
    return image.convert(mode)


def half_clear(width: int, height: int) -> Image.Image:
    image = photo(width, height, "RGBA")
    image.paste((255, 255, 255, 0), (0, 0, width // 4, height))
    return image


LARGE = {
    "JPEG": lambda: encoded(photo(8000, 6000), "JPEG"),
    "progressive JPEG": lambda: encoded(photo(4800, 3600), "JPEG", progressive=True, subsampling=0),
    "PNG with transparency": lambda: encoded(half_clear(4032, 3024), "PNG", compress_level=1),
    "PNG, palette": lambda: encoded(
        photo(4032, 3024).quantize(9), "PNG", compress_level=1, transparency=0
    ),
    "WebP": lambda: encoded(photo(4032, 3024), "WEBP", method=0),
    "TIFF of many bits": lambda: encoded(
        Image.fromarray(np.asarray(photo(3265, 2450, "L")).astype(np.float32)), "TIFF"
    ),
}


@pytest.mark.skipif(sys.platform != "linux", reason="measures by /proc")
@pytest.mark.parametrize("name", LARGE)
def test_memory_at_the_limit(name, tmp_path):
    """The kinds that come nearest to 150 MB; all of them are in the benchmark."""
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(encoded(photo(80, 60), "PNG"))
    large.write_bytes(LARGE[name]())
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, small, large], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) <= 150


def test_grey_jpegs_are_told_by_their_components():
    grey = encoded(plain("L"), "JPEG")
    assert is_grey_jpeg(grey)
    assert is_grey_jpeg(encoded(plain("L"), "JPEG", progressive=True, comment="\xff\xc0" * 30))
    for mode in ("RGB", "CMYK"):
        assert not is_grey_jpeg(encoded(plain(mode), "JPEG"))
    assert not is_grey_jpeg(encoded(plain("L"), "PNG"))
    for end in range(len(grey)):  # what is cut tells nothing, or the same
        assert is_grey_jpeg(grey[:end]) in (False, end > grey.index(b"\xff\xc0"))
