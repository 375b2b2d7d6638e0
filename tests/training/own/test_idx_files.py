"""IDX files: names of MNIST's relatives, packed or not, and EMNIST's ways."""

import gzip
import string

import numpy as np
import pytest

from tests.training.own.made_arrays import colours, digits, idx
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.finding import load
from vitrine_training.data.own.idx_files import IdxName, idx_name, read_idx_file

IMAGES, LABELS = digits(60, classes=3)


def write(folder, names, images=IMAGES, labels=LABELS):
    """Writes pairs by the names of their images' files."""
    for name in names:
        other = name.replace("images", "labels").replace("idx3", "idx1")
        for file, array in ((name, images), (other, labels.astype(np.uint8))):
            content = idx(array)
            packed = gzip.compress(content) if file.endswith(".gz") else content
            (folder / file).write_bytes(packed)
    return folder / names[0]


@pytest.mark.parametrize(
    ("name", "meaning"),
    [
        ("train-images-idx3-ubyte.gz", IdxName("", "train", "images")),
        ("t10k-labels.idx1-ubyte", IdxName("", "test", "labels")),
        ("emnist-letters-train-images-idx3-ubyte.gz", IdxName("emnist-letters", "train", "images")),
        ("qmnist-test-labels-idx2-int.gz", IdxName("qmnist", "test", "labels")),
        ("images-idx3-ubyte", IdxName("", "all", "images")),
        ("my_digits_val_images.idx", IdxName("my-digits", "validation", "images")),
        ("train-images.png", None),
        ("train-data.csv.gz", None),
        ("x_train.gz", None),
        ("emnist-letters-mapping.txt", None),
        ("readme-idx.txt", None),
    ],
)
def test_names_of_files_tell_their_meaning(name, meaning):
    assert idx_name(name) == meaning


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize("form", ["{}-images-idx3-ubyte", "{}-images.idx3-ubyte"])
def test_a_folder_of_four_files(tmp_path, form, packed):
    write(tmp_path, [form.format(part) + packed for part in ("train", "t10k")])
    data = load(tmp_path)
    assert [(part, len(examples)) for part, examples in data.parts.items()] == [
        ("train", 60),
        ("test", 60),
    ]
    assert data.checksums["train"] == data.checksums["test"]


def test_packed_and_unpacked_side_by_side_are_the_same_file(tmp_path):
    write(tmp_path, ["images-idx3-ubyte", "images-idx3-ubyte.gz"])
    assert len(load(tmp_path).parts["all"]) == 60


def test_gzip_needs_no_name_for_it(tmp_path):
    write(tmp_path, ["images-idx3-ubyte"])
    for file in tmp_path.iterdir():
        file.write_bytes(gzip.compress(file.read_bytes()))
    assert len(load(tmp_path).parts["all"]) == 60


def test_a_file_stands_for_all_parts_of_its_set_and_for_no_other_set(tmp_path):
    write(tmp_path, [f"emnist-digits-{part}-images-idx3-ubyte" for part in ("train", "test")])
    named = write(tmp_path, ["emnist-mnist-train-images-idx3-ubyte"])
    assert set(load(named).parts) == {"train"}
    assert set(load(tmp_path / "emnist-digits-test-labels-idx1-ubyte").parts) == {"train", "test"}
    with pytest.raises(DataError, match=r"2 sets of IDX files \(emnist-digits, emnist-mnist\)"):
        load(tmp_path)


def test_emnists_pictures_are_turned(tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (60, 8, 5), np.uint8)
    upright, emnist = tmp_path / "upright", tmp_path / "emnist"
    for folder in (upright, emnist):
        folder.mkdir()
    write(upright, ["images-idx3-ubyte"], images, LABELS)
    write(emnist, ["emnist-digits-images-idx3-ubyte"], images.swapaxes(1, 2), LABELS)
    assert load(emnist).checksums == load(upright).checksums
    assert load(emnist).notes == ("EMNIST's pictures are stored column by column, and turned here",)


def test_emnists_letters_begin_at_1(tmp_path):
    labels = np.repeat(np.arange(1, 27), 20)
    images = np.random.default_rng(1).integers(0, 256, (520, 8, 8), np.uint8)
    path = write(tmp_path, ["emnist-letters-train-images-idx3-ubyte.gz"], images, labels)
    data = load(path)
    assert data.classes == tuple(string.ascii_uppercase)
    assert set(data.parts["train"].labels.tolist()) == set(range(26))


@pytest.mark.parametrize(("kind", "classes"), [("balanced", 47), ("bymerge", 47), ("byclass", 62)])
def test_emnists_other_sets_have_digits_and_letters(tmp_path, kind, classes):
    labels = np.repeat(np.arange(classes), 20)
    images = np.random.default_rng(1).integers(0, 256, (len(labels), 8, 8), np.uint8)
    found = load(
        write(tmp_path, [f"emnist-{kind}-train-images-idx3-ubyte"], images, labels)
    ).classes
    assert found[:11] == (*string.digits, "A")
    assert len(set(found)) == classes


def test_qmnists_labels_are_the_first_of_eight_columns(tmp_path):
    (tmp_path / "qmnist-train-images-idx3-ubyte").write_bytes(idx(IMAGES))
    rows = np.column_stack([LABELS, *[np.arange(60)] * 7]).astype(">i4")
    (tmp_path / "qmnist-train-labels-idx2-int").write_bytes(idx(rows, 0x0C))
    assert load(tmp_path).classes == ("0", "1", "2")


@pytest.mark.parametrize(
    ("code", "kind", "white"), [(0x0B, ">i2", 255), (0x0C, ">i4", 255), (0x0D, ">f4", 1)]
)
def test_other_kinds_of_numbers_are_read(tmp_path, code, kind, white):
    write(tmp_path, ["images-idx3-ubyte"])
    expected = load(tmp_path).checksums
    numbers = (IMAGES / 255 if white == 1 else IMAGES).astype(kind)
    (tmp_path / "images-idx3-ubyte").write_bytes(idx(numbers, code))
    assert load(tmp_path).checksums == expected


def test_colour_has_a_fourth_dimension(tmp_path):
    images, labels = colours()
    write(tmp_path, ["images-idx4-ubyte"], images, labels)
    assert load(tmp_path).parts["all"].images.shape == (60, 8, 8, 3)


def test_a_header_may_not_ask_for_more_than_the_bound(tmp_path):
    path = write(tmp_path, ["images-idx3-ubyte"])
    assert len(read_idx_file(path, IMAGES.nbytes + 60).parts["all"]) == 60
    with pytest.raises(DataError, match="are the most of a data set"):
        read_idx_file(path, IMAGES.nbytes - 1)
