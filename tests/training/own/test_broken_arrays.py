"""Broken arrays: each kind of damage is refused in one sentence that says what to do."""

import gzip
import io
import os
import zipfile

import numpy as np
import pytest

from tests.training.own.made_arrays import csv_text, digits, idx
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.finding import load

IMAGES, LABELS = digits(60, classes=3)
TEXT = csv_text(IMAGES, LABELS)
LINES = TEXT.splitlines(keepends=True)
SMALL_LABELS = LABELS.astype(np.uint8)


def npz(**arrays):
    """Content of an archive."""
    content = io.BytesIO()
    np.savez(content, **arrays)
    return {"data.npz": content.getvalue()}


def npz_of(**members):
    """Content of an archive of these bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, member in members.items():
            archive.writestr(name, member)
    return {"data.npz": content.getvalue()}


def header(dtype, shape, version=1):
    """Bytes of an array that begins so, and has nothing."""
    text = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2, "little") + text


def with_line(at, line):
    """Lines of which one is another."""
    return {"data.csv": "".join([*LINES[:at], line.rstrip("\n") + "\n", *LINES[at + 1 :]])}


def set_of(images, labels):
    return {"images-idx3-ubyte": images, "labels-idx1-ubyte": labels}


NPZ = {
    "no arrays": (npz_of(**{"a.txt": b"a"}), "an archive without arrays"),
    "other names": (npz(a=IMAGES, b=LABELS), "has the arrays a, b: it needs x_train and y_train"),
    "one array without a name": (npz(arr_0=IMAGES), "has the arrays arr_0"),
    "no labels": (npz(x_train=IMAGES), "x_train and no labels to it"),
    "no labels of test": (
        npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES),
        "x_test and no labels to it",
    ),
    "labels without images": (
        npz(x_train=IMAGES, y_train=LABELS, y_test=LABELS),
        "y_test and no images to it",
    ),
    "images twice": (npz(x=IMAGES, images=IMAGES, y=LABELS), "has x, images for the same"),
    "only test": (npz(x_test=IMAGES, y_test=LABELS), "nothing to train on"),
    "all and train": (
        npz(x=IMAGES, y=LABELS, x_train=IMAGES, y_train=LABELS),
        "pictures of no part beside those of train",
    ),
    "objects as labels": (
        npz(x=IMAGES, y=np.array([{}] * 60)),
        "Python objects in y, which are not loaded",
    ),
    "objects as images": (npz(x=np.array([None] * 60), y=LABELS), "Python objects in x"),
    "cut off": ({"data.npz": npz(x=IMAGES, y=LABELS)["data.npz"][:2_000]}, "cannot be unpacked"),
    "a byte changed": (
        {
            "data.npz": npz(x=IMAGES, y=LABELS)["data.npz"].replace(
                IMAGES[5].tobytes(), bytes(64), 1
            )
        },
        "cannot be unpacked",
    ),
    "an array cut off": (
        npz_of(**{"x.npy": header("|u1", "(60, 8, 8)"), "y.npy": header("|u1", "(60,)")}),
        "is cut off in x.npy",
    ),
    "no array": (npz_of(**{"x.npy": b"pixels", "y.npy": b"labels"}), "x, which is no array"),
    "another version": (
        npz_of(**{"x.npy": header("|u1", "(60, 8, 8)", 9), "y.npy": b""}),
        "x, which is no array",
    ),
    "an array larger than memory": (
        npz_of(**{"x.npy": header("|u1", "(99999999, 999, 999)"), "y.npy": header("|u1", "(1,)")}),
        "are the most: save uint8, or fewer pictures",
    ),
    "rows without end and without bytes": (
        npz_of(**{"x.npy": header("<U0", "(999999999999,)"), "y.npy": header("|u1", "(1,)")}),
        "are the most: save uint8, or fewer pictures",
    ),
    "lengths without end": (
        npz_of(**{"x.npy": header("|u1", f"({'9' * 99}, 0)"), "y.npy": header("|u1", "(1,)")}),
        "are the most: save uint8, or fewer pictures",
    ),
    "a header that is no Python": (
        npz_of(**{"x.npy": header("|u1", "(1,2"), "y.npy": header("|u1", "(1,)")}),
        "x, which is no array",
    ),
    "a negative length": (
        npz_of(**{"x.npy": header("|u1", "(-1, 8, 8)"), "y.npy": header("|u1", "(1,)")}),
        "x of the shape (-1, 8, 8)",
    ),
    "a length of True": (
        npz_of(**{"x.npy": header("|u1", "(True, 8, 8)"), "y.npy": header("|u1", "(1,)")}),
        "x of the shape (True, 8, 8)",
    ),
    "a bomb": (npz_of(**{"x.npy": header("|u1", "(1, 8, 8)") + bytes(10**7)}), "no labels to it"),
    "fewer labels": (npz(x=IMAGES, y=LABELS[:-1]), "x has 60 pictures, and y 59 labels"),
    "one-hot labels": (npz(x=IMAGES, y=np.eye(3)[LABELS]), "take argmax(axis=1) first"),
    "labels below 0": (npz(x=IMAGES, y=LABELS - 1), "the label -1 is out of range: 0 to"),
    "labels without end": (npz(x=IMAGES, y=LABELS + 2**40), "is out of range: 0 to"),
    "labels that are no numbers": (
        npz(x=IMAGES, y=np.where(LABELS == 1, np.nan, 0)),
        "the label nan is no whole number",
    ),
    "labels in between": (npz(x=IMAGES, y=LABELS * 0 + 0.5), "0.5 is no whole number"),
    "dates as labels": (npz(x=IMAGES, y=LABELS.astype("M8[s]")), "no labels but datetime64[s]"),
    "an empty label": (npz(x=IMAGES, y=np.array(["a", ""] * 30)), "y[1]: the label is empty"),
    "a long label": (npz(x=IMAGES, y=np.array(["a" * 201] * 60)), "a label of 201 characters"),
    "names of no encoding": (npz(x=IMAGES, y=np.array([b"\xff"] * 60)), "not in UTF-8"),
    "numbers and names": (
        npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES, y_test=np.array(["a"] * 60)),
        "numbers in some of train, test and names in others",
    ),
    "a class each": (
        npz(x=np.zeros((1_001, 4, 4), np.uint8), y=np.arange(1_001)),
        "1,001 different values (0, 1, 2, …), and 1,000 classes are the most",
    ),
    "one class": (npz(x=IMAGES, y=LABELS * 0), "one class (0) to learn: two are the least"),
    "a class in test only": (
        npz(x_train=IMAGES, y_train=LABELS % 2, x_test=IMAGES, y_test=LABELS),
        "has the class 2 in test only",
    ),
    "no pictures": (npz(x=IMAGES[:0], y=LABELS[:0]), "has no pictures"),
    "no pictures in test": (
        npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:0], y_test=LABELS[:0]),
        "no pictures in test: fill or remove it",
    ),
    "several sizes": (
        npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:, 1:], y_test=LABELS),
        "more than one shape (train 8x8, test 7x8)",
    ),
    "grey and colour": (
        npz(x_train=IMAGES, y_train=LABELS, x_test=np.stack([IMAGES] * 3, -1), y_test=LABELS),
        "more than one shape (train 8x8, test 8x8x3)",
    ),
    "below 0": (npz(x=IMAGES - 128.0, y=LABELS), "has levels from -128 to"),
    "above 255": (npz(x=IMAGES * 256.0, y=LABELS), "scale them to 0..255"),
    "above 255 as int": (npz(x=IMAGES * np.int64(2), y=LABELS), "16 bits are read where they are"),
    "NaN": (npz(x=np.where(IMAGES > 9, np.nan, 0), y=LABELS), "x has NaN or infinity"),
    "infinity": (npz(x=np.where(IMAGES > 9, np.inf, 0), y=LABELS), "x has NaN or infinity"),
    "complex": (npz(x=IMAGES * 1j, y=LABELS), "x has no levels but complex128"),
    "text as images": (npz(x=IMAGES.astype(str), y=LABELS), "x has no levels but <U3"),
    "an alpha channel": (npz(x=np.stack([IMAGES] * 4, -1), y=LABELS), "without an alpha channel"),
    "five dimensions": (npz(x=IMAGES[..., None, None], y=LABELS), "the shape [60, 8, 8, 1, 1]"),
    "one dimension": (npz(x=IMAGES[:, 0, 0], y=LABELS), "x has 1 dimensions"),
    "a table": (npz(x=IMAGES[:, 0, :4], y=LABELS), "x has 4 values a row, and no square picture"),
    "pictures of one pixel": (npz(x=IMAGES[:, :1, :1], y=LABELS), "4x4 are the smallest"),
    "pictures without pixels": (npz(x=IMAGES[:, :0], y=LABELS), "4x4 are the smallest"),
    "an escape in a name": (npz(**{"x\x1b[2J": IMAGES}), "\\u001b[2J"),
}

IDX = {
    "no labels": ({"images-idx3-ubyte": idx(IMAGES)}, "images-idx3-ubyte and no labels to it"),
    "no images": ({"labels-idx1-ubyte": idx(SMALL_LABELS)}, "and no images to it"),
    "a wrong magic number": (
        set_of(b"\x08\x03" + idx(IMAGES), idx(SMALL_LABELS)),
        "no IDX file: its first bytes are others",
    ),
    "cut off in the header": (set_of(idx(IMAGES)[:9], idx(SMALL_LABELS)), "ends in its header"),
    "cut off": (set_of(idx(IMAGES)[:-1], idx(SMALL_LABELS)), "cut off: it has 3,839 of 3,840"),
    "too long": (set_of(idx(IMAGES) + b"\0", idx(SMALL_LABELS)), "more bytes than its header says"),
    "a header that asks for all": (
        set_of(b"\0\0\x08\x03" + b"\xff" * 12, idx(SMALL_LABELS)),
        "are the most of a data set",
    ),
    "a header of nothing that asks for all": (
        set_of(b"\0\0\x08\x03" + b"\xff" * 8 + bytes(4), idx(SMALL_LABELS)),
        "are the most of a data set",
    ),
    "cut off in gzip": (
        set_of(gzip.compress(idx(IMAGES))[:-20], idx(SMALL_LABELS)),
        "is damaged",
    ),
    "damaged in gzip": (
        set_of(gzip.compress(idx(IMAGES))[:30] + bytes(40), idx(SMALL_LABELS)),
        "is damaged",
    ),
    "fewer labels": (set_of(idx(IMAGES), idx(SMALL_LABELS[1:])), "60 pictures, and"),
    "images for labels": (set_of(idx(IMAGES), idx(IMAGES)), "labels are [n]"),
    "labels for images": (set_of(idx(SMALL_LABELS), idx(SMALL_LABELS)), "has 1 dimensions"),
    "empty": (set_of(b"", b""), "no IDX file"),
    "two of a kind": (
        set_of(idx(IMAGES), idx(SMALL_LABELS)) | {"images.idx3-ubyte": idx(IMAGES)},
        "for the same: keep one",
    ),
    "letters from 0": (
        {
            "emnist-letters-train-images-idx3-ubyte": idx(IMAGES),
            "emnist-letters-train-labels-idx1-ubyte": idx(SMALL_LABELS),
        },
        "label 0 is out of range: 1 to 26",
    ),
    "a part that only one has": (
        {"train-images-idx3-ubyte": idx(IMAGES), "t10k-labels-idx1-ubyte": idx(SMALL_LABELS)},
        "to it: put both files there",
    ),
}

CSV = {
    "ragged": (with_line(6, "1,2,3\n"), "line 7: 3 values, and 65 in line 1"),
    "ragged by one": (with_line(6, LINES[6].strip() + ",9\n"), "line 7: 66 values, and 65"),
    "no number": (with_line(6, LINES[6].replace(",", ",a", 1)), "in column 2 is no number"),
    "nothing": (with_line(6, "1," + "," * 63 + "\n"), "line 7: nothing in column 2 is no number"),
    "an escape": (with_line(6, LINES[6].replace(",", ",\x1b[2J", 1)), "'\\u001b[2J"),
    "a level of 256": (with_line(6, "1,256" + ",0" * 63), "line 7: 256 is no level, 0 to 255 are"),
    "a level of -1": (with_line(6, "1,-1" + ",0" * 63), "line 7: -1 is no level"),
    "a level of NaN": (with_line(6, "1,nan" + ",0" * 63), "line 7: nan is no level"),
    "a label of -1": (with_line(6, "-1" + ",0" * 64), "line 7: the label -1 is out of range"),
    "a label of 1.5": (with_line(6, "1.5" + ",0" * 64), "line 7: the label 1.5 is no whole number"),
    "no number in the first line": (
        with_line(0, LINES[0].replace(",", ",a", 1)),
        "line 1: 'a",
    ),
    "no label": (with_line(6, ",0" * 64), "line 7: the label is empty"),
    "not square": (
        {"data.csv": TEXT.replace("\n", ",0\n")},
        "65 values a row, and no square picture has so many in grey or in three colours: leave out "
        "the column too many",
    ),
    "a label without end": (
        with_line(6, "a" * 201 + ",0" * 64),
        "line 7: a label of 201 characters, 200 are the most",
    ),
    "labels last": (
        {"data.csv": "".join(f"0{',7' * 63},{label}\n" for label in LABELS)},
        "has one label, 0, in the first column: two classes are the least, or the labels are in "
        "the last one (--label-column last)",
    ),
    "labels in the middle": (
        {"data.csv": ",".join(["a", "label", *"b" * 63]) + "\n" + TEXT},
        "the label is in column 2 of 65; put it first or last",
    ),
    "a header alone": ({"data.csv": "label,pixel0,pixel1\n"}, "a header and no pictures"),
    "blank": ({"data.csv": " \n\n"}, "is empty"),
    "empty": ({"data.csv": b""}, "is empty"),
    "one column": ({"data.csv": "1\n2\n"}, "is none of folders of pictures by class, an .npz"),
    "one column and a comma": ({"data.csv": "a b c\n1,2\n"}, "one value and no picture"),
    "in UTF-16": ({"data.csv": TEXT.encode("utf-16")}, "is none of folders of pictures"),
    "prose": ({"data.csv": "Dear Sir, no pixels\nare here, yours,\n"}, "line 2: 3 values, and 2"),
    "a line without end": ({"data.csv": "1," + "0," * 3_000_000}, "too long to be pixels"),
    "cut off in gzip": ({"data.csv.gz": gzip.compress(TEXT.encode())[:-30]}, "is damaged"),
    "several": ({"a.csv": TEXT, "b.csv": TEXT}, "has a.csv, b.csv: name the one that you mean"),
    "several for train": (
        {"train.csv": TEXT, "train2_train.csv": TEXT},
        "name the one that you mean",
    ),
}

OTHERS = {
    "nothing in a folder": ({}, "has none of folders of pictures by class, an .npz file, IDX"),
    "hidden files alone": ({".x.npz": b"", "Thumbs.db": b""}, "has none of folders of pictures"),
    "one array": ({"x.npy": header("|u1", "(1,)")}, "is one array without labels"),
    "a picture": ({"a.png": b"\x89PNG\r\n\x1a\n"}, "is one picture: name the folder"),
    "a file of another kind": ({"a.h5": b"\x89HDF\r\n\x1a\n\0\0"}, "is none of folders of"),
    "pictures without classes": (
        {"a.PNG": b"\x89PNG\r\n\x1a\n", "b.txt": b""},
        "but pictures: put those of each class into a folder with its name",
    ),
    "two forms": (npz(x=IMAGES, y=LABELS) | {"a.csv": TEXT}, "npz files and CSV: name the file"),
    "two archives": (
        npz(x=IMAGES, y=LABELS) | {"b.npz": b""},
        "has b.npz, data.npz: name the one that you mean",
    ),
}
TABLE = {
    f"{form}: {name}": case
    for form, cases in {"npz": NPZ, "IDX": IDX, "CSV": CSV, "others": OTHERS}.items()
    for name, case in cases.items()
}


def refused(path, *options):
    """The sentence with which data is refused: one line, with no class of Python's in it."""
    with pytest.raises(DataError) as raised:
        load(path, *options)
    told = str(raised.value)
    assert not [sign for sign in ("\n", "\x1b", "Error", "Traceback") if sign in told]
    return told


@pytest.mark.parametrize(("files", "sentence"), TABLE.values(), ids=TABLE)
def test_broken_data_is_refused_in_a_sentence(tmp_path, files, sentence):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    single = len(files) == 1 and not name.startswith((".", "images", "labels"))
    assert sentence in refused(tmp_path / name if single else tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == set(files)


def test_two_arrays_of_one_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as archive:
        archive.writestr("x.npy", b"")
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("x.npy", b"")
    assert "has two arrays x" in refused(tmp_path / "data.npz")


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_an_archive_packed_otherwise(tmp_path, packing):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", packing) as archive:
        for name, array in (("x.npy", IMAGES), ("y.npy", LABELS)):
            with archive.open(name, "w") as file:
                np.save(file, array)
    (tmp_path / "data.npz").write_bytes(content.getvalue())
    assert len(load(tmp_path / "data.npz").parts["all"]) == 60
    broken = bytearray(content.getvalue())
    broken[60:200] = bytes(140)
    (tmp_path / "data.npz").write_bytes(broken)
    assert "cannot be unpacked" in refused(tmp_path / "data.npz")


def test_an_archive_whose_names_are_in_no_encoding(tmp_path):
    content = bytearray(npz(x=IMAGES, y=LABELS)["data.npz"])
    at = content.index(b"PK\x01\x02")
    content[at + 9] |= 8  # UTF-8
    content[at + 46] = 0xFF
    (tmp_path / "data.npz").write_bytes(content)
    assert "cannot be unpacked" in refused(tmp_path / "data.npz")


def test_a_locked_archive(tmp_path):
    content = bytearray(npz(x=IMAGES, y=LABELS)["data.npz"])
    for mark, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        where = content.index(mark)
        content[where + at] |= 1
    (tmp_path / "data.npz").write_bytes(content)
    assert "encrypted" in refused(tmp_path / "data.npz")


def test_paths_that_are_wrong(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    assert "is not there" in refused(tmp_path / "none")
    assert "is not there" in refused(tmp_path / "a\x1b[2J")
    assert "\\u001b[2J" in refused(tmp_path / "a\x1b[2J")
    assert "no regular file" in refused(tmp_path / "pipe")
    assert "cannot be read" in refused(tmp_path / "loop")
    assert "cannot be read" in refused(tmp_path / ("a" * 300))
    assert "zero byte" in refused(tmp_path / "a\0b")


def test_an_idx_file_whose_name_says_nothing(tmp_path):
    (tmp_path / "digits").write_bytes(idx(IMAGES))
    assert "its name does not say of what" in refused(tmp_path / "digits")


def test_a_header_and_the_caller_disagree(tmp_path):
    (tmp_path / "a.csv").write_text("label," + ",".join(f"p{at}" for at in range(64)) + "\n" + TEXT)
    assert "the header has the label first" in refused(tmp_path / "a.csv", "last")
