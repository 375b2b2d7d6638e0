"""`python -m benchmarks.own_data`: what own pictures take, beside Keras' reader of folders.

Two folders are made: small grey PNGs, all of them different, and photos of a megapixel. Of those a
few are drawn and the others are hard links to them: each name is opened, read and decoded as a file
of its own, but what the system keeps of files in memory is that of the few, for Keras as well.

Each reading is a process of its own, in turn, from warm files: ours without a cache, Keras', ours
again. Seconds are from the call of the reader to its last picture, imports excepted.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks import results
from harness.processes import rss_mb

CLASSES = 10
DISTINCT_PHOTOS = 200
PHOTO = (1152, 864)
"""Width and height of a photo: a megapixel."""

_BATCH = 1000
_LOOK_EVERY_S = 0.2
_OCTAVES = ((4, 90.0), (16, 50.0), (64, 30.0), (256, 22.0))
"""Random fields that a photo is the sum of: how many points wide, and how strong."""


@dataclass(frozen=True)
class Reading:
    """Reading of a folder: pictures, seconds, processor time of all processes, and their memory."""

    pictures: int
    wall_s: float
    processor_s: float
    peak_mb: float = 0.0


def place(folder: Path, number: int, form: str) -> Path:
    """Returns the path of a picture in its class."""
    return folder / f"{number % CLASSES}" / f"{number:06}.{form}"


def make_classes(folder: Path) -> None:
    """Makes the folders of the classes."""
    for label in range(CLASSES):
        (folder / f"{label}").mkdir(parents=True)


def write_small(folder: Path, count: int) -> None:
    """Writes PNGs of 28x28 that are smooth, as drawings and clothes are, and all different."""
    make_classes(folder)
    drawn = np.random.default_rng(1)
    at = np.arange(28) * 5 / 27
    across = np.maximum(0, 1 - np.abs(at[:, None] - np.arange(6)))  # bilinear, [28, 6]
    for first in range(0, count, _BATCH):
        points = drawn.uniform(-80, 300, (min(_BATCH, count - first), 6, 6))
        pixels = (across @ points @ across.T).clip(0, 255).astype(np.uint8)
        for number, each in enumerate(pixels, first):
            Image.fromarray(each).save(place(folder, number, "png"))


def write_photos(folder: Path, count: int, distinct: int = DISTINCT_PHOTOS) -> None:
    """Writes JPEGs of a megapixel, a few different ones under many names."""
    make_classes(folder)
    drawn = np.random.default_rng(2)
    for number in range(count):
        path = place(folder, number, "jpg")
        if number < distinct:
            photo(drawn).save(path, quality=85)
        else:
            os.link(place(folder, number % distinct, "jpg"), path)


def photo(drawn: np.random.Generator) -> Image.Image:
    """Returns what is like a photo to a decoder: a file of some 250 kB, with colours, shapes of all
    sizes and grain."""
    width, height = PHOTO
    levels = np.full((height, width, 3), 120, np.float32)
    for wide, strength in _OCTAVES:
        field = drawn.standard_normal((wide * 3 // 4 + 1, wide + 1, 3)).astype(np.float32)
        for channel in range(3):
            small = Image.fromarray(field[..., channel])
            levels[..., channel] += strength * np.asarray(
                small.resize(PHOTO, Image.Resampling.BICUBIC)
            )
    levels += 5 * drawn.standard_normal((height, width, 1)).astype(np.float32)
    return Image.fromarray(levels.clip(0, 255).astype(np.uint8))


def read_ours(folder: Path, side: int, cache: Path) -> int:
    """Reads a folder as `vitrine-train --data` does; returns how many pictures it has."""
    from vitrine_training.data.own.finding import load

    data = load(folder, size=side, cache=cache)
    return sum(len(part) for part in data.parts.values())


def read_keras(folder: Path, side: int, _: Path) -> int:
    """Reads a folder once by Keras, as its documentation does, in as many channels as ours has."""
    import keras

    grey = next(folder.glob("*/*")).suffix == ".png"
    found = keras.utils.image_dataset_from_directory(
        folder,
        image_size=(side, side),
        color_mode="grayscale" if grey else "rgb",
        batch_size=256,
        shuffle=False,
        verbose=0,
    )
    return sum(len(labels) for _, labels in found)


READERS: dict[str, Callable[[Path, int, Path], int]] = {"ours": read_ours, "keras": read_keras}


def read_here(reader: str, folder: Path, side: int, cache: Path) -> None:
    """Reads a folder in this process, and prints what it took."""
    if reader == "keras":
        import keras  # noqa: F401  its import is not what is measured
    else:
        import vitrine_training.data.own.folders  # noqa: F401
    before, began_s = _processor_s(), time.perf_counter()
    pictures = READERS[reader](folder, side, cache)
    took_s = time.perf_counter() - began_s
    print(json.dumps([pictures, took_s, _processor_s() - before]))


def _processor_s() -> float:
    """Returns the processor time of this process and of those that it started and that ended."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def read_apart(reader: str, folder: Path, side: int, cache: Path) -> Reading:
    """Reads a folder in a process of its own, and watches the memory of it and of those that it
    starts."""
    words = [sys.executable, "-m", __spec__.name, "--read", reader, "--side", str(side)]
    words += ["--folder", str(folder), "--cache", str(cache)]
    quiet = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=quiet) as process:
        peak = _Peak(process.pid)
        peak.start()
        output, _ = process.communicate()
        peak.stop()
    if process.returncode:
        raise click.ClickException(f"Reading by {reader} ended with {process.returncode}")
    pictures, wall_s, processor_s = json.loads(output.splitlines()[-1])
    return Reading(pictures, wall_s, processor_s, peak.mb)


class _Peak(threading.Thread):
    """Peak of the memory in MB of a process and of those below it; pages that they share count in
    each."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._end = pid, threading.Event()
        self.mb = 0.0

    def run(self) -> None:
        while not self._end.wait(_LOOK_EVERY_S):
            self.mb = max(self.mb, sum(rss_mb(self._pid)))

    def stop(self) -> None:
        self._end.set()
        self.join()


def warm(folder: Path) -> None:
    """Reads all files, so that none comes from the disk later."""
    for path in folder.glob("*/*"):
        path.read_bytes()


def compare(folder: Path, side: int, rounds: int, scratch: Path) -> dict[str, list[Reading]]:
    """Returns the readings of a folder, one a round: ours, Keras', and ours with its map."""
    found: dict[str, list[Reading]] = {"ours": [], "keras": [], "second start": []}
    warm(folder)
    for number in range(rounds):
        cache = scratch / f"cache-{folder.name}-{number}"
        found["ours"].append(read_apart("ours", folder, side, cache))
        found["keras"].append(read_apart("keras", folder, side, cache))
        found["second start"].append(read_apart("ours", folder, side, cache))
    return found


def figures_of(readings: dict[str, list[Reading]]) -> dict[str, dict[str, float]]:
    """Returns medians by reader, and how many times as fast as Keras' each is, by the clock and by
    processor time: ratios within a round, then their median."""
    keras = readings["keras"]
    return {
        name: {
            "pictures": found[0].pictures,
            "wall_s": statistics.median(each.wall_s for each in found),
            "processor_s": statistics.median(each.processor_s for each in found),
            "peak_mb": max(each.peak_mb for each in found),
            "speed_by_wall": statistics.median(
                theirs.wall_s / each.wall_s for each, theirs in zip(found, keras, strict=True)
            ),
            "speed_by_processor": statistics.median(
                theirs.processor_s / each.processor_s
                for each, theirs in zip(found, keras, strict=True)
            ),
        }
        for name, found in readings.items()
    }


def table_of(figures: dict[str, dict[str, dict[str, float]]]) -> Table:
    """Returns the figures as a table; "of Keras" is how many times as fast each reader is."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    left = ("pictures", "reader")
    for heading in (*left, "number", "s", "a second", "of Keras", "CPU s", "of Keras", "MB"):
        table.add_column(heading, justify="left" if heading in left else "right")
    for folder, by_reader in figures.items():
        for reader, found in by_reader.items():
            table.add_row(
                *(folder, reader, f"{found['pictures']:,}", f"{found['wall_s']:.1f}"),
                *(f"{found['pictures'] / found['wall_s']:,.0f}", f"{found['speed_by_wall']:.2f}"),
                *(f"{found['processor_s']:.1f}", f"{found['speed_by_processor']:.2f}"),
                f"{found['peak_mb']:,.0f}",
            )
    return table


@click.command()
@click.option("--files", default=2_000, show_default=True, help="Small pictures, 0 for none.")
@click.option("--photos", default=100, show_default=True, help="Photos of 1 MP, 0 for none.")
@click.option("--rounds", default=1, show_default=True)
@click.option("--photo-side", default=64, show_default=True, help="Pixels of a photo's side, read.")
@click.option("--scratch", type=click.Path(path_type=Path), help="Folder for a folder of it all.")
@click.option("--read", type=click.Choice(list(READERS)), hidden=True)
@click.option("--folder", type=click.Path(path_type=Path), hidden=True)
@click.option("--cache", type=click.Path(path_type=Path), hidden=True)
@click.option("--side", default=28, hidden=True)
def main(
    files: int,
    photos: int,
    rounds: int,
    photo_side: int,
    scratch: Path | None,
    read: str | None,
    folder: Path,
    cache: Path,
    side: int,
) -> None:
    """Compare what decoding own pictures takes with Keras' reader, and a second start with both."""
    if read:
        read_here(read, folder, side, cache)
        return
    console = Console(highlight=False)
    figures = {}
    with tempfile.TemporaryDirectory(dir=scratch) as made:
        for name, count, of_side, write in (
            ("28x28 PNG", files, 28, write_small),
            (f"1 MP JPEG at {photo_side}", photos, photo_side, write_photos),
        ):
            if count:
                pictures = Path(made) / write.__name__
                console.print(f"Making {count:,} {name}")
                write(pictures, count)
                figures[name] = figures_of(compare(pictures, of_side, rounds, Path(made)))
    console.print(table_of(figures))
    load = f"{os.getloadavg()[2]:.1f} on {os.cpu_count()} cores"
    console.print(f"Load of the machine in the last 15 minutes: {load}")
    console.print(f"Written to {results.write('own_data', {'load': load, **figures})}")


if __name__ == "__main__":
    main()
