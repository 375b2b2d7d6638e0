"""Photos in a folder for each class, and a CNN that is trained with them as Keras' tutorials do it:
read by `image_dataset_from_directory`, in colour, whatever their sizes and proportions."""

from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
from PIL import Image

from harness.paths import SAMPLES
from tests.e2e.foreign.pictures import Array

COUNT = 1_000
SIDE = 48
SIDES = (17, 120)
"""Least and greatest height and width of a photo: one side may be seven times the other."""

FORMATS = (*[(".png", "RGB")] * 5, (".png", "L"), (".png", "P"), (".png", "RGBA"), (".bmp", "RGB"))
"""Of photos of a class, one after the other, by their suffixes and Pillow's modes: most are in true
colours, some have one channel, a palette, or a channel of opacity."""

EPOCHS = 6

layers = keras.layers


def draw(folder: Path) -> None:
    """Writes photos of all samples: `<label>/<number>` in several formats that lose nothing."""
    items = {path.stem: _mask(path) for path in SAMPLES}
    for number in range(COUNT):
        label, mask = list(items.items())[number % len(items)]
        (folder / label).mkdir(parents=True, exist_ok=True)
        photo = Image.fromarray(_drawn(mask, np.random.default_rng(number)))
        suffix, mode = FORMATS[number // len(items) % len(FORMATS)]
        photo.convert(mode).save(folder / label / f"{number:04}{suffix}")


def _mask(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("L")


def _drawn(mask: Image.Image, random: np.random.Generator) -> Array:
    """Draws an item in a colour of its own, with light from a side, and fine grain."""
    height, width = random.integers(*SIDES, 2, endpoint=True)
    ground, colour = random.integers(0, 256, (2, 3))
    light = np.linspace(*random.uniform(0.4, 1.2, 2), width)[:, np.newaxis]
    share = np.asarray(mask.resize((width, height), Image.Resampling.BICUBIC), float) / 255
    photo = ground * light + share[..., np.newaxis] * (colour - ground * light)
    return np.rint(photo + random.normal(0, 20, photo.shape)).clip(0, 255).astype(np.uint8)


class Trained(NamedTuple):
    """A CNN; the files of its photos, in Keras' order, the labels of its classes, and the logits
    that Keras answers in memory, [n, classes]."""

    model: keras.Model
    files: list[Path]
    labels: list[str]
    logits: Array


def trained(folder: Path) -> Trained:
    """Trains a CNN with the photos of a folder, as Keras reads them."""
    keras.utils.set_random_seed(0)
    read = keras.utils.image_dataset_from_directory(
        folder, image_size=(SIDE, SIDE), batch_size=100, shuffle=False, verbose=False
    )
    parts = [(np.asarray(images), np.asarray(class_ids)) for images, class_ids in read]
    images, class_ids = (np.concatenate(each) for each in zip(*parts, strict=True))
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 3)),
            layers.Rescaling(1 / 255),
            layers.RandomFlip("horizontal"),
            layers.Conv2D(16, 3, strides=2, activation="relu"),
            layers.Conv2D(32, 3, strides=2, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.2),
            layers.Dense(len(read.class_names)),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(3e-3), loss, steps_per_execution=10)
    model.fit(images, class_ids, batch_size=50, epochs=EPOCHS, verbose=0)
    logits = model.predict(images, batch_size=100, verbose=0)
    files = [Path(each) for each in read.file_paths]
    return Trained(model, files, read.class_names, logits)
