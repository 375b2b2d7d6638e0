"""How the benchmark of own data makes folders, reads them each in a process, and compares."""

import io

import numpy as np
import pytest
from PIL import Image

from benchmarks.own_data import (
    CLASSES,
    PHOTO,
    Reading,
    compare,
    figures_of,
    photo,
    write_photos,
    write_small,
)

FILES = 40


@pytest.fixture
def folder(tmp_path):
    write_small(tmp_path / "small", FILES)
    return tmp_path / "small"


def test_small_pictures_are_all_different(folder):
    files = sorted(folder.glob("*/*.png"))
    assert len(files) == FILES
    assert len({path.parent for path in files}) == CLASSES
    assert len({np.asarray(Image.open(path)).tobytes() for path in files}) == FILES
    assert {(Image.open(path).size, Image.open(path).mode) for path in files} == {((28, 28), "L")}


def test_photos_are_files_as_large_as_those_of_cameras(tmp_path):
    file = io.BytesIO()
    photo(np.random.default_rng(0)).save(file, "JPEG", quality=85)
    assert 200_000 < len(file.getvalue()) < 300_000
    assert Image.open(file).size == PHOTO
    write_photos(tmp_path / "photos", 6, distinct=2)
    found = list((tmp_path / "photos").glob("*/*.jpg"))
    assert len(found) == 6
    assert len({path.stat().st_ino for path in found}) == 2


def test_readings_are_of_all_pictures(folder, tmp_path):
    found = compare(folder, 28, 1, tmp_path)
    assert {name: [each.pictures for each in readings] for name, readings in found.items()} == {
        "ours": [FILES],
        "keras": [FILES],
        "second start": [FILES],
    }
    every = [each for readings in found.values() for each in readings]
    assert all(each.wall_s > 0 and each.peak_mb > 10 for each in every)


def test_ratios_are_those_within_a_round():
    found = {
        "ours": [Reading(10, 1.0, 2.0, 50.0), Reading(10, 4.0, 4.0, 70.0)],
        "keras": [Reading(10, 2.0, 2.0, 90.0), Reading(10, 16.0, 12.0, 80.0)],
    }
    figures = figures_of(found)
    assert figures["ours"]["speed_by_wall"] == 3.0
    assert figures["ours"]["speed_by_processor"] == 2.0
    assert figures["ours"]["peak_mb"] == 70.0
    assert figures["keras"]["speed_by_wall"] == 1.0
