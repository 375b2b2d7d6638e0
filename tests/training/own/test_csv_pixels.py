"""CSV of pixels: where the label is, headers, separators, and the numbers in it."""

import gzip

import numpy as np
import pytest

from tests.training.own.made_arrays import colours, csv_text, digits
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.csv_pixels import read_csv
from vitrine_training.data.own.examples import Examples, checksum, ordered
from vitrine_training.data.own.finding import load

IMAGES, LABELS = digits(60, classes=3)
TEXT = csv_text(IMAGES, LABELS)
EXPECTED = {"all": checksum(ordered(Examples(IMAGES, LABELS)))}
NAMES = [f"pixel{at}" for at in range(64)]


@pytest.fixture
def written(tmp_path):
    def write(content, name="data.csv"):
        content = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


SPELLINGS = {
    "plain": TEXT,
    "packed": gzip.compress(TEXT.encode()),
    "a header as Kaggle's": ",".join(["label", *NAMES]) + "\n" + TEXT,
    "a quoted header": ",".join(f'"{name}"' for name in ["label", *NAMES]) + "\n" + TEXT,
    "a header of numbers": ",".join(["label", *map(str, range(64))]) + "\n" + TEXT,
    "a header of numbers alone": ",".join(map(str, range(65))) + "\n" + TEXT,
    "a byte order mark": "\ufeff" + TEXT,
    "Windows' ends of lines": TEXT.replace("\n", "\r\n"),
    "an old Mac's ends of lines": TEXT.replace("\n", "\r"),
    "semicolons": TEXT.replace(",", ";"),
    "tabs": TEXT.replace(",", "\t"),
    "spaces": TEXT.replace(",", " , "),
    "blank lines": "\n" + TEXT.replace("\n", "\n\n") + " \n",
    "no end of the last line": TEXT.rstrip("\n"),
    "quoted values": "".join(
        ",".join(f'"{value}"' for value in line.split(",")) + "\n" for line in TEXT.splitlines()
    ),
    "floats": "".join(
        ",".join(f"{value}.0" for value in line.split(",")) + "\n" for line in TEXT.splitlines()
    ),
    "exponents": "".join(
        ",".join(f"{int(value):.18e}" for value in line.split(",")) + "\n"
        for line in TEXT.splitlines()
    ),
}


@pytest.mark.parametrize("text", SPELLINGS.values(), ids=SPELLINGS)
def test_spellings_of_the_same_rows(written, text):
    data = load(written(text))
    assert (data.classes, data.checksums, data.notes) == (("0", "1", "2"), EXPECTED, ())


def test_the_label_may_be_last(written):
    path = written(csv_text(IMAGES, LABELS, label_first=False))
    assert load(path, "last").checksums == EXPECTED


@pytest.mark.parametrize("name", ["label", "class", "Target", "y"])
def test_a_header_that_names_the_label_is_believed(written, name):
    header = ",".join([*NAMES, name]) + "\n"
    path = written(header + csv_text(IMAGES, LABELS, label_first=False))
    assert load(path).checksums == EXPECTED


def test_labels_may_be_names(written):
    lines = TEXT.replace("\n0,", "\nT-shirt,").replace("\n1,", "\nbag,").replace("\n2,", "\n9,")
    first = {"0": "T-shirt", "1": "bag", "2": "9"}[lines[0]]
    assert load(written(first + lines[1:])).classes == ("9", "T-shirt", "bag")


def test_names_in_another_encoding_are_refused(tmp_path):
    """Or labels that differ in such letters alone would be one class."""
    path = tmp_path / "names.csv"
    path.write_bytes(TEXT.replace("\n0,", "\nbär,").replace("\n1,", "\nbår,").encode("latin-1"))
    with pytest.raises(DataError, match=r"names\.csv, line \d+: it is not in UTF-8"):
        load(path)


@pytest.mark.parametrize("label_column", ["first", "last"])
def test_a_name_may_have_the_separator_in_it(written, label_column):
    names = np.array(['"T-shirt, top"', '"a ""bag"""', "coat"])[LABELS]
    text = csv_text(IMAGES, names, label_column == "first")
    data = load(written(text), label_column)
    assert data.classes == ("T-shirt, top", 'a "bag"', "coat")
    assert len(data.parts["all"]) == 60


def test_levels_from_0_to_1_are_scaled(written):
    rows = np.column_stack([LABELS, IMAGES.reshape(60, -1) / 255])
    text = "".join(",".join(map(repr, row)) + "\n" for row in rows.tolist())
    data = load(written(text))
    assert data.checksums == EXPECTED
    (note,) = data.notes
    assert "1 is taken as white" in note


def test_colour_is_taken_pixel_by_pixel_and_that_is_said(written):
    images, labels = colours(60, 32)
    data = load(written(csv_text(images, labels)))
    assert data.checksums == {"all": checksum(ordered(Examples(images, labels)))}
    (note,) = data.notes
    assert "3,072 values a row are taken as 32x32 in colour, pixel by pixel" in note


def test_many_blocks_are_one_table(written):
    images, labels = digits(1_500, 64, 5)  # some 16 MB
    data = load(written(csv_text(images, labels)))
    assert data.checksums == {"all": checksum(ordered(Examples(images, labels)))}


def test_a_folder_has_a_file_a_part(written):
    path = written(TEXT, "fashion-mnist_train.csv")
    written(TEXT, "fashion-mnist_test.csv")
    assert load(path.parent).checksums == {"train": EXPECTED["all"], "test": EXPECTED["all"]}
    assert load(path).checksums == EXPECTED


def test_kaggles_test_file_has_no_labels_and_is_left_out(written):
    path = written(TEXT, "train.csv")
    written("".join(line.partition(",")[2] + "\n" for line in TEXT.splitlines()), "test.csv")
    data = load(path.parent)
    assert set(data.parts) == {"train"}
    (note,) = data.notes
    assert note == f"{path.parent / 'test.csv'} has no labels and is left out"


def test_levels_have_a_bound(written):
    path = written(TEXT)
    assert len(read_csv({"all": path}, most_bytes=60 * 65).parts["all"]) == 60
    with pytest.raises(DataError, match="more than 3,899 levels"):
        read_csv({"all": path}, most_bytes=60 * 65 - 1)
