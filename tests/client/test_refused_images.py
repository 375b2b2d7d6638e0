"""`vitrine_client.images`: what must not be read is refused, and costs nothing."""

import base64
import resource
import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.client.made_pictures import PAGE, encoded, on_a_page
from vitrine_client.errors import InvalidImage
from vitrine_client.images import FORMATS, MAX_PIXELS, SIDE, to_instance

AVIF = "AVIF" in FORMATS


def boxes(*brands):
    """The first box of a file in the ISO base media format, which says what it can be read as."""
    body = brands[0].encode() + bytes(4) + b"".join(brand.encode() for brand in brands[1:])
    return struct.pack(">I", 8 + len(body)) + b"ftyp" + body + bytes(16)


def tiff(width=60, height=40, tiles=0):
    """A grey TIFF, of one strip or of one tile, as the header tells; its pixels are missing."""
    place = (322, 4, 1, tiles), (323, 4, 1, tiles), (324, 4, 1, 8), (325, 4, 1, width * height)
    strip = (273, 4, 1, 8), (278, 4, 1, height), (279, 4, 1, width * height)
    entries = (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1)
    entries = (*entries, (262, 3, 1, 1), (277, 3, 1, 1), *(place if tiles else strip))
    directory = b"".join(struct.pack("<HHII", *entry) for entry in sorted(entries))
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + directory + bytes(4)


def half(content):
    return content[: len(content) // 2]


REFUSED = {
    "empty": (b"", f"empty; send PNG, JPEG, WEBP, GIF, BMP{', TIFF or AVIF' if AVIF else ''}"),
    "text": (b"Dear model, what is this?", "no picture"),
    "name of a file": (b"my photos/shoe.JPG\n", "file's name.*an @ before it"),
    "svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "rasterise"),
    "ico": (encoded(PAGE, "ICO"), "icon file.* save it as PNG"),
    "eps": (encoded(PAGE, "EPS"), "PostScript document.* save its page as PNG"),
    "pdf": (encoded(PAGE, "PDF"), "PDF document.* save its page as PNG"),
    "heic": (boxes("heic", "mif1", "heic"), "HEIC .* save it as JPEG .* Most Compatible"),
    "heif that names its codec second": (boxes("mif1", "mif1", "heic"), "HEIC"),
    "video": (boxes("isom", "isom", "mp41"), "video"),
    "jpeg xl": (b"\xff\x0a\xfa\x1f\x41\x91\x08\x06\x01", "JPEG XL .* save it as JPEG or PNG"),
    "jpeg xl in boxes": (b"\0\0\0\x0cJXL \x0d\x0a\x87\x0a", "JPEG XL"),
    "jpeg 2000": (encoded(PAGE, "JPEG2000"), "JPEG 2000 .* save it as JPEG or PNG"),
    "photoshop": (b"8BPS\0\1" + bytes(20), "Photoshop"),
    "web page": (
        b"\n<!-- shop -->\n<!DOCTYPE html><html><img src=a.jpg>",
        "web page.* picture that is",
    ),
    "data url": (b"data:image/png;base64,iVBORw0KGgo", "data: URL: send the bytes"),
    "base64": (base64.b64encode(encoded(PAGE)), "Base64 text: send the bytes"),
    "tiles larger than any picture": (tiff(tiles=8192), "tiles of 8192x8192 pixels"),
    "wave": (b"RIFF\x24\0\0\0WAVEfmt ", "damaged"),
    "narrow": (encoded(Image.new("L", (290, 10))), "290x10 pixels, too narrow"),
    "no height": (
        encoded(PAGE, "GIF").replace(struct.pack("<HH", 60, 40), bytes(4)),
        "no pixels; send one",
    ),
    **{f"half a {name}": (half(encoded(PAGE, name)), "damaged") for name in FORMATS},
    **{f"start of a {name}": (encoded(PAGE, name)[:13], "damaged") for name in FORMATS},
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_is_refused(case):
    """The message says what is wrong and what to do."""
    content, message = REFUSED[case]
    with pytest.raises(InvalidImage, match=message):
        to_instance(content)


def test_missing_file_is_the_systems_error(tmp_path):
    """A path that is not there is no matter of pictures."""
    with pytest.raises(FileNotFoundError):
        to_instance(tmp_path / "none.png")


def png_chunk(name, body):
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def bombs():
    """Headers that promise billions of pixels, in every format."""
    large = struct.pack(">II", 50_000, 50_000)
    png = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", large + b"\x08\x02\0\0\0")
    bmp = bytearray(encoded(PAGE, "BMP"))
    bmp[18:26] = struct.pack("<ii", 50_000, 50_000)
    gif = encoded(PAGE, "GIF").replace(struct.pack("<HH", 60, 40), b"\xff\xff\xff\xff")
    jpeg = encoded(PAGE, "JPEG").replace(struct.pack(">HH", 40, 60), b"\xc3\x50\xc3\x50")
    canvas = (16_382).to_bytes(3, "little") * 2
    body = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + canvas
    webp = b"RIFF" + struct.pack("<I", len(body)) + body
    several = {"PNG": png + png_chunk(b"IDAT", b""), "BMP": bytes(bmp), "GIF": gif, "JPEG": jpeg}
    avif = encoded(PAGE, "AVIF") if AVIF else b""
    spatial = b"ispe" + bytes(4)
    avif = avif.replace(
        spatial + struct.pack(">II", 60, 40), spatial + struct.pack(">II", 16_000, 16_000)
    )
    return several | {"WEBP": webp, "TIFF": tiff(50_000, 50_000), "AVIF": avif}


@pytest.mark.parametrize("file_format", FORMATS)
def test_bomb_is_refused_by_its_header(file_format):
    """No pixel of a picture that is too large is ever allocated, and nothing warns of it."""
    content = bombs()[file_format]
    resident_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InvalidImage, match="pixels"):
            to_instance(content)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 1_000_000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - resident_kib < 30_000


@pytest.mark.parametrize("picture", [PAGE, np.zeros((40, 60), np.uint8), encoded(PAGE)])
def test_limit_of_pixels_is_the_callers(picture):
    """`max_pixels` are taken, one more is not."""
    to_instance(picture, max_pixels=2_400)
    with pytest.raises(InvalidImage, match="60x40 pixels, more than 2399; scale it down"):
        to_instance(picture, max_pixels=2_399)


def test_default_limit_takes_a_phones_picture():
    """48 megapixels pass by default, without a warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_instance(encoded(Image.new("L", (8_000, 6_000), 250), "JPEG"))
    assert MAX_PIXELS >= 48_000_000


@pytest.mark.parametrize("file_format", FORMATS)
def test_mutated_files_raise_nothing_else(dataset, file_format):
    """Whatever is done to a file, it gives an instance or `InvalidImage`."""
    rng = np.random.default_rng(7)
    photo = on_a_page(dataset.test.images[0])
    original = encoded(photo.convert("RGB").resize((64, 48)), file_format)
    refused = 0
    for _ in range(300):
        content = bytearray(original)
        reach = rng.choice([64, len(content)])  # the header is hit as often as all the rest
        start = int(rng.integers(min(reach, len(content))))
        match rng.integers(4):
            case 0:
                del content[start:]
            case 1:
                content[start] ^= int(rng.integers(1, 256))
            case 2:
                content[start : start + 4] = bytes([rng.choice([0, 255])]) * 4
            case 3:
                content[start : start + 9] = rng.bytes(rng.integers(20))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                assert to_instance(bytes(content)).shape == (SIDE, SIDE)
            except InvalidImage:
                refused += 1
    assert refused > 50


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros(784, np.uint8), "must be"),
        (np.zeros((1, 28, 28, 1), np.uint8), "must be"),
        (np.zeros((28, 28, 2), np.uint8), "must be"),
        (np.zeros((0, 28), np.uint8), "no pixels"),
        (np.zeros((28, 28), np.int64), "uint8, or float in 0..1, not int64"),
        (np.zeros((28, 28), bool), "not bool"),
        (np.full((28, 28), np.nan), "without NaN"),
        (np.full((28, 28), 255.0), "scale it"),
        (np.full((28, 28), -0.1), "scale it"),
        (np.full((28, 28), np.inf), "scale it"),
    ],
)
def test_array_that_is_no_picture_is_refused(array, message):
    """Shape, dtype and range are checked."""
    with pytest.raises(InvalidImage, match=message):
        to_instance(array)


def test_picture_with_nan_is_refused():
    """A float image is checked like an array."""
    with pytest.raises(InvalidImage, match="no numbers"):
        to_instance(Image.fromarray(np.full((28, 28), np.nan, np.float32)))
