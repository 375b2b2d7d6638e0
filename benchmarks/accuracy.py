"""Accuracy through the API against accuracy offline, on originals and on photos made of them.

`make accuracy` starts the service with what is published in `models/`, sends the whole test set as
PNG files, then 1,000 photos of each kind, and prints both accuracies, with those of a plain resize
for comparison.
"""

import io
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks import results
from benchmarks.photos.plain_resize import plain_resize
from vitrine_client import Client, Prediction
from vitrine_client.process.addresses import Addresses
from vitrine_serving.stack import Stack
from vitrine_training.data.fashion_mnist import Split, load
from vitrine_training.evaluation.metrics import class_ids_of
from vitrine_training.photos import CATALOGUE as KINDS
from vitrine_training.publish import versions as publish

BATCH = 200
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
    results = client.predict_many(pictures, model, batch_size=BATCH)
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


@click.command()
@click.argument("models", nargs=-1)
@click.option("--models-dir", default="models", type=click.Path(path_type=Path), show_default=True)
@click.option("--photos", default=1000, show_default=True, help="Photos of each kind.")
@click.option("--port", default=18080, show_default=True, help="The gateway's; +1 and +2 follow.")
def main(models: tuple[str, ...], models_dir: Path, photos: int, port: int) -> None:
    """Compare accuracy of MODELS (softmax and mlp) through the API with accuracy offline."""
    test = load().test
    few = Split(test.images[:photos], test.labels[:photos])
    pictures = list(pngs(test.images))
    addresses = Addresses("127.0.0.1", port, port + 1, port + 2)
    figures = {}
    with Stack(models_dir, addresses, quiet=True) as stack, Client(addresses.url) as client:
        stack.wait_until_ready(120)
        for model in models or ("softmax", "mlp"):
            version_dir = publish.latest(models_dir, model)
            offline = class_ids_of(version_dir, test.images)
            answers = class_ids_through_api(client, model, pictures)
            originals = float(np.mean(offline[:photos] == few.labels))
            by_kind = photo_accuracies(client, model, version_dir, few)
            figures[model] = {
                "offline": float(np.mean(offline == test.labels)),
                "through_api": float(np.mean(answers == test.labels)),
                "same_class": int(np.sum(answers == offline)),
                "images": len(test),
                "originals": originals,
                "photos": {
                    name: {
                        "through_api": found.through_api,
                        "lost_points": round(100 * (originals - found.through_api), 1),
                        "plain_resize": found.plain_resize,
                    }
                    for name, found in by_kind.items()
                },
            }
            _show(model, figures[model])
    Console().print(f"Written to {results.write('accuracy', figures)}")


def _show(model: str, figures: dict) -> None:
    console = Console(highlight=False)
    console.print(
        f"\n[bold]{model}[/]: offline {figures['offline']:.4f}, through the API "
        f"{figures['through_api']:.4f}; the same class for {figures['same_class']:,} of "
        f"{figures['images']:,} images"
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("photos", "through the API", "lost points", "plain resize"):
        table.add_column(heading, justify="left" if heading == "photos" else "right")
    table.add_row("(originals)", f"{figures['originals']:.3f}", "", "")
    for name, found in figures["photos"].items():
        lost = f"{found['lost_points']:.1f}"
        table.add_row(name, f"{found['through_api']:.3f}", lost, f"{found['plain_resize']:.3f}")
    console.print(table)


if __name__ == "__main__":
    main()
