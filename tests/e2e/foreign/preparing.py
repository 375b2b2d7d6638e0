"""Preprocessing of pictures as those do it who train: by TensorFlow, Keras and Pillow."""

import io
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from PIL import Image

from tests.e2e.foreign.pictures import Array

Prepare = Callable[[Array], Array]
"""Makes of a picture, uint8 [h, w] or [h, w, 3], what a model takes of it, without the batch."""


def row(pixels: Array) -> Array:
    """Returns a row of Fashion-MNIST as float32 [28, 28] in 0..1."""
    return np.asarray(pixels, np.float32) / 255


def row_with_axis(pixels: Array) -> Array:
    """Returns a row as float32 [28, 28, 1] in 0..1."""
    return row(pixels)[..., None]


def stretched(side: int, dtype: str = "float32", divisor: float = 255) -> Prepare:
    """Returns `tf.image.resize` to a square, whose levels are divided, or cast to whole ones."""

    def prepare(pixels: Array) -> Array:
        resized = tf.image.resize(pixels, (side, side))
        return np.asarray(tf.cast(resized if dtype == "uint8" else resized / divisor, dtype))

    return prepare


def padded(side: int) -> Prepare:
    """Returns `tf.image.resize_with_pad`, antialiased."""

    def prepare(pixels: Array) -> Array:
        return np.asarray(tf.image.resize_with_pad(pixels, side, side, antialias=True)) / 255

    return prepare


def whole(pixels: Array) -> Array:
    """Returns a picture of its own size, float32 in 0..1."""
    return np.asarray(pixels, np.float32) / 255


def loaded(side: int) -> Prepare:
    """Returns Keras' `load_img` of grey levels, which takes the nearest pixel."""

    def prepare(pixels: Array) -> Array:
        image = keras.utils.load_img(
            io.BytesIO(png(pixels)), color_mode="grayscale", target_size=(side, side)
        )
        return np.asarray(keras.utils.img_to_array(image), np.float32) / 255

    return prepare


MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet, as torchvision has them."""


def cropped(side: int) -> Prepare:
    """Returns torchvision's `Resize`, `CenterCrop`, `ToTensor` and `Normalize`, over Pillow."""

    def prepare(pixels: Array) -> Array:
        height, width = pixels.shape[:2]
        shorter = min(height, width)
        size = int(side * width / shorter), int(side * height / shorter)
        resized = Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR)
        left, top = ((edge - side) // 2 for edge in size)
        square = resized.crop((left, top, left + side, top + side))
        levels = np.asarray(square, np.float32) / 255
        return ((levels - MEAN) / STD).astype(np.float32)

    return prepare


def png(pixels: Array) -> bytes:
    """Returns a picture as a file."""
    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "png")
    return target.getvalue()
