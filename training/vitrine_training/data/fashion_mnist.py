"""Fashion-MNIST: found, checked, parsed and split.

Xiao, Rasul and Vollgraf (2017), https://github.com/zalandoresearch/fashion-mnist, MIT licence.
A directory that is named, by the caller or by `VITRINE_DATA_DIR`, is used or refused. Without one
the four files are looked for in the cache, at the official address, and in Debian's package
`dataset-fashion-mnist`, in that order. Wherever they come from, they count only once the MD5 of
their content is right, and then they are cached.
"""

import filecmp
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import platformdirs

from vitrine_client.store import shared_files
from vitrine_training.data.idx import (
    FILES,
    DataError,
    ForbiddenError,
    MissingError,
    Pixels,
    read_idx,
)
from vitrine_training.data.sources import DEBIAN_PACKAGE, ONLINE, Fetch

LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
"""Class names in the order of their `class_id`, spelt as the data set's authors spell them."""

FACING_LEFT = ("Sandal", "Sneaker", "Ankle boot")
"""The shoes: all but a few of them face left in the data set."""

SIDE = 28
"""Height and width of an image."""

LINEAR_FEATURES, LINEAR_ROWS = 2, 1_000
LINEAR_TRUTH = (2.0, -3.4), 4.2
"""Weights and bias behind the synthetic data, as the text has them."""

VALIDATION_SIZE = 5_000
"""The last rows of the training files, which come in random order, are held out."""

TRAINING_SIZE = FILES[0].shape[0] - VALIDATION_SIZE
"""The rows before those."""


@dataclass(frozen=True)
class Split:
    """Images, uint8 [n, 28, 28], white on black, and their class ids, uint8 [n]."""

    images: Pixels
    labels: Pixels

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """The three splits and the MD5 of the content of each file that they were read from."""

    train: Split
    validation: Split
    test: Split
    checksums: dict[str, str]


@dataclass(frozen=True)
class Points:
    """Rows of y = Xw + b + noise: features, float32 [n, 2], and values, float32 [n, 1]."""

    features: npt.NDArray[np.float32]
    values: npt.NDArray[np.float32]


def synthetic_linear(
    seed: int, rows: int = LINEAR_ROWS, noise: float = 0.01
) -> tuple[Points, Points]:
    """Returns points to train on and to validate on, with normal features and noise.

    The text's `SyntheticRegressionData`; the data follows from the seed.
    """
    rng = np.random.default_rng(seed)
    weights, bias = LINEAR_TRUTH
    features = rng.normal(size=(2 * rows, LINEAR_FEATURES))
    values = features @ np.array(weights)[:, np.newaxis] + bias
    values += rng.normal(scale=noise, size=values.shape)
    x, y = features.astype(np.float32), values.astype(np.float32)
    return Points(x[:rows], y[:rows]), Points(x[rows:], y[rows:])


def named_dir() -> Path | None:
    """`VITRINE_DATA_DIR`, None where it is not set."""
    named = os.environ.get("VITRINE_DATA_DIR")
    return Path(named) if named else None


def default_cache() -> Path:
    """`VITRINE_CACHE_DIR`, or `vitrine` in the user's cache directory."""
    configured = os.environ.get("VITRINE_CACHE_DIR")
    root = Path(configured) if configured else platformdirs.user_cache_path("vitrine")
    return root / "fashion-mnist"


def load(
    data_dir: Path | None = None,
    cache: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Dataset:
    """Returns Fashion-MNIST: 55,000 training, 5,000 validation and 10,000 test images.

    `data_dir` is a directory with the four `.gz` files (`named_dir()`), `cache` where to keep them
    (`default_cache()`), `say` is told of every slow step. Raises `DataError`.
    """
    data_dir, cache = data_dir or named_dir(), cache or default_cache()
    train_x, train_y, test_x, test_y = locate(data_dir, cache, ONLINE, say)
    cut = len(train_y) - VALIDATION_SIZE
    return Dataset(
        train=Split(train_x[:cut], train_y[:cut]),
        validation=Split(train_x[cut:], train_y[cut:]),
        test=Split(test_x, test_y),
        checksums={file.name: file.content_md5 for file in FILES},
    )


def locate(
    data_dir: Path | None, cache: Path, sources: dict[str, Fetch], say: Callable[[str], None]
) -> list[Pixels]:
    """Returns the four arrays in the order of `FILES`, from the first place that has them all.

    A directory that the caller names is the only place, and must be right: a fault in it is
    raised, not worked around. Raises `DataError`, naming every place that was tried and why it
    failed.
    """
    if data_dir is not None:
        _check_has_files(data_dir)
        arrays = _read(data_dir)
        _keep(data_dir, cache, say)
        return arrays
    cached, faults = _from_cache(cache)
    if cached:
        return cached
    failures = [f"  the cache: {fault}" for fault in faults]
    for fault in faults:
        say(f"Not from the cache: {fault}")
    for name, fetch in sources.items():
        with _scratch() as scratch:
            try:
                found = fetch(scratch, say)
                arrays = _read(found)
            except DataError as error:
                failures.append(f"  {name}: {error}")
                continue
            _keep(found, cache, say)
            return arrays
    raise DataError(_ways_out(cache, faults, failures))


@contextmanager
def _scratch() -> Iterator[Path]:
    """A directory for a while. A download that was given up may still write there at its end."""
    prefix = "vitrine-data-"
    with tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as scratch:
        yield Path(scratch)


def _ways_out(cache: Path, faults: list[DataError], failures: list[str]) -> str:
    is_forbidden = any(isinstance(fault, ForbiddenError) for fault in faults)
    own = "name a cache of your own with VITRINE_CACHE_DIR"
    return (
        "Fashion-MNIST could not be had:\n" + "\n".join(failures) + "\nWays out: connect this "
        "machine and try again; or put the four .gz files (listed at "
        "https://github.com/zalandoresearch/fashion-mnist) into a directory and name it with "
        f"--data-dir or VITRINE_DATA_DIR; or {own if is_forbidden else f'copy them to {cache}'}; "
        f"or, on Debian and Ubuntu, `apt-get install {DEBIAN_PACKAGE}`."
    )


def _from_cache(cache: Path) -> tuple[list[Pixels], list[DataError]]:
    """Returns the four arrays, or none, and the faults of files that are there: those found
    elsewhere replace them, if they may be replaced."""
    arrays, faults, missing = [], [], False
    for file in FILES:
        try:
            arrays.append(read_idx(cache / file.name, file))
        except MissingError:
            missing = True
        except DataError as error:
            faults.append(error)
    return ([] if missing or faults else arrays), faults


def _read(directory: Path) -> list[Pixels]:
    return [read_idx(directory / file.name, file) for file in FILES]


def _check_has_files(directory: Path) -> None:
    """Raises `DataError` where a directory lacks files; `read_idx` knows one at a time."""
    try:
        found = {path.name for path in directory.iterdir()}
    except OSError as error:
        raise DataError(
            f"The data directory {directory} cannot be read: {error.strerror}"
        ) from error
    missing = [file.name for file in FILES if file.name not in found]
    if missing:
        raise DataError(
            f"The data directory {directory} lacks {', '.join(missing)}; put all four files of "
            "Fashion-MNIST there, or name no directory (--data-dir or VITRINE_DATA_DIR) to have "
            "them fetched"
        )


def _keep(source: Path, cache: Path, say: Callable[[str], None]) -> None:
    """Copies the four files into the cache, each whole or not at all, for all who may read there.
    A full disk is no reason to stop, because the data is in memory already, but is told."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        for file in FILES:
            if _is_same(source / file.name, cache / file.name):
                continue
            with (
                (source / file.name).open("rb") as found,
                shared_files.replacing(cache / file.name) as kept,
            ):
                shutil.copyfileobj(found, kept)
    except OSError as error:
        say(f"Fashion-MNIST is not kept in {cache} (VITRINE_CACHE_DIR): {error.strerror or error}")


def _is_same(file: Path, kept: Path) -> bool:
    return kept.is_file() and filecmp.cmp(file, kept, shallow=False)
