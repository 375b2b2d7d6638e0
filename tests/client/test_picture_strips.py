"""Pictures that are resized a strip at a time, as they are too large for more."""

import numpy as np
import pytest
from PIL import Image

from vitrine_client.images.resizing import PASS_PIXELS, STRIP_PIXELS, TWICE_PIXELS, resized
from vitrine_client.results.profiles.profile import RESIZES

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("resize", RESIZES)
def test_huge_picture_is_read_in_strips(resize):
    most = 0

    def read(part):
        nonlocal most
        left, top, right, bottom = part
        most = max(most, (right - left) * (bottom - top))
        return np.full((bottom - top, right - left, 1), 77, np.uint8)

    found = resized(read, (0, 0, 8000, 6000), (5, 6), resize, (0, 0, 8000, 6000))
    np.testing.assert_allclose(found, 77, atol=1e-4)
    assert most <= STRIP_PIXELS


def of_noise(height, width, kind):
    pixels = np.random.default_rng(1).integers(0, 256, (height, width), np.uint8)

    def read(part):
        left, top, right, bottom = part
        return pixels[top:bottom, left:right, None]

    return read, (0, 0, width, height), Image.fromarray(pixels.astype(kind))


def test_more_rows_than_are_kept_between_two_passes():
    height, size = 3000, (1500, 1400)
    assert height * size[1] > PASS_PIXELS
    read, whole, picture = of_noise(height, 1500, np.float32)
    expected = np.asarray(picture.resize(size[::-1], Image.Resampling.LANCZOS))
    own = resized(read, whole, size, "lanczos3-antialias", whole)[..., 0]
    np.testing.assert_allclose(own, expected, atol=0.2)


def test_picture_that_is_not_in_memory_twice():
    read, whole, picture = of_noise(3200, 3200, np.uint8)
    assert picture.width * picture.height > TWICE_PIXELS
    expected = np.asarray(picture.resize((64, 64), Image.Resampling.BICUBIC)).astype(int)
    own = resized(read, whole, (64, 64), "pillow-bicubic", whole)[..., 0]
    assert abs(own - expected).max() <= 1
