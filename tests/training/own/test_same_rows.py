"""Pictures in folders and in arrays: the same ones give the same rows."""

import numpy as np
import pytest
from PIL import Image

from tests.training.own.made_arrays import SEED, WRITERS, write_npz
from vitrine_training.data.own.finding import load

pytest.importorskip("vitrine_training.data.own.folders")

KINDS = {
    "png": ((8, 8), 12),
    "bmp": ((28, 28), 10),
    "tiff": ((9, 9), 3),
    "webp": ((32, 32, 3), 2),
}
"""Shapes and numbers of classes by a lossless format."""


def in_folders(folder, images, labels, suffix):
    """Writes a picture each, in the folder of its class."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        options = {"lossless": True} if suffix == "webp" else {}
        Image.fromarray(image).save(folder / str(label) / f"{number}.{suffix}", **options)
    return folder


@pytest.mark.parametrize(("suffix", "kind"), KINDS.items(), ids=KINDS)
def test_files_give_the_rows_of_arrays(tmp_path, suffix, kind):
    shape, classes = kind
    drawn = np.random.default_rng(SEED)
    images = drawn.integers(0, 256, (60, *shape), np.uint8)
    labels = drawn.permutation(np.arange(60) % classes)
    files = load(
        in_folders(tmp_path / "files", images, labels, suffix),
        size=shape[0],
        cache=tmp_path / "cache",
    )
    for write in WRITERS.values():
        arrays = load(write(tmp_path, images, labels))
        assert arrays.classes == files.classes
        assert arrays.checksums == files.checksums
        for name in ("images", "labels"):
            rows = (getattr(data.parts["all"], name) for data in (arrays, files))
            assert np.array_equal(*rows)


def test_sixteen_bits_give_the_same_levels(tmp_path):
    drawn = np.random.default_rng(SEED)
    images = drawn.integers(0, 65_536, (40, 8, 8), np.uint16)
    labels = np.arange(40) % 2
    files = load(
        in_folders(tmp_path / "files", images, labels, "png"), size=8, cache=tmp_path / "cache"
    )
    assert load(write_npz(tmp_path, images, labels)).checksums == files.checksums
