"""Accuracy through the API: of the test set as PNG files, and of photos made of it.

A plain resize, as most people write first, is asked beside it.
"""

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.progress import track

from vitrine_client import Client, Prediction
from vitrine_training.data.fashion_mnist import Split
from vitrine_training.evaluation.metrics import class_ids_of
from vitrine_training.photos import CATALOGUE as KINDS

BATCH, IN_FLIGHT = 20, 2
"""So few that a slow machine answers them within the gateway's deadline: no speed is asked for."""
ClassIds = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PhotoAccuracy:
    """How one kind of photo fared: through the API, and resized without further thought."""

    through_api: float
    plain_resize: float


def pngs(images: npt.NDArray[np.uint8]) -> Iterator[bytes]:
    """Yields each image of uint8 [n, 28, 28] as a PNG file."""
    for image in images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "PNG")
        yield buffer.getvalue()


def class_ids_through_api(client: Client, model: str, pictures: Sequence[bytes]) -> ClassIds:
    """Returns the class ids that the gateway answers, in order; -1 where it refuses a picture."""
    results = client.predict_many(pictures, model, batch_size=BATCH, concurrency=IN_FLIGHT)
    return np.array([r.class_id if isinstance(r, Prediction) else -1 for r in results])


def photo_accuracies(
    client: Client, model: str, version_dir: Path, split: Split
) -> dict[str, PhotoAccuracy]:
    """Photographs each image of `split` in every ordinary way; asks the gateway what it sees."""
    accuracies = {}
    threads = ThreadPoolExecutor(os.cpu_count())  # NumPy and Pillow work outside of Python's lock
    for kind in track(KINDS, f"{model}: photos", transient=True):
        seeds = map(np.random.default_rng, range(len(split.images)))
        photos = list(threads.map(kind.draw, split.images, seeds))
        resized = class_ids_of(version_dir, np.stack(list(threads.map(plain_resize, photos))))
        through_api = class_ids_through_api(client, model, photos)
        accuracies[kind.name] = PhotoAccuracy(
            float(np.mean(through_api == split.labels)), float(np.mean(resized == split.labels))
        )
    return accuracies


def plain_resize(photo: bytes) -> npt.NDArray[np.uint8]:
    """Returns a picture in grey, resized without further thought, uint8 [28, 28]."""
    with Image.open(io.BytesIO(photo)) as image:
        return np.asarray(image.convert("L").resize((28, 28)))
