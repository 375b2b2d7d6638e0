"""Numbers of a profile: levels as a model takes them, or a picture for one that decodes itself."""

import io

import numpy as np
import pytest
from PIL import Image

from tests.client.made_pictures import encoded, noise, profile
from vitrine_client.images.preprocessing import (
    STILL_MOST,
    fit_picture,
    model_input,
    shown,
)

pytestmark = pytest.mark.filterwarnings("error")

STRING = profile((None, None, 3), dtype="string", scaling="0..255")


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"scaling": "0..1"}, [0, 51 / 255, 1]),
        ({"scaling": "0..255"}, [0, 51, 255]),
        ({"scaling": "-1..1"}, [-1, -0.6, 1]),
        ({"scaling": "mean/std", "mean": (0.5,), "std": (0.25,)}, [-2, -1.2, 2]),
    ],
)
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_scaling(members, expected, dtype):
    rows = np.uint8([[[0, 51, 255]]])
    numbers = model_input(rows, profile((1, 3), dtype=dtype, **members))
    assert numbers.dtype == dtype
    np.testing.assert_allclose(numbers[0, 0], expected, rtol=1e-3 if dtype == "float16" else 1e-6)


def test_each_channel_has_its_mean_and_deviation():
    rows = np.full((2, 1, 1, 3), 51, np.uint8)
    members = {"scaling": "mean/std", "mean": (0.2, 0.1, 0.0), "std": (1.0, 0.1, 0.5)}
    numbers = model_input(rows, profile((1, 1, 3), **members))
    np.testing.assert_allclose(numbers[1, 0, 0], [0, 1, 0.4], atol=1e-6)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "int64"])
def test_whole_numbers_are_cut(dtype):
    rows = np.float32([[[-3.2, 0.9, 254.6, 261]]])
    numbers = model_input(rows, profile((1, 4), dtype=dtype, scaling="0..255"))
    assert numbers.dtype == dtype
    np.testing.assert_array_equal(numbers[0, 0], [0, 0, 254, 255])


def test_levels_are_shown_within_their_range():
    np.testing.assert_array_equal(shown(np.float32([-3.2, 0.9, 254.6, 261])), [0, 1, 255, 255])


def test_model_that_decodes_gets_still_plain_png():
    exif = Image.Exif()
    exif[0x0112] = 6
    file = encoded(noise(), "JPEG", exif=exif, icc_profile=b"x" * 99)
    found = fit_picture(file, STRING)
    assert (found.instance.shape, found.instance.dtype) == ((60, 40, 3), np.uint8)
    rows = model_input(np.stack([found.instance, 255 - found.instance]), STRING)
    assert (rows.shape, rows.dtype) == ((2,), object)
    image = Image.open(io.BytesIO(rows[0]))
    assert (image.format, image.mode, image.info) == ("PNG", "RGB", {})
    np.testing.assert_array_equal(np.asarray(image), found.instance)


@pytest.mark.parametrize("shape", [(None, None), (None, None, 1), (None, None, 4)])
def test_model_that_decodes_gets_its_channels(shape):
    taken = profile(shape, dtype="string", scaling="0..255")
    (file,) = model_input(fit_picture(noise(), taken).instance[None], taken)
    assert Image.open(io.BytesIO(file)).mode == ("RGBA" if shape[2:] == (4,) else "L")


def test_model_that_decodes_gets_no_large_picture():
    found = fit_picture(Image.new("RGB", (3000, 2000), "red"), STRING)
    assert found.instance.shape == (round(2000 * STILL_MOST / 3000), STILL_MOST, 3)
    assert found.box == (0, 0, 3000, 2000)
