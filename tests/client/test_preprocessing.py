"""Preprocessing by a profile: fits, sizes and channels, of any picture that is read."""

import io
import math

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.client.made_pictures import encoded, levels, noise, on_a_page, profile
from vitrine_client.errors import InvalidImage, InvalidRequest
from vitrine_client.images import find_item
from vitrine_client.images.preprocessing import (
    FREE_LEAST,
    FREE_MOST,
    fit_picture,
    most_numbers,
    target_size,
)
from vitrine_client.images.raster import decoded_whole
from vitrine_client.images.resizing import (
    TWICE_PIXELS,
    is_whole,
    resized,
    resized_image,
)
from vitrine_client.results.profiles.profile import FASHION_MNIST, FITS, RESIZES

pytestmark = pytest.mark.filterwarnings("error")


# Items


@pytest.fixture(scope="module")
def boot(dataset):
    return dataset.test.images[0]


def test_item_is_found_for_our_own_models(boot):
    page = encoded(on_a_page(boot))
    own, expected = fit_picture(page, FASHION_MNIST), find_item(page)
    np.testing.assert_array_equal(own.instance, expected.instance)
    assert own[1:] == expected[1:]


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1)])
@pytest.mark.parametrize("polarity", ["as is", "negative"])
def test_item_gets_the_shape_and_the_polarity_of_the_model(boot, shape, polarity):
    page = encoded(on_a_page(boot))
    own = fit_picture(page, profile(shape, fit="item", polarity=polarity), box=(60, 10, 220, 200))
    expected = find_item(page, box=(60, 10, 220, 200)).instance.reshape(shape)
    np.testing.assert_array_equal(
        own.instance, 255 - expected if polarity == "negative" else expected
    )


def test_picture_of_nothing_is_empty_for_items_alone():
    even = Image.new("RGB", (60, 40), "white")
    assert fit_picture(even, profile((28, 28), fit="item")).empty
    for fit in set(FITS) - {"item"}:
        found = fit_picture(even, profile(fit=fit))
        assert (found.empty, found.warnings) == (False, ())


# What the model sees


@pytest.mark.parametrize(
    ("fit", "shape", "seen"),
    [
        ("stretch", (20, 20, 3), (0, 0, 60, 40)),
        ("pad", (20, 20, 3), (0, 0, 60, 40)),
        ("crop", (20, 20, 3), (10, 0, 40, 40)),
        ("crop", (30, 10, 3), (23, 0, 13, 40)),
        ("crop", (10, 30, 3), (0, 10, 60, 20)),
    ],
)
def test_box_is_what_the_model_sees(fit, shape, seen):
    picture = noise()
    found = fit_picture(picture, profile(shape, fit=fit))
    assert found.box == seen
    if fit == "crop":
        x, y, width, height = seen
        part = picture.crop((x, y, x + width, y + height))
        np.testing.assert_array_equal(found.instance, levels(part, shape))


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("resize", RESIZES)
def test_box_counts_as_the_whole_picture(fit, resize):
    picture = noise()
    own = fit_picture(picture, profile(fit=fit, resize=resize), box=(7, 5, 31, 17))
    part = fit_picture(picture.crop((7, 5, 38, 22)), profile(fit=fit, resize=resize))
    np.testing.assert_array_equal(own.instance, part.instance)
    x, y, width, height = part.box
    assert own.box == (x + 7, y + 5, width, height)


@pytest.mark.parametrize(
    "box", [(0, 0, 0, 5), (50, 0, 20, 20), (1, 2, 3), "1234", (0, 0, np.nan, 1)]
)
def test_box_that_is_none_is_refused_as_for_items(box):
    with pytest.raises(InvalidRequest) as refused:
        fit_picture(noise(), profile(), box=box)
    with pytest.raises(InvalidRequest) as expected:
        find_item(noise(), box=box)
    assert str(refused.value) == str(expected.value)


def test_bars_are_black_whatever_the_polarity():
    white = Image.new("L", (60, 20), 255)
    found = levels(white, (30, 30), fit="pad")
    assert (found[10:20] == 255).all()
    assert (found[:10] == 0).all()
    assert (found[20:] == 0).all()
    assert not levels(white, (30, 30), fit="pad", polarity="negative").any()
    assert (
        levels(Image.new("L", (60, 20), 0), (30, 30), fit="pad", polarity="negative") == found
    ).all()


def test_negative_leaves_opacity():
    picture = noise(channels=4)
    own = levels(picture, (40, 60, 4), polarity="negative")
    pixels = np.asarray(picture)
    np.testing.assert_array_equal(own[..., :3], 255 - pixels[..., :3])
    np.testing.assert_array_equal(own[..., 3], pixels[..., 3])


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("resize", RESIZES)
def test_orientation_is_applied(orientation, resize):
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = encoded(noise(), exif=exif)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(file)))
    own = fit_picture(file, profile((23, 31, 3), resize=resize), box=(3, 5, 30, 20))
    expected = fit_picture(upright, profile((23, 31, 3), resize=resize), box=(3, 5, 30, 20))
    np.testing.assert_array_equal(own.instance, expected.instance)
    assert own.box == expected.box == (3, 5, 30, 20)


# Sizes that are free


@pytest.mark.parametrize(
    ("shape", "size", "expected"),
    [
        ((20, 30, 3), (600, 400), (20, 30)),
        ((None, None, 3), (300, 200), (200, 300)),
        ((None, None, 3), (6000, 4000), (341, 512)),
        ((None, None), (16, 8), (FREE_LEAST, 64)),
        ((None, None), (1, 28), (512, FREE_LEAST)),
        ((None, None), (28_000, 1000), (FREE_LEAST, FREE_MOST)),
        ((100, None, 3), (300, 200), (100, 150)),
        ((None, 100, 3), (300, 200), (67, 100)),
        ((None, 100, 3), (100, 2800), (FREE_MOST, 100)),
        ((None, 1000, 3), (100, 200), (1000, 1000)),
        ((None, 4096, 3), (100, 200), (341, 4096)),
        ((4096, None, 4), (200, 100), (4096, 256)),
    ],
)
def test_free_sizes_follow_from_the_picture(shape, size, expected):
    assert target_size(profile(shape), size) == expected
    assert math.prod(expected) * profile(shape).channels <= most_numbers(profile(shape)) <= 2**22


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("shape", [(None, None, None), (None, 64), (48, None, 1), (None, None, 4)])
def test_picture_of_a_free_size(fit, shape):
    found = levels(noise(100, 75), shape, fit=fit)
    expected = target_size(profile(shape), (100, 75))
    assert found.shape == (*expected, *((shape[2] or 3,) if len(shape) == 3 else ()))


# Kinds of pictures


KINDS = {
    "grey": lambda: noise(channels=1),
    "palette": lambda: noise().quantize(17),
    "black and white": lambda: noise().convert("1"),
    "grey with opacity": lambda: noise().convert("LA"),
    "RGBA": lambda: noise(channels=4),
    "CMYK": lambda: noise().convert("CMYK"),
    "YCbCr": lambda: noise().convert("YCbCr"),
    "LAB": lambda: noise().convert("LAB"),
    "16 bits": lambda: Image.fromarray(np.asarray(noise(channels=1)).astype(np.uint16) * 257),
    "32 bits": lambda: Image.fromarray(np.asarray(noise(channels=1)).astype(np.int32)),
    "floats": lambda: Image.fromarray(np.asarray(noise(channels=1)).astype(np.float32)),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 1), (40, 60, 3), (40, 60, 4)])
def test_every_kind_of_picture_becomes_what_the_model_takes(kind, shape):
    found = levels(KINDS[kind](), shape, resize="nearest")
    assert (found.shape, found.dtype) == (shape, np.uint8)
    assert found[..., :3].std() > 30


def test_deep_levels_are_those_of_8_bits():
    expected = np.asarray(noise(channels=1))
    np.testing.assert_array_equal(levels(KINDS["16 bits"](), (40, 60)), expected)


def test_transparent_pixels_are_seen_before_white_and_kept_with_four_channels():
    picture = np.zeros((40, 60, 4), np.uint8)
    picture[10:30, 20:40] = 90, 30, 10, 255
    seen = levels(picture, (40, 60, 3))
    assert (seen[0, 0] == 255).all()
    np.testing.assert_array_equal(seen[20, 30], (90, 30, 10))
    np.testing.assert_array_equal(levels(picture, (40, 60, 4)), picture)


def test_first_frame_of_an_animation_counts():
    frames = [noise(60, 40).quantize(9), Image.new("RGB", (60, 40), "red").quantize(9)]
    file = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(levels(file, (40, 60, 3)), np.asarray(frames[0].convert("RGB")))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no picture",
        encoded(noise())[:-40],
        encoded(noise(), "JPEG")[:300],
        encoded(noise(400, 10)),
        np.full((5, 5), np.nan),
        np.zeros((0, 5), np.uint8),
        Image.fromarray(np.full((5, 5), np.inf, np.float32)),
    ],
    ids=["empty", "words", "cut PNG", "cut JPEG", "narrow", "NaN", "no rows", "infinite"],
)
def test_what_is_no_picture_is_refused_as_for_items(content):
    with pytest.raises(InvalidImage) as refused:
        fit_picture(content, profile())
    with pytest.raises(InvalidImage) as expected:
        find_item(content)
    assert str(refused.value) == str(expected.value)


@pytest.mark.parametrize("fit", FITS)
def test_picture_that_is_too_narrow_is_told_so_whatever_a_model_is_for(fit):
    """Only some models know what an item is."""
    shape = (28, 28) if fit == "item" else (20, 20, 3)
    with pytest.raises(InvalidImage) as refused:
        fit_picture(encoded(noise(290, 10)), profile(shape, fit=fit))
    assert "290x10 pixels, too narrow: one side is more than 28 times" in str(refused.value)
    assert "item" not in str(refused.value)


def test_picture_that_is_too_large_is_refused_before_it_is_decoded():
    for picture in (noise(), encoded(noise()), np.asarray(noise())):
        with pytest.raises(InvalidImage, match="60x40 pixels, more than 2399"):
            fit_picture(picture, profile(), max_pixels=2399)


# Memory


@pytest.mark.parametrize(
    ("size", "grey", "factor"),
    [
        ((5700, 4290), False, 1),
        ((5800, 4290), False, 2),
        ((5800, 4290), True, 1),
    ],
)
def test_large_jpeg_is_decoded_in_half_of_its_size(size, grey, factor):
    file = encoded(Image.new("RGB", size), "JPEG")
    raster = decoded_whole(file, 50_000_000, grey=grey)
    assert raster.size == size
    assert raster.decoded == (size[0] // factor, size[1] // factor)


@pytest.mark.parametrize(
    ("size", "shape", "factor"),
    [
        ((448, 600), (28, 28), 8),
        ((447, 600), (28, 28), 4),
        ((600, 111), (28, 28), 1),
        ((600, 400), (20, 90), 2),
        ((40, 40), (28, 28), 1),
    ],
)
@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_draft_is_of_a_jpeg_that_keeps_twice_the_size(size, shape, factor, form):
    file = encoded(Image.effect_mandelbrot(size, (-2, -1, 1, 1), 60).convert("RGB"), form)
    picture = Image.open(io.BytesIO(file))
    if form == "JPEG":
        picture.draft("RGB", (size[0] // factor, size[1] // factor))
    expected = picture.resize(shape[::-1], Image.Resampling.BILINEAR)
    found = fit_picture(file, profile((*shape, 3), fit="stretch", resize="pillow-draft"))
    assert found.box == (0, 0, *size)
    assert (found.instance == np.asarray(expected)).all()


def test_draft_is_not_of_a_box():
    file = encoded(noise(900, 900), "JPEG")
    draft, plain = (
        fit_picture(file, profile((9, 9), resize=resize), box=(10, 20, 200, 300))
        for resize in ("pillow-draft", "pillow-bilinear")
    )
    assert (draft.instance == plain.instance).all()


def test_box_of_a_jpeg_that_is_decoded_in_half_is_that_of_the_original():
    picture = Image.new("RGB", (5801, 4291), "white")
    picture.paste("black", (101, 301, 2001, 1001))
    found = fit_picture(encoded(picture, "JPEG"), profile((8, 8)), box=(101, 301, 1900, 700))
    assert found.box == (101, 301, 1900, 700)
    assert found.instance.max() < 60


@pytest.mark.parametrize("resize", [name for name in RESIZES if name.startswith("pillow-")])
@pytest.mark.parametrize("stored", ["L", "RGB"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("side", [(60, 40), pytest.param((900, 700), marks=pytest.mark.wide)])
def test_whole_image_is_resized_as_its_strips_are(resize, stored, mode, orientation, side):
    check_whole_image(resize, stored, mode, orientation, side)


def test_large_whole_image_is_resized_as_its_strips_are():
    check_whole_image("pillow-bicubic", "RGB", "RGB", 6, (900, 700))


def check_whole_image(resize, stored, mode, orientation, side):
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = noise(*side).convert(stored)
    raster = decoded_whole(encoded(picture, "PNG", exif=exif.tobytes()), 10**7)
    whole = (0, 0, *raster.decoded)
    assert is_whole(resize, raster.decoded, whole)
    image = raster.image(mode)
    for part in (whole, (3, 5, 33, 37)):
        for size in ((20, 24), raster.decoded[::-1]):
            strips = resized(lambda place: raster.levels(place, mode), part, size, resize, whole)
            np.testing.assert_array_equal(resized_image(image, part, size, resize), strips)


def test_whole_image_is_one_that_no_pixel_is_seen_through():
    clear = noise().convert("RGBA")
    clear.putalpha(100)
    for picture in (clear, noise().quantize(9), noise().convert("LA"), noise().convert("1")):
        assert decoded_whole(encoded(picture, "PNG"), 10**6).image("RGB") is None
    opaque = decoded_whole(encoded(noise(), "PNG"), 10**6)
    assert opaque.image("RGBA") is None
    assert not is_whole("bilinear", opaque.decoded, (0, 0, *opaque.decoded))
    assert not is_whole("pillow-draft", opaque.decoded, (0, 0, 5, 5))
    assert not is_whole("pillow-draft", (TWICE_PIXELS, 2), (0, 0, TWICE_PIXELS, 2))
