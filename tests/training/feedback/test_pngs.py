"""Pictures of a prediction log: those of the data's shape are read, and no others decoded."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.training.feedback.made_feedback import noise
from vitrine_training.data.feedback.pngs import read_pixels


def saved(image, kind="PNG", **how):
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def png(pixels, mode=None):
    image = Image.fromarray(pixels)
    return saved(image.convert(mode) if mode else image)


GREY, COLOUR = noise(1, 9, 9)[0], noise(1, 9, 9, 3)[0]


@pytest.mark.parametrize("pixels", [GREY, COLOUR], ids=["grey", "colour"])
def test_pixels_are_as_they_were(pixels):
    assert (read_pixels(png(pixels), pixels.shape) == pixels).all()


def chunk(name, content):
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def claiming(width, height, rest=b""):
    """A file that says that it is so large."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + rest


def texts(megabytes):
    """A picture of the right size with a text in it that unpacks to so much."""
    text = zlib.compress(b"x" * (megabytes << 20))
    content = png(GREY)
    return content[:33] + chunk(b"zTXt", b"a\0\0" + text) + content[33:]


REFUSED = {
    "nothing": b"",
    "no picture": b"hello",
    "JPEG": saved(Image.fromarray(GREY), "JPEG"),
    "GIF": saved(Image.fromarray(GREY), "GIF"),
    "other size": png(noise(1, 9, 8)[0]),
    "in colour": png(COLOUR),
    "see-through": png(GREY, "LA"),
    "a palette": png(GREY, "P"),
    "a bit each": png(GREY, "1"),
    "16 bits": saved(Image.fromarray(GREY.astype(np.uint16) * 257)),
    "animated": saved(
        Image.fromarray(GREY), save_all=True, append_images=[Image.fromarray(255 - GREY)]
    ),
    "cut": png(GREY)[:60],
    "a head alone": claiming(9, 9),
    "huge": claiming(2**31 - 1, 2**31 - 1),
    "a large one behind the right size": claiming(9, 9, claiming(60_000, 60_000)[8:]),
    "a text of a gigabyte": texts(200),
}


@pytest.mark.parametrize("content", REFUSED.values(), ids=REFUSED)
def test_others_are_refused(content):
    with pytest.raises(ValueError, match=r"no plain PNG|damaged|not 9x9|not grey"):
        read_pixels(content, (9, 9))


def test_the_message_says_the_shapes():
    with pytest.raises(ValueError, match=r"^28x28, not 9x9$"):
        read_pixels(png(noise(1, 28, 28)[0]), (9, 9))
    with pytest.raises(ValueError, match=r"^grey, not in colour$"):
        read_pixels(png(GREY), (9, 9, 3))
