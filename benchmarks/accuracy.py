"""Accuracy through the API against accuracy offline, on originals and on photos made of them.

`make accuracy` starts the service with what is published in `models/`, sends the whole test set as
PNG files, then 1,000 photos of each kind, and prints both accuracies, with those of a plain resize
for comparison.
"""

from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import results
from benchmarks.published import newest_version
from harness.accuracy import class_ids_through_api, photo_accuracies, pngs
from vitrine_client import Client
from vitrine_client.process.addresses import Addresses
from vitrine_serving.stack import Stack
from vitrine_training.data.fashion_mnist import Split, load
from vitrine_training.evaluation.metrics import class_ids_of


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
        stack.wait_until_settled(120)
        for model in models or ("softmax", "mlp"):
            version_dir = newest_version(models_dir, model)
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


def _show(model: str, figures: dict[str, Any]) -> None:
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
