"""Forms of own data: found by what is there."""

import gzip

import pytest

from tests.training.own.made_arrays import WRITERS, csv_text, digits, write_npz
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.finding import load

IMAGES, LABELS = digits(60, classes=3)


@pytest.mark.parametrize("form", WRITERS)
def test_a_folder_that_has_one_form_is_that(tmp_path, form):
    path = WRITERS[form](tmp_path, IMAGES, LABELS)
    folder = path if path.is_dir() else tmp_path
    assert load(folder).checksums == load(path).checksums


@pytest.mark.parametrize("form", WRITERS)
def test_hidden_files_and_leftovers_change_nothing(tmp_path, form):
    path = WRITERS[form](tmp_path, IMAGES, LABELS)
    folder = path if path.is_dir() else tmp_path
    for name in (".DS_Store", "._data.npz", ".old.csv", "README.md", "Thumbs.db"):
        (folder / name).write_bytes(b"x")
    for name in ("__MACOSX", ".git", "empty"):
        (folder / name).mkdir()
    (folder / "__MACOSX" / "data.npz").write_bytes(b"x")
    assert len(load(folder).parts["all"]) == 60


def test_contents_count_more_than_names(tmp_path):
    write_npz(tmp_path, IMAGES, LABELS).rename(tmp_path / "digits.dat")
    assert "npz" in load(tmp_path / "digits.dat").source
    (tmp_path / "rows.txt").write_bytes(gzip.compress(csv_text(IMAGES, LABELS).encode()))
    assert "CSV" in load(tmp_path / "rows.txt").source


def test_a_link_to_a_file_is_followed(tmp_path):
    (tmp_path / "link").symlink_to(write_npz(tmp_path, IMAGES, LABELS))
    assert len(load(tmp_path / "link").parts["all"]) == 60


def test_an_archive_beside_folders_has_to_be_named(tmp_path):
    path = write_npz(tmp_path, IMAGES, LABELS)
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match="has npz files and folders: name the file"):
        load(tmp_path)
    assert len(load(path).parts["all"]) == 60


def test_a_folder_that_is_not_there_is_no_reason_to_look_elsewhere(tmp_path):
    write_npz(tmp_path, IMAGES, LABELS)
    with pytest.raises(DataError, match="digits is not there: check the path"):
        load(tmp_path / "digits")
