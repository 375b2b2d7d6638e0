"""Pipelines: common ways in which pictures become what a model is trained with."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

from vitrine_client.images.preprocessing import fit_picture
from vitrine_client.results.profiles.profile import ModelProfile

FloatLevels = npt.NDArray[np.float32]
"""Pictures, [n, height, width, 3], in 0..255."""


class Pipeline(NamedTuple):
    """A way to read pictures: its name, the profile's `resize` that is the same, and itself."""

    name: str
    resize: str
    read: Callable[[Sequence[Path], int], FloatLevels]


def _by_keras(paths: Sequence[Path], side: int) -> FloatLevels:
    """Reads the folder that the files of all classes are in."""
    batches = keras.utils.image_dataset_from_directory(
        paths[0].parent.parent, image_size=(side, side), shuffle=False, verbose=False
    )
    if batches.file_paths != [str(path) for path in paths]:
        raise ValueError("Keras reads the files in another order")
    return np.concatenate([np.asarray(images) for images, _ in batches])


def _by_tensorflow(*, antialias: bool) -> Callable[[Sequence[Path], int], FloatLevels]:
    def read(paths: Sequence[Path], side: int) -> FloatLevels:
        decoded = (_decoded(path) for path in paths)
        resized = [tf.image.resize(each, (side, side), antialias=antialias) for each in decoded]
        return np.stack(resized)

    return read


def _decoded(path: Path) -> tf.Tensor:
    content = tf.io.read_file(str(path))
    if path.suffix == ".jpg":  # decode_image cannot be told to be exact
        return tf.io.decode_jpeg(content, 3, dct_method="INTEGER_ACCURATE")
    return tf.io.decode_png(content, 3)


def _by_load_img(paths: Sequence[Path], side: int) -> FloatLevels:
    return np.stack(
        [np.asarray(keras.utils.load_img(p, target_size=(side, side)), np.float32) for p in paths]
    )


def _by_pillow(paths: Sequence[Path], side: int) -> FloatLevels:
    """As torchvision's `ImageFolder` and `Resize` do it."""
    size = side, side
    images = (Image.open(path).convert("RGB") for path in paths)
    return np.stack(
        [np.asarray(each.resize(size, Image.Resampling.BILINEAR), np.float32) for each in images]
    )


PIPELINES = (
    Pipeline("image_dataset_from_directory", "bilinear", _by_keras),
    Pipeline("tf.image.resize", "bilinear", _by_tensorflow(antialias=False)),
    Pipeline("tf.image.resize, antialias", "bilinear-antialias", _by_tensorflow(antialias=True)),
    Pipeline("load_img", "nearest", _by_load_img),
    Pipeline("torchvision's Resize", "pillow-bilinear", _by_pillow),
)

RESIZES = tuple(dict.fromkeys(each.resize for each in PIPELINES))


def served(paths: Sequence[Path], profile: ModelProfile) -> FloatLevels:
    """Returns what the gateway makes of files by a profile."""
    return np.stack([np.float32(fit_picture(path, profile).instance) for path in paths])
