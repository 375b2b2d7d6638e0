"""`vitrine_client.images`: any picture, made into what the models take."""

import io
import warnings

import numpy as np
import pytest
from PIL import Image

from harness.accuracy import plain_resize
from tests.client.made_pictures import encoded, likeness, on_a_page
from vitrine_client.images import SIDE, to_instance
from vitrine_training.data import fashion_mnist as data
from vitrine_training.photos import CATALOGUE as KINDS

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


@pytest.fixture(scope="module")
def items():
    return data.load().test.images


@pytest.fixture(scope="module")
def boot(items):
    """The first test image, an ankle boot."""
    return items[0]


@pytest.fixture(scope="module")
def photo(boot):
    return on_a_page(boot)


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
    assert likeness(to_instance(encoded(image, "PNG", transparency=245)), boot) > 0.9


@pytest.mark.parametrize("level", [0, 255])
def test_cut_out_shows_on_nothing(boot, level):
    """A cut-out shows whether it is black or white."""
    shape = np.asarray(Image.fromarray(boot).resize((140, 140)))
    image = np.dstack([np.full((140, 140, 3), level, np.uint8), shape])
    assert likeness(to_instance(image), boot) > 0.9


def test_first_frame_of_an_animation_counts(photo, boot):
    """Later frames are not looked at."""
    other = Image.new("L", photo.size, 0)
    for file_format in ("GIF", "WEBP"):
        content = encoded(photo.convert("RGB"), file_format, save_all=True, append_images=[other])
        assert likeness(to_instance(content), boot) > 0.9


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
        assert likeness(to_instance(content), boot) > 0.9


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


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_photo_keeps_the_item(items, kind):
    """Every ordinary kind of photo comes back much like the item, which a plain resize does not."""
    found, plain = [], []
    for n, item in enumerate(items[:20]):
        photo = kind.draw(item, np.random.default_rng(n))
        found.append(likeness(to_instance(photo), item))
        plain.append(likeness(plain_resize(photo), item))
    assert np.median(found) > 0.9
    assert np.median(plain) < 0.8


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.float16, np.float32, np.float64])
def test_array_may_have_colours_and_opacity(boot, channels, dtype):
    """RGB and RGBA, of bytes or of fractions, and of any memory layout."""
    array = np.repeat(boot[..., None], channels, 2)
    array[..., 3:] = 255
    if dtype is not np.uint8:
        array = (array / 255).astype(dtype)
    np.testing.assert_allclose(to_instance(np.asfortranarray(array)), boot, atol=1)


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
