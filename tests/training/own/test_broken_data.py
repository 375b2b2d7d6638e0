"""Broken data by command: every kind ends `vitrine-train train --data` with an exit code and one
sentence that says what to do, before TensorFlow is started, and leaves nothing behind."""

import gzip
import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.training.own.made_arrays import csv_text, digits, idx
from tests.unprivileged import unprivileged
from vitrine_training.cli import main
from vitrine_training.publish import cards

IMAGES, LABELS = digits(60, classes=3)
IDS = LABELS.astype(np.uint8)
LINES = csv_text(IMAGES, LABELS).splitlines(keepends=True)

Files = dict[str, bytes]


def npz(**arrays: object) -> bytes:
    content = io.BytesIO()
    np.savez(content, **arrays)
    return content.getvalue()


def png(form: str = "PNG") -> bytes:
    content = io.BytesIO()
    Image.fromarray(IMAGES[0]).save(content, form)
    return content.getvalue()


def csv(at: int, line: str) -> Files:
    """A file of which one line is another."""
    return {"D.csv": "".join([*LINES[:at], line, *LINES[at + 1 :]]).encode()}


def idx_set(images: bytes, labels: bytes) -> Files:
    return {"D/train-images-idx3-ubyte": images, "D/train-labels-idx1-ubyte": labels}


PNG = png()
BROKEN: dict[str, tuple[Files, str]] = {
    # files
    "another kind of file": ({"D.h5": b"\x89HDF\r\n\x1a\n\0\0"}, "is none of folders of pictures"),
    "an empty file": ({"D.csv": b""}, "is empty"),
    "one picture": ({"D.png": PNG}, "is one picture: name the folder that has the classes"),
    "one array": ({"D.npy": b"\x93NUMPY"}, "is one array without labels"),
    # folders
    "an empty folder": ({"D/": b""}, "has none of folders of pictures by class"),
    "pictures without classes": (
        {"D/1.png": PNG},
        "put those of each class into a folder with its name",
    ),
    "folders without pictures": ({"D/cat/": b"", "D/dog/": b""}, "has none of folders of pictures"),
    "hidden files alone": ({"D/cat/.1.png": PNG, "D/dog/.2.png": PNG}, "has none of folders"),
    "a Mac's and Windows' files alone": (
        {"D/__MACOSX/cat/._1.png": PNG, "D/Thumbs.db": b"x", "D/.DS_Store": b"x"},
        "has none of folders of pictures",
    ),
    "nothing that can be read": (
        {"D/cat/1.png": b"text", "D/cat/2.jpg": PNG[:40], "D/dog/1.png": b""},
        "No pictures are left of 3 files: left out, ",
    ),
    "all of a class cut off": (
        {"D/cat/1.png": PNG, "D/dog/1.png": PNG[:-30]},
        "has one class (cat) to learn: two are the least",
    ),
    "one class": ({"D/cat/1.png": PNG, "D/cat/2.png": PNG}, "has one class (cat) to learn"),
    "a folder above": (
        {"D/data/cat/1.png": PNG, "D/data/dog/1.png": PNG},
        "has one folder, data, which has 2: name ",
    ),
    "a class in test alone": (
        {"D/train/cat/1.png": PNG, "D/train/dog/1.png": PNG, "D/test/cow/1.png": PNG},
        "has the class cow in test only: put some of its pictures into train",
    ),
    "nothing to train on": ({"D/test/cat/1.png": PNG}, "has test and nothing to train on"),
    "two folders for a part": (
        {"D/train/cat/1.png": PNG, "D/val/cat/1.png": PNG, "D/valid/cat/1.png": PNG},
        "has two folders for validation, val and valid: keep one",
    ),
    "classes beside parts": (
        {"D/train/cat/1.png": PNG, "D/dog/1.png": PNG},
        "has parts (train) and other folders beside them (dog)",
    ),
    "a class with a long name": (
        {f"D/{'n' * 201}/1.png": PNG, "D/dog/1.png": PNG},
        "has a name of 201 characters, and a class 200 at most",
    ),
    "two classes that look the same": (
        {"D/\x1b/1.png": PNG, "D/\\u001b/1.png": PNG},
        "Two folders are shown as \\u001b: rename one",
    ),
    "too many classes": (
        {f"D/{number}/1.png": PNG for number in range(1_001)},
        "has 1,001 classes, and 1,000 are the most: merge some",
    ),
    "too few pictures for three parts": (
        {"D/cat/1.png": PNG, "D/dog/1.bmp": png("BMP")},
        "has too few pictures to split test, validation off",
    ),
    # .npz
    "pickled objects": ({"D.npz": npz(x=IMAGES, y=np.array([{}] * 60))}, "Python objects in y"),
    "an archive cut off": ({"D.npz": npz(x=IMAGES, y=LABELS)[:2_000]}, "cannot be unpacked"),
    "other names": ({"D.npz": npz(a=IMAGES, b=LABELS)}, "it needs x_train and y_train"),
    "labels out of range": ({"D.npz": npz(x=IMAGES, y=LABELS - 1)}, "the label -1 is out of range"),
    "fewer labels": ({"D.npz": npz(x=IMAGES, y=LABELS[:-1])}, "has 60 pictures, and y 59 labels"),
    "parts of two sizes": (
        {"D.npz": npz(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:, 1:], y_test=LABELS)},
        "more than one shape (train 8x8, test 7x8)",
    ),
    "levels of NaN": (
        {"D.npz": npz(x=np.where(IMAGES > 9, np.nan, 0), y=LABELS)},
        "x has NaN or infinity",
    ),
    "levels above 255": ({"D.npz": npz(x=IMAGES * 256.0, y=LABELS)}, "scale them to 0..255"),
    "an alpha channel": ({"D.npz": npz(x=np.stack([IMAGES] * 4, -1), y=LABELS)}, "alpha channel"),
    # IDX
    "another magic number": (
        idx_set(b"\x08\x03" + idx(IMAGES), idx(IDS)),
        "no IDX file: its first bytes are others",
    ),
    "IDX cut off": (idx_set(idx(IMAGES)[:-1], idx(IDS)), "cut off: it has 3,839 of 3,840"),
    "gzip cut off": (idx_set(gzip.compress(idx(IMAGES))[:-20], idx(IDS)), "is damaged"),
    "IDX without labels": ({"D/train-images-idx3-ubyte": idx(IMAGES)}, "and no labels to it"),
    # CSV
    "a line too short": (csv(6, "1,2,3\n"), "line 7: 3 values, and 65 in line 1"),
    "no number": (csv(6, LINES[6].replace(",", ",a", 1)), "in column 2 is no number"),
    "a level of 256": (csv(6, "1,256" + ",0" * 63 + "\n"), "line 7: 256 is no level"),
    "a row that is no square": (
        {"D.csv": "".join(LINES).replace("\n", ",0\n").encode()},
        "no square picture has so many",
    ),
    "labels in the other column": (
        {"D.csv": "".join(f"0{',7' * 63},{label}\n" for label in LABELS).encode()},
        "--label-column last",
    ),
    # two forms at once
    "two forms": (
        {"D/a.npz": npz(x=IMAGES, y=LABELS), "D/b.csv": "".join(LINES).encode()},
        "has npz files and CSV: name the file that you mean",
    ),
}
"""Files (a folder's name ends in a slash) and what is said of them; `D` is what is named."""

CALLS: dict[str, tuple[tuple[str, ...], int, str]] = {
    "nothing there": (("--data", "nowhere"), 2, "'nowhere' does not exist"),
    "a size of none": (("--data", "D", "--size", "3"), 2, "3 is not in the range"),
    "a size that arrays do not have": (("--data", "D.npz", "--size", "9"), 2, "has arrays of 8x8"),
    "a name of none": (("--data", "D", "--as", "a/b"), 2, "a model's name has letters"),
    "more rows than there are": (("--data", "D.npz", "--batch-size", "99"), 2, "batch_size 99 is"),
    "more rows than Fashion-MNIST has": (
        ("--data", "D.npz", "--batch-size", "60000"),
        2,
        "batch_size 60,000 is more than the 4",
    ),
    "an item of another size": (
        ("--data", "D", "--size", "32", "--fit", "item"),
        1,
        "Items are found as grey pictures of 28x28",
    ),
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to be in, with a cache and models of its own beside it."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("VITRINE_CACHE_DIR", str(tmp_path / "cache" / "data"))
    monkeypatch.setenv("VITRINE_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path / "here"


def write(place: Path, files: Files) -> str:
    """Writes files; returns the name of what has them."""
    for name, content in files.items():
        path = place / name
        (path if name.endswith("/") else path.parent).mkdir(parents=True, exist_ok=True)
        if not name.endswith("/"):
            path.write_bytes(content)
    return next(iter(files)).split("/")[0]


def check(words: tuple[str, ...], code: int, said: str, place: Path) -> None:
    """Runs the command, and fails the test unless it ends so and leaves nothing."""
    before = sorted(place.rglob("*"))
    done = CliRunner().invoke(main, ["train", "mlp", *words])
    last = done.stderr.strip().splitlines()[-1]
    assert (done.exit_code, said in last) == (code, True), done.output
    assert not [sign for sign in ("Traceback", "Error:", "\x1b") if sign in last[len("Error:") :]]
    assert "Starting TensorFlow" not in done.output
    assert sorted(place.rglob("*")) == before
    nothing_is_left(place)


def nothing_is_left(place: Path) -> None:
    """Fails the test where there is a model, or something in the cache that is not whole."""
    assert not list((place.parent / "models").rglob("*"))
    assert not list((place.parent / "cache").rglob("*.unfinished"))


@pytest.mark.parametrize(("files", "said"), BROKEN.values(), ids=BROKEN)
def test_broken_data(files: Files, said: str, place: Path):
    check(("--data", write(place, files), "--as", "mine"), 1, said, place)


@pytest.mark.parametrize(("words", "code", "said"), CALLS.values(), ids=CALLS)
def test_calls_that_make_no_sense(words: tuple[str, ...], code: int, said: str, place: Path):
    write(place, {"D.npz": npz(x=IMAGES, y=LABELS), "D/cat/1.png": PNG, "D/dog/1.png": PNG})
    check(words, code, said, place)


LINKS: dict[str, tuple[Callable[[Path], None], str]] = {
    "links out of the folder": (
        lambda folder: (folder / "dog" / "1.png").symlink_to("/etc/hostname"),
        "has one class (cat) to learn",
    ),
    "links that lead nowhere": (
        lambda folder: (folder / "dog" / "1.png").symlink_to("nowhere"),
        "has one class (cat) to learn",
    ),
    "a pipe": (lambda folder: os.mkfifo(folder / "dog" / "1.png"), "has one class (cat) to learn"),
}


@pytest.mark.parametrize(("make", "said"), LINKS.values(), ids=LINKS)
def test_what_is_no_file(make: Callable[[Path], None], said: str, place: Path):
    write(place, {"D/cat/1.png": PNG, "D/dog/": b""})
    make(place / "D")
    check(("--data", "D", "--as", "mine"), 1, said, place)


@pytest.mark.parametrize("name", ["D", "D.npz"])
def test_what_may_not_be_read(name: str, place: Path):
    """In a process of its own, as root may read everything."""
    write(place, {"D.npz": npz(x=IMAGES, y=LABELS), "D/cat/1.png": PNG, "D/dog/1.png": PNG})
    (place / name).chmod(0)
    command = (sys.executable, "-m", "vitrine_training", "train", "--data", name)
    done = subprocess.run(
        [*unprivileged(), *command], capture_output=True, text=True, timeout=120, check=False
    )
    (place / name).chmod(0o700)
    assert (done.returncode, f"Path '{name}' is not readable" in done.stderr) == (2, True)
    nothing_is_left(place)


def test_the_table_is_long():
    assert len(BROKEN) + len(CALLS) + len(LINKS) >= 45


@pytest.mark.slow
def test_doubtful_data_is_told_and_trained_on(place: Path):
    """What cannot be a picture is left out, in a sentence each, which the card has, too; and the
    name of the model stays with these classes."""
    random = np.random.default_rng(7)
    for number in range(25):
        deep = random.integers(0, 65_536, (12, 12)).astype(np.uint16)
        path = place / "D" / ("dog" if number % 5 else "c\x1bt") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(deep).save(path)
    rest = {"dog/torn.jpg": png("JPEG")[:-40], "dog/Thumbs.db": b"x", "__MACOSX/dog/._1": b"x"}
    write(place, {f"D/{name}": content for name, content in rest.items()})
    write(place, {"D/dog/.DS_Store": b"x", "D/readme.txt": b"x", "D/cow/": b""})
    (place / "D" / "dog" / "away.png").symlink_to("/etc/hostname")
    words = ("train", "softmax", "--data", "D", "--size", "12", "--epochs", "1")
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    card = cards.checked(place.parent / "models" / "D" / "1")
    assert card["labels"] == ["c\\u001bt", "dog"]
    told = "\n".join(card["own_data"]["notes"])
    for name in ("torn.jpg", "Thumbs.db", "__MACOSX", ".DS_Store", "readme.txt", "cow", "away.png"):
        assert name in told
    assert "the class c\\u001bt: fewer than 20 pictures to learn from" in told
    assert all(note in done.output for note in told.splitlines())
    assert not list((place.parent / "cache").rglob("*.unfinished"))

    (place / "D" / "dog").rename(place / "D" / "wolf")
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert "D/1 cannot be compared with (it is for other classes)" in done.stderr
    assert "--as" in done.stderr
    assert [path.name for path in (place.parent / "models" / "D").glob("[0-9]*")] == ["1"]
