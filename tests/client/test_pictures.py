"""Pictures on their way: found in folders, gathered into batches, made bytes."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from harness.paths import SAMPLES
from vitrine_client import InvalidImage
from vitrine_client.images import pictures, to_instance
from vitrine_client.images.pictures import encoded, in_folder


def test_a_folder_has_its_pictures_by_name(tmp_path):
    """Those that are named as pictures are, whatever the case; none that is hidden (`._a.jpg` is no
    picture, but what macOS leaves beside one), no folder, nothing below."""
    for name in ("b.PNG", "a.jpeg", "c.webp", "d.gif", "e.bmp", "10.jpg", "9.jpg"):
        (tmp_path / name).touch()
    for name in ("labels.json", "png", "._a.jpg", "photo.png.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.png" / "below.png").touch()
    (tmp_path / "gone.png").symlink_to(tmp_path / "nowhere")
    expected = ["10.jpg", "9.jpg", "a.jpeg", "b.PNG", "c.webp", "d.gif", "e.bmp"]
    assert in_folder(tmp_path) == [tmp_path / name for name in expected]
    assert in_folder(str(tmp_path)) == in_folder(tmp_path)


def test_what_travels():
    """Files travel as they are, pixels as a PNG of the same pixels."""
    path = SAMPLES[0]
    content, image = path.read_bytes(), Image.open(path)
    for picture in (path, str(path), content, io.BytesIO(content)):
        assert encoded(picture) == content
    for picture in (image, np.asarray(image)):
        sent = Image.open(io.BytesIO(encoded(picture)))
        np.testing.assert_array_equal(np.asarray(sent), np.asarray(image))


@pytest.mark.parametrize("array", [np.zeros((2, 2), "M8[s]"), np.zeros((2, 2, 7), np.uint8)])
def test_arrays_that_are_no_pictures(array):
    """An array that no picture has is refused before anything is sent."""
    with pytest.raises(InvalidImage):
        encoded(array)


def test_floats_travel_as_pixels():
    """Floats 0..1 are the same picture as their bytes."""
    pixels = np.asarray(Image.open(SAMPLES[0]))
    assert encoded(pixels / 255) == encoded(pixels)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "YCbCr", "I;16"])
def test_images_of_every_mode_travel(mode):
    """What a PNG can't have is converted, and becomes the instance that it would become here."""
    pixels = np.zeros((60, 90), np.uint8)
    pixels[10:50, 30:60] = np.arange(30) * 6 + 60
    image = Image.fromarray(pixels)
    image = image.convert("RGB").convert(mode) if mode != "I;16" else image.convert(mode)
    here, there = to_instance(image), to_instance(encoded(image))
    np.testing.assert_array_equal(here, there)


def test_a_photo_that_lies_on_its_side_travels_with_its_orientation():
    """An opened JPEG keeps the tag that says which way is up."""
    pixels = np.zeros((160, 120), np.uint8)
    pixels[20:100, 20:100] = Image.open(SAMPLES[0]).resize((80, 80))
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", exif=exif, quality=95)
    photo = Image.open(buffer)
    upright = to_instance(encoded(photo))
    assert upright.any()
    np.testing.assert_array_equal(upright, to_instance(photo))
    assert not np.array_equal(upright, to_instance(np.asarray(photo)))


def test_an_image_that_is_damaged_is_no_picture():
    """Pillow decodes at the last moment, and then raises nearly anything."""
    content = SAMPLES[0].read_bytes()
    with pytest.raises(InvalidImage, match="damaged"):
        encoded(Image.open(io.BytesIO(content[:200])))
    ((taken,),) = pictures.batches([Image.open(io.BytesIO(content[:200]))], 5)
    assert isinstance(taken, InvalidImage)


def test_what_is_in_memory_makes_smaller_batches():
    """Many large pictures in memory are not gathered, whatever the size of a batch."""
    large = [bytes(6_000_000), np.zeros((2000, 1000, 3)), Image.new("RGB", (2000, 1000))] * 2
    sizes = [len(batch) for batch in pictures.batches(iter(large), 64)]
    assert sizes == [2, 3, 1]
    assert [len(batch) for batch in pictures.batches([b"small"] * 130, 64)] == [64, 64, 2]


def test_a_pipe_is_a_file(tmp_path):
    """What has no length is read to its end."""
    read, write = os.pipe()
    os.write(write, b"abc")
    os.close(write)
    assert encoded(f"/dev/fd/{read}") == b"abc"
    os.close(read)
