"""Made data: small grey pictures that are like scikit-learn's digits, written in each form."""

import gzip
from pathlib import Path

import numpy as np
import numpy.typing as npt

Pixels = npt.NDArray[np.uint8]
Ids = npt.NDArray[np.int64]

SEED = 16


def digits(count: int = 250, size: int = 8, classes: int = 10) -> tuple[Pixels, Ids]:
    """Pictures of so many classes, in no order; all of them in turn, so that each has as many."""
    drawn = np.random.default_rng(SEED)
    labels = drawn.permutation(np.arange(count) % classes)
    means = drawn.integers(0, 200, (classes, size, size))
    images = means[labels] + drawn.integers(0, 56, (count, size, size))
    return images.astype(np.uint8), labels


def colours(count: int = 60, size: int = 8) -> tuple[Pixels, Ids]:
    """Pictures in colour of two classes."""
    drawn = np.random.default_rng(SEED)
    return drawn.integers(0, 256, (count, size, size, 3), np.uint8), np.arange(count) % 2


def idx(array: npt.NDArray[np.generic], code: int = 0x08) -> bytes:
    """Bytes of an IDX file of an array, whose numbers are big-endian already."""
    return (
        bytes([0, 0, code, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
    )


def write_npz(folder: Path, images: Pixels, labels: Ids) -> Path:
    path = folder / "digits.npz"
    np.savez_compressed(path, x=images, y=labels)
    return path


def write_idx(folder: Path, images: Pixels, labels: Ids) -> Path:
    path = folder / "idx"
    path.mkdir()
    (path / "images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(images)))
    (path / "labels-idx1-ubyte").write_bytes(idx(labels.astype(np.uint8)))
    return path


def csv_text(images: Pixels, labels: Ids, label_first: bool = True) -> str:
    """Lines without a header."""
    flat = images.reshape(len(images), -1)
    columns = (labels, flat) if label_first else (flat, labels)
    return "".join(",".join(map(str, row)) + "\n" for row in np.column_stack(columns).tolist())


def write_csv(folder: Path, images: Pixels, labels: Ids) -> Path:
    path = folder / "digits.csv.gz"
    path.write_bytes(gzip.compress(csv_text(images, labels).encode()))
    return path


WRITERS = {"npz": write_npz, "IDX": write_idx, "CSV": write_csv}
