"""Folder of a sweep: of one data set, for one sweep at a time, and whole."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from vitrine_training.sweep.folder import ABOUT, SweptData, UnusableFolderError, claimed

READING = {"fit": "pad", "label_column": "first"}


def data(source="/pictures", size="28", checksum="a", **reading):
    return SweptData(source, READING | reading, {size: {"train": checksum}})


GOES_ON = {
    "the same": data(),
    "moved, of the same content": data("/moved"),
    "another size": data(size="32", checksum="b"),
}
REFUSED = {
    "other content": data(checksum="b"),
    "other data of another size": data("/others", size="32"),
    "read otherwise": data(fit="crop"),
}


@pytest.mark.parametrize("later", GOES_ON.values(), ids=GOES_ON)
def test_the_same_data_goes_on(tmp_path, later):
    for each in (data(), later, data()):
        with claimed(tmp_path, each):
            pass


@pytest.mark.parametrize("later", REFUSED.values(), ids=REFUSED)
def test_other_data_is_refused(tmp_path, later):
    with claimed(tmp_path, data()):
        pass
    with (
        pytest.raises(UnusableFolderError, match="has a sweep of other data"),
        claimed(tmp_path, later),
    ):
        pass


def test_sizes_are_remembered(tmp_path):
    """Content that has changed is noticed by any size that was seen."""
    for each in (data(), data(size="32", checksum="b")):
        with claimed(tmp_path, each):
            pass
    with pytest.raises(UnusableFolderError), claimed(tmp_path, data(size="28", checksum="c")):
        pass


def test_one_at_a_time(tmp_path):
    with (
        claimed(tmp_path, data()),
        pytest.raises(UnusableFolderError, match="Another sweep goes on"),
        claimed(tmp_path, data()),
    ):
        pass
    with claimed(tmp_path, data()):
        pass


def about(**members):
    """A sweep.json with other members."""
    return json.dumps({"format": 1, "data": asdict(data()) | members})


NO_SWEEP = {
    "damaged": "{",
    "empty": "",
    "another format": json.dumps({"format": 2, "data": {}}),
    "something else": "[]",
    "other members": json.dumps({"format": 1, "data": {"x": 1}}),
    "no members": json.dumps({"format": 1, "data": []}),
    "no checksums": about(checksums=[]),
    "checksums of no part": about(checksums={"28": 1}),
    "a checksum that is a number": about(checksums={"28": {"train": 1}}),
    "a source that is a number": about(source=1),
    "no source": about(source=None),
    "read in a list": about(reading=["pad"]),
    "read by a number": about(reading={"fit": 1}),
    "deep": "[" * 100_000,
}


@pytest.mark.parametrize("text", NO_SWEEP.values(), ids=NO_SWEEP)
def test_what_is_no_sweep_stays(tmp_path, text):
    (tmp_path / ABOUT).write_text(text)
    with pytest.raises(UnusableFolderError, match="not from"), claimed(tmp_path, data()):
        pass
    assert (tmp_path / ABOUT).read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == [ABOUT]


def test_a_sweep_that_was_killed_as_it_began_is_no_obstacle(tmp_path):
    """Its file was not yet whole."""
    (tmp_path / ".lock").touch()
    (tmp_path / f".{ABOUT}.0a1b2c3d.unfinished").touch()
    with claimed(tmp_path, data()):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", ABOUT]


class Visited(type(Path())):
    """Folder in which another sweep comes and goes after somebody has found it empty."""

    def iterdir(self):
        found = list(super().iterdir())
        if not found:
            with claimed(Path(self), data(checksum="b")):
                pass
        return iter(found)


def test_what_another_sweep_has_written_meanwhile_is_read(tmp_path):
    with (
        pytest.raises(UnusableFolderError, match="other data"),
        claimed(Visited(tmp_path), data()),
    ):
        pass
