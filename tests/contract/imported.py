"""Imported model of the cases: a small CNN of Keras, as `vitrine-train import` publishes it.

Pictures are 8x8 pixels in colour, in levels of 0 to 255. The logit of `red` is the sum of the
largest red levels of nine squares of 2x2 pixels, which leave out the border; that of `green` is the
same of green ones, and that of `neither` is 2. So the logits of whole levels, and attributions, are
whole numbers, in whatever order they are summed.
"""

import shutil
import tempfile
from pathlib import Path

import keras
import numpy as np
from click.testing import CliRunner

from vitrine_training.cli.imports import import_model

SHAPE = (8, 8, 3)
LABELS = ("red", "green", "neither")
OPTIONS = ("--scale=0..255", "--kind=logits")

layers = keras.layers


def _cnn() -> keras.Model:
    """Makes the CNN; a layer in it is random in training, and off once it is imported."""
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(2, 3, activation="relu", use_bias=False),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dropout(0.5),
            layers.Dense(len(LABELS)),
        ]
    )
    red_and_green = np.zeros((3, 3, 3, 2), np.float32)
    red_and_green[1, 1, 0, 0] = red_and_green[1, 1, 1, 1] = 1
    sums = np.tile(np.eye(2, 3, dtype=np.float32), (9, 1))
    model.set_weights([red_and_green, sums, np.array([0, 0, 2], np.float32)])
    return model


def export(version: Path) -> None:
    """Writes a version by the command."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        model, labels = folder / "cnn.keras", folder / "labels.txt"
        _cnn().save(model)
        labels.write_text("\n".join(LABELS))
        words = [model, "--as=imported", f"--models-dir={folder}", f"--labels={labels}", *OPTIONS]
        done = CliRunner().invoke(import_model, [str(word) for word in words])
        if done.exit_code:
            raise RuntimeError(done.output)
        shutil.move(folder / "imported" / "1", version)
