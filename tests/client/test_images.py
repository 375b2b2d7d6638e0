"""`vitrine_client.images`: any picture, made into what the models take."""

import io
import resource
import struct
import tracemalloc
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from benchmarks.photos import PHOTOS, plain_resize
from vitrine_client.errors import InvalidImage
from vitrine_client.images import FORMATS, MAX_PIXELS, SIDE, to_instance
from vitrine_training import data

ORIENTATION_TAG = 0x0112
TURNED = {  # how an upright picture is stored under each orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def encoded(image, file_format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def likeness(one, other):
    """Correlation of two instances."""
    return np.corrcoef(one.ravel(), other.ravel())[0, 1]


@pytest.fixture(scope="module")
def items():
    return data.load().test.images


@pytest.fixture(scope="module")
def boot(items):
    """The first test image, an ankle boot."""
    return items[0]


@pytest.fixture(scope="module")
def photo(boot):
    """The boot, dark on a light page, 320 by 240, mode L."""
    page = Image.new("L", (320, 240), 245)
    page.paste(
        Image.fromarray(255 - boot).resize((180, 180)).point(lambda v: v * 245 // 255), (90, 20)
    )
    return page


def test_every_kind_of_row_passes_through_bit_for_bit(items):
    """Whatever already looks like the data set, at the border too, is not touched."""
    fullest = np.argsort(items[:, 0].sum(1) + items[:, :, 0].sum(1))[-200:]
    for item in [*items[:200], *items[fullest]]:
        np.testing.assert_array_equal(to_instance(encoded(Image.fromarray(item))), item)


def test_black_on_white_row_is_negated_bit_for_bit(items):
    """A row of the data set as it is printed, black on white, is recognised as well."""
    for item in items[:200]:
        np.testing.assert_array_equal(to_instance(255 - item), item)


def test_every_way_to_hand_over_a_picture_gives_the_same(boot, tmp_path):
    """Bytes, path as text, path, open file, PIL image and array are equal."""
    content = encoded(Image.fromarray(boot))
    path = tmp_path / "boot.png"
    path.write_bytes(content)
    image = Image.fromarray(boot)
    for picture in (content, str(path), path, io.BytesIO(content), image, boot, boot / 255):
        instance = to_instance(picture)
        assert instance.dtype == np.uint8
        np.testing.assert_array_equal(instance, boot)


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "LA", "I;16", "I", "F", "CMYK"])
def test_row_passes_through_in_every_mode(boot, mode):
    """28x28 white on black is recognised whatever the pixels are kept in."""
    if mode == "I;16":
        image = Image.fromarray(boot.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(boot).convert(mode)
    np.testing.assert_array_equal(to_instance(image), boot)


@pytest.mark.parametrize(
    ("mode", "file_format"),
    [
        ("1", "PNG"),
        ("L", "PNG"),
        ("LA", "PNG"),
        ("P", "PNG"),
        ("RGB", "PNG"),
        ("RGBA", "PNG"),
        ("I;16", "PNG"),
        ("L", "JPEG"),
        ("RGB", "JPEG"),
        ("CMYK", "JPEG"),
        ("P", "GIF"),
        ("RGB", "WEBP"),
        ("RGBA", "WEBP"),
        ("1", "BMP"),
        ("RGB", "BMP"),
    ],
)
def test_photo_is_read_in_every_mode_and_format(photo, boot, mode, file_format):
    """Colour, palette, bilevel, 16 bits and print colours all show the boot."""
    if mode == "I;16":
        image = Image.fromarray(np.asarray(photo).astype(np.uint16) * 257)
    elif mode == "1":
        image = photo.point(lambda level: 255 * (level > 230)).convert("1")
    else:
        image = photo.convert(mode)
    expected = boot > 15 if mode == "1" else boot  # of one bit, the silhouette is left
    assert likeness(to_instance(encoded(image, file_format)), expected) > 0.9


def test_transparent_palette_shows_the_item(photo, boot):
    """A palette whose lightest entry is transparent is put on white."""
    image = photo.convert("P")
    assert likeness(to_instance(encoded(image, "PNG", transparency=245)), boot) > 0.95


@pytest.mark.parametrize("level", [0, 255])
def test_cut_out_shows_on_nothing(boot, level):
    """A cut-out shows whether it is black or white."""
    shape = np.asarray(Image.fromarray(boot).resize((140, 140)))
    image = np.dstack([np.full((140, 140, 3), level, np.uint8), shape])
    assert likeness(to_instance(image), boot) > 0.95


def test_first_frame_of_an_animation_counts(photo, boot):
    """Later frames are not looked at."""
    other = Image.new("L", photo.size, 0)
    for file_format in ("GIF", "WEBP"):
        content = encoded(photo.convert("RGB"), file_format, save_all=True, append_images=[other])
        assert likeness(to_instance(content), boot) > 0.95


@pytest.mark.parametrize("orientation", TURNED)
def test_exif_orientation_is_undone(photo, orientation):
    """A picture that is stored turned gives what the upright one gives."""
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    turned = photo.transpose(TURNED[orientation])
    for file_format in ("PNG", "JPEG", "WEBP"):
        upright = to_instance(encoded(photo, file_format)).astype(int)
        found = to_instance(encoded(turned, file_format, exif=exif)).astype(int)
        assert np.abs(found - upright).mean() < 4


def test_damaged_exif_is_no_reason_to_refuse(photo, boot):
    """The pixels are well where only their description is not."""
    content = encoded(photo, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert likeness(to_instance(content), boot) > 0.95


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (28, 28), (28, 1), (200, 100)])
def test_picture_of_nothing_gives_zeros(size):
    """Where there is no item, there is nothing white on the black."""
    assert not to_instance(Image.new("RGB", size, (200, 210, 220))).any()


@pytest.mark.parametrize("side", [14, 29, 57, 113, 500])
def test_every_size_is_centred_and_fills_the_frame(boot, side):
    """The longer side of the item reaches both edges of the instance."""
    instance = to_instance(255 - np.asarray(Image.fromarray(boot).resize((side, side))))
    assert instance.shape == (SIDE, SIDE)
    assert instance.max() == 255
    assert (instance[0].any() and instance[-1].any()) or (
        instance[:, 0].any() and instance[:, -1].any()
    )


@pytest.mark.parametrize("kind", PHOTOS)
def test_photo_keeps_the_item(items, kind):
    """Every kind of photo comes back much like the item, which a plain resize does not."""
    found, plain = [], []
    for n, item in enumerate(items[:20]):
        photo = PHOTOS[kind](item, np.random.default_rng(n))
        found.append(likeness(to_instance(photo), item))
        plain.append(likeness(plain_resize(photo), item))
    assert np.median(found) > 0.95
    assert np.median(plain) < 0.8


@pytest.mark.parametrize("kind", PHOTOS)
def test_photos_depend_on_the_seed_only(boot, kind):
    """The same seed gives the same bytes."""
    one, same, other = (PHOTOS[kind](boot, np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert one == same != other


def half(content):
    return content[: len(content) // 2]


PAGE = Image.new("L", (60, 40), 200)
REFUSED = {
    "empty": (b"", "empty; send PNG, JPEG, WEBP, GIF or BMP"),
    "text": (b"Dear model, what is this?", "no picture"),
    "svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "rasterise"),
    "tiff": (encoded(PAGE, "TIFF"), "format that is not read; send PNG"),
    "ico": (encoded(PAGE, "ICO"), "format that is not read"),
    "eps": (encoded(PAGE, "EPS"), "format that is not read"),
    "wave": (b"RIFF\x24\0\0\0WAVEfmt ", "damaged"),
    "narrow": (encoded(Image.new("L", (290, 10))), "290x10 pixels, too narrow"),
    "no height": (encoded(PAGE, "GIF").replace(struct.pack("<HH", 60, 40), bytes(4)), "damaged"),
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
    return {"PNG": png + png_chunk(b"IDAT", b""), "BMP": bytes(bmp), "GIF": gif, "JPEG": jpeg} | {
        "WEBP": webp
    }


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
def test_mutated_files_raise_nothing_else(photo, file_format):
    """Whatever is done to a file, it gives an instance or `InvalidImage`."""
    rng = np.random.default_rng(7)
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


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_array_may_have_colours_and_opacity(boot, channels, dtype):
    """RGB and RGBA, of bytes or of fractions, and of any memory layout."""
    array = np.repeat(boot[..., None], channels, 2)
    array[..., 3:] = 255
    if dtype is not np.uint8:
        array = (array / 255).astype(dtype)
    np.testing.assert_allclose(to_instance(np.asfortranarray(array)), boot, atol=1)


def test_picture_with_nan_is_refused():
    """A float image is checked like an array."""
    with pytest.raises(InvalidImage, match="no numbers"):
        to_instance(Image.fromarray(np.full((28, 28), np.nan, np.float32)))


def test_callers_picture_is_left_alone(photo):
    """Neither an image nor an array changes, and the instance is the caller's to change."""
    before = np.array(photo)
    to_instance(photo)
    array = before.copy()
    to_instance(array)
    np.testing.assert_array_equal(photo, before)
    np.testing.assert_array_equal(array, before)
    row = np.zeros((SIDE, SIDE), np.uint8)
    to_instance(row)[:] = 1
    assert not row.any()
