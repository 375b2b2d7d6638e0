"""Maps of decoded pictures: made once, whole or absent, continued, bounded, and read-only."""

import json
import multiprocessing
import os
import resource
import stat
import time
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from vitrine_training.data.idx import DataError
from vitrine_training.data.own.folders import read_folder
from vitrine_training.data.own.pictures.chunks import DecodingJob, decode_chunk
from vitrine_training.data.own.pictures.decoding import ENDED, RESIZE, Fitting
from vitrine_training.data.own.pictures.pixel_maps import MapIndex, PixelMaps

PICTURES = 96
"""More than are decoded without processes."""

SIZE = 400
"""At which they are several chunks."""

LARGE = 1600
"""At which a few are several chunks."""

FITTING = Fitting(28, "pad", RESIZE, None)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of one level each, which is that of their number."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(PICTURES):
        draw(folder, number)
    return folder


def draw(folder, number, level=None, side=28):
    path = folder / f"{number % 2}" / f"{number:03}.png"
    path.parent.mkdir(exist_ok=True)
    Image.new("L", (side, side), number if level is None else level).save(path)
    return path


class Reader:
    """Reader of folders with a cache of its own, and all that it said."""

    def __init__(self, cache):
        self.cache = cache
        self.said = []

    def __call__(self, folder, **options):
        self.said.clear()
        return read_folder(folder, cache=self.cache, say=self.said.append, **options)

    def levels(self, folder, **options):
        """The levels of all pictures, sorted."""
        images = self(folder, **options).parts["all"].images
        return sorted(images.reshape(len(images), -1).max(axis=1).tolist())


@pytest.fixture
def read(tmp_path):
    return Reader(tmp_path / "cache")


@pytest.fixture
def small(tmp_path):
    for number in range(4):
        draw(tmp_path / "few", number) if number else (tmp_path / "few").mkdir()
    return tmp_path / "few"


def the_map(cache):
    (found,) = [path for path in cache.iterdir() if path.is_dir()]
    return found


def test_processes_give_the_pixels_that_one_gives(folder, read, tmp_path):
    told = []
    data = read(folder, processes=2, on_progress=lambda *news: told.append(news))
    alone = Reader(tmp_path / "other")(folder, processes=1)
    assert (data.parts["all"].images == alone.parts["all"].images).all()
    assert data.checksums == alone.checksums
    assert told[-1] == (PICTURES, PICTURES)
    assert told == sorted(told)
    assert read.said == ["Decoding 96 pictures"]
    assert not multiprocessing.active_children()


def test_a_second_start_decodes_nothing(small, read):
    first = read(small)
    for path in small.rglob("*.png"):  # which the key does not show
        status = path.stat()
        path.write_bytes(bytes(status.st_size))
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    second = read(small)
    assert read.said == []
    assert (first.parts["all"].images == second.parts["all"].images).all()
    assert (first.classes, first.notes, first.checksums) == (
        second.classes,
        second.notes,
        second.checksums,
    )


def test_a_changed_file_is_seen(small, read):
    read(small)
    path = draw(small, 1, level=200)
    assert 200 in read.levels(small)
    os.utime(path, ns=(1, 1))  # its time alone
    read(small)
    assert read.said == ["Decoding 3 pictures"]


@pytest.mark.parametrize("options", [{"size": 14}, {"fit": "crop"}, {"grey": False}])
def test_pictures_that_are_fitted_in_another_way_are_others(small, read, options):
    read(small)
    read(small, **options)
    assert read.said


def test_a_map_is_read_only(small, read):
    images = read(small).parts["all"].images
    assert isinstance(images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0
    for file in the_map(read.cache).iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o444


@pytest.mark.parametrize("name", ["pixels.npy", "index.json"])
@pytest.mark.parametrize("size", [0, 100, None])
def test_a_map_that_is_not_whole_is_made_again(small, read, name, size):
    levels = read.levels(small)
    file = the_map(read.cache) / name
    if size is None:
        file.unlink()
    else:
        os.truncate(file, size)
    assert read.levels(small) == levels
    assert read.said == ["Decoding 3 pictures"]


class Interrupted(Exception):
    """Whoever waits has had enough."""


def interrupt(read, folder, size, **options):
    """Stops decoding after its first chunk."""

    def on_progress(done, count):
        if list(read.cache.glob("*/chunks/*.json")) and done < count:
            raise Interrupted

    with pytest.raises(Interrupted):
        read(folder, size=size, on_progress=on_progress, **options)


def test_an_interrupted_decoding_goes_on(folder, read):
    interrupt(read, folder, SIZE, processes=2)
    assert not multiprocessing.active_children()
    assert not list(read.cache.glob("*/index.json"))
    assert read.levels(folder, size=SIZE) == list(range(PICTURES))
    assert "are there from a decoding that was interrupted" in read.said[0]
    assert list(read.cache.iterdir()) == [the_map(read.cache)]


@pytest.mark.parametrize("suffix", ["pixels", "json"])
@pytest.mark.parametrize("damage", [lambda size: 0, lambda size: size // 2, lambda size: size - 1])
def test_a_chunk_that_is_not_whole_counts_for_nothing(small, read, suffix, damage):
    interrupt(read, small, LARGE)
    for file in read.cache.glob(f"*/chunks/*.{suffix}"):
        os.truncate(file, damage(file.stat().st_size))
    assert read.levels(small, size=LARGE) == [1, 2, 3]
    assert read.said[0] == "Decoding 3 pictures"


def test_a_chunk_that_is_whole_is_kept(small, read):
    interrupt(read, small, LARGE)
    assert read.levels(small, size=LARGE) == [1, 2, 3]
    assert read.said[0].startswith("Decoding 1 pictures; 2 are there from")


def test_a_process_that_is_killed_is_replaced(folder, read):
    killed = []

    def on_progress(done, count):
        if not killed and done < count and (children := multiprocessing.active_children()):
            killed.append(children[0].pid)
            children[0].kill()

    levels = read.levels(folder, size=SIZE, processes=2, on_progress=on_progress)
    assert killed
    assert levels == list(range(PICTURES))


def test_a_file_at_which_processes_end_is_left_out(small):
    paths = ("1/001.png", "0/002.png")
    pixels, record = decode_chunk(str(small), DecodingJob(0, paths, frozenset([1])), FITTING, [0])
    assert pixels.shape == (1, 28, 28)
    assert [(at, reason) for at, reason, _ in record.failures] == [(1, ENDED)]


@contextmanager
def files_up_to(size):
    """Has no file of this process grow beyond a size, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size", [100, 2400])
def test_a_full_disk_is_one_sentence(small, read, size):
    """While a chunk is written, and the map."""
    with files_up_to(size), pytest.raises(DataError) as raised:
        read(small)
    assert "cannot be kept in" in str(raised.value)
    assert "name another place with VITRINE_CACHE_DIR" in str(raised.value)
    assert not list(read.cache.glob("*/index.json"))
    assert read.levels(small) == [1, 2, 3]


def test_a_cache_that_is_none_is_one_sentence(small, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot be kept in .*/file/own: Not a directory; make"):
        read_folder(small, cache=tmp_path / "file" / "own")


def test_the_cache_is_in_the_place_of_the_environment(small, tmp_path, monkeypatch):
    monkeypatch.setenv("VITRINE_CACHE_DIR", str(tmp_path / "named"))
    read_folder(small)
    assert the_map(tmp_path / "named" / "own")


def make_map(maps, key, used_s):
    with maps.being_made(key), maps.writing(key, (10, 10, 10)) as file:
        file.write(bytes(1000))
    with maps.being_made(key):
        gone = maps.publish(key, MapIndex((10, 10, 10), ("a",), {"all": (10,)}, {}, (), ()))
    for file in (maps.root / key).iterdir():
        os.utime(file, (used_s, used_s))
    return gone


def test_the_oldest_maps_go_when_there_are_too_many(tmp_path):
    maps = PixelMaps(tmp_path, most_bytes=3500)  # of which each takes some 1,250
    assert make_map(maps, "a", 2) == []
    assert make_map(maps, "b", 1) == []
    reading, _ = maps.find("b")  # it was used last now
    assert make_map(maps, "c", 3) == ["a"]
    assert make_map(maps, "d", 4) == ["c"]
    assert reading.shape == (10, 10, 10)


def test_old_unfinished_maps_go_first_and_new_ones_stay(tmp_path):
    maps = PixelMaps(tmp_path, most_bytes=2000)
    for key, age_s in (("old", 10_000), ("new", 10)):
        with maps.being_made(key) as chunks:
            (chunks / "0.pixels").write_bytes(bytes(1000))
            for path in (chunks / "0.pixels", chunks, chunks.parent):
                os.utime(path, (time.time() - age_s,) * 2)
    assert make_map(maps, "a", 1) == ["old.unfinished"]
    assert (tmp_path / "new.unfinished").exists()


def test_a_map_of_another_format_is_not_read(tmp_path):
    maps = PixelMaps(tmp_path)
    make_map(maps, "a", 1)
    index = tmp_path / "a" / "index.json"
    content = json.loads(index.read_text())
    index.chmod(0o644)
    index.write_text(json.dumps({**content, "format": 0}))
    assert maps.find("a") is None
