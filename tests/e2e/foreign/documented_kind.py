"""Foreign export by the lines of docs/your-own-model.md, as they stand there."""

import contextlib
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

import keras
import numpy as np

from tests.docs.pages import PAGES, fences
from tests.e2e.foreign.networks import convolution, head
from tests.e2e.foreign.pictures import Pictures
from tests.e2e.foreign.preparing import stretched
from tests.e2e.foreign.spec import Export

(LINES,) = (
    content
    for language, content in fences(PAGES["docs/your-own-model.md"])
    if language == "py" and "def describe" in content
)


def documented(photos: Pictures) -> Export:
    """Returns the export of a network of three classes that takes levels of 0..255, and has a layer
    that is random in training."""
    prepare = stretched(32, divisor=1)
    layers = keras.layers.RandomFlip(seed=1), keras.layers.Rescaling(1 / 255)
    body = convolution((32, 32, 3), "float32", *layers)
    model = keras.Model(body.input, head(body, photos, prepare, classes=3)(body.output))

    def save(target: str) -> None:
        place = Path(target).absolute()
        with TemporaryDirectory() as folder, contextlib.chdir(folder):
            model.save("pets.keras")
            exec(compile(LINES, "docs/your-own-model.md", "exec"), {})  # noqa: S102 - our own
            shutil.copytree("models/pets/1", place)

    return Export(
        save=save,
        answer=lambda images: np.asarray(model(images, training=False)),
        pictures=photos,
        prepare=prepare,
        inputs={"images": np.round(prepare(photos.pixels[1])[None], 2)},
        labels=("cat", "dog", "hen"),
        profile={"scaling": "0..255", "input": "images", "output": "probabilities"},
    )
