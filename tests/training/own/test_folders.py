"""Folders of pictures as own data: classes, parts, pixels, and sentences about what is wrong."""

import io
import os
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitrine_client.images.preprocessing import fit_picture, shown
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.examples import checksum, ordered
from vitrine_training.data.own.finding import load
from vitrine_training.data.own.folders import read_folder


def random_pixels(number, *shape):
    return np.random.default_rng(number).integers(0, 256, shape, np.uint8)


def encoded(pixels, form="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, form, **options)
    return file.getvalue()


def photo():
    """A bright thing on a dark ground, which has an item, uint8 [60, 90, 3]."""
    y, x = np.mgrid[:60, :90]
    pixels = np.full((60, 90, 3), 12, np.uint8)
    pixels[((y - 32) / 20) ** 2 + ((x - 40) / 14) ** 2 + (x - 40) * (y - 32) / 600 < 1] = (
        200,
        120,
        90,
    )
    return pixels


GREY = encoded(random_pixels(0, 28, 28))
COLOUR = encoded(random_pixels(1, 28, 28, 3))


def write(folder, files):
    """Writes files by their path; None makes a folder, and a string a link to it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.mkdir()
        elif isinstance(content, str):
            path.symlink_to(content)
        else:
            path.write_bytes(content)
    return folder


@pytest.fixture
def read(tmp_path):
    def read_it(folder, **options):
        return read_folder(folder, cache=tmp_path / "cache", **options)

    return read_it


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "pictures"


def two_classes(content=GREY):
    return {"cat/1.png": content, "dog/1.png": content}


def test_classes_are_folders_sorted_by_name(folder, read):
    data = read(write(folder, {f"{name}/a.png": GREY for name in ("b", "Zebra", "é", "10", "A")}))
    assert data.classes == ("10", "A", "Zebra", "b", "é")
    assert data.parts["all"].labels.tolist() == [0, 1, 2, 3, 4]
    assert data.parts["all"].labels.dtype == np.int64


def test_classes_that_are_numbers_are_in_numeric_order_as_those_of_arrays(folder, read):
    assert read(write(folder, {f"{n}/a.png": GREY for n in (10, 9, 0)})).classes == ("0", "9", "10")


def test_pixels_in_the_size_are_taken_as_they_are_and_ordered(folder, read):
    pixels = random_pixels(2, 12, 28, 28)
    forms = ("PNG", "BMP", "TIFF", "GIF")
    write(
        folder,
        {
            f"{n % 2}/{n}.{form}": encoded(each, form)
            for n, (each, form) in enumerate(zip(pixels, 3 * forms, strict=True))
        },
    )
    data = read(folder)
    found = data.parts["all"]
    assert {each.tobytes() for each in found.images} == {each.tobytes() for each in pixels}
    again = ordered(found)
    assert (again.images == found.images).all()
    assert (again.labels == found.labels).all()
    assert data.checksums == {"all": checksum(found)}


@pytest.mark.parametrize("fit", ["pad", "crop", "stretch", "item"])
@pytest.mark.parametrize("resize", ["pillow-bilinear", "bicubic-antialias"])
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP"])
def test_serving_sees_the_pixels_that_training_saw(folder, read, fit, resize, form):
    content = encoded(photo(), form, quality=90)
    shape = (28, 28) if fit == "item" else (28, 28, 3)
    served = fit_picture(content, ModelProfile(shape=shape, fit=fit, resize=resize)).instance
    images = read(write(folder, two_classes(content)), fit=fit, resize=resize).parts["all"].images
    assert (images[0] == shown(served)).all()
    assert resize != "pillow-bilinear" or served.dtype == np.uint8  # nothing is rounded


def test_a_size_of_its_own(folder, read):
    assert read(write(folder, two_classes()), size=12).parts["all"].images.shape == (2, 12, 12)


@pytest.mark.parametrize(
    ("contents", "grey", "shape"),
    [
        ([GREY, GREY], None, (28, 28)),
        ([GREY, COLOUR], None, (28, 28, 3)),
        ([GREY, COLOUR], True, (28, 28)),
        ([GREY, GREY], False, (28, 28, 3)),
        ([encoded(np.dstack([random_pixels(0, 28, 28)] * 3))] * 2, None, (28, 28)),
        ([encoded(np.dstack([random_pixels(0, 40, 40)] * 3), "JPEG")] * 2, None, (28, 28)),
    ],
)
def test_grey_or_colour_comes_from_the_pixels(folder, read, contents, grey, shape):
    files = {f"{n}/a": content for n, content in enumerate(contents)}
    images = read(write(folder, files), grey=grey).parts["all"].images
    assert images.shape[1:] == shape
    if grey is None and contents[0] == GREY:
        first = images[0] if images.ndim == 3 else images[0, ..., 0]
        assert (first == random_pixels(0, 28, 28)).all()


def test_grey_pictures_that_are_stored_in_colours_become_what_a_grey_model_sees(folder, read):
    content = encoded(np.dstack([random_pixels(0, 50, 70)] * 3))
    served = fit_picture(content, ModelProfile(fit="pad", resize="pillow-bilinear")).instance
    assert (read(write(folder, two_classes(content))).parts["all"].images[0] == served).all()


def test_grey_jpegs_become_what_a_grey_model_sees(folder, read):
    content = encoded(random_pixels(2, 300, 200), "JPEG")
    served = fit_picture(content, ModelProfile(fit="pad", resize="pillow-draft")).instance
    assert (read(write(folder, two_classes(content))).parts["all"].images == served).all()


def test_sixteen_bits_are_scaled(folder, read):
    deep = (random_pixels(0, 28, 28).astype(np.uint16) * 257).astype(np.uint16)
    images = read(write(folder, two_classes(encoded(deep)))).parts["all"].images
    assert (images[0] == random_pixels(0, 28, 28)).all()


@pytest.mark.parametrize("validation", ["val", "valid", "Validation"])
def test_parts(folder, read, validation):
    parts = ("train", validation, "test")
    data = read(write(folder, {f"{p}/{c}/1.png": GREY for p in parts for c in ("a", "b")}))
    assert list(data.parts) == ["train", "validation", "test"]
    assert [part.labels.tolist() for part in data.parts.values()] == [[0, 1]] * 3
    assert set(data.checksums) == set(data.parts)


def test_train_may_be_a_class(folder, read):
    assert read(write(folder, {"train/1.png": GREY, "plane/1.png": GREY})).classes == (
        "plane",
        "train",
    )


def test_folders_below_a_class_are_of_it(folder, read):
    data = read(write(folder, {"cat/x/y/1.png": GREY, **two_classes()}))
    assert data.parts["all"].labels.tolist() == [0, 0, 1]


@pytest.fixture
def deep(folder, monkeypatch):
    """A class with a picture in folders deeper than functions may call themselves."""
    write(folder, two_classes())
    monkeypatch.chdir(folder / "cat")
    for _ in range(1200):
        Path("d").mkdir()
        os.chdir("d")
    Path("1.png").write_bytes(GREY)
    yield folder
    Path("1.png").unlink()
    for _ in range(1200):  # shutil.rmtree calls itself
        os.chdir("..")
        Path("d").rmdir()


def test_folders_may_be_deep(deep, read):
    assert read(deep).parts["all"].labels.tolist() == [0, 0, 1]


def test_a_name_with_escapes_is_shown_escaped(folder, read):
    data = read(write(folder, {"a\x1b[31m/1.png": GREY, "b\udce9/1.png": GREY}))
    assert data.classes == ("a\\u001b[31m", "b\\udce9")


HUGE = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\0\x61\xa8" * 2 + b"\x08\x02\0\0\0"  # 25,000 x 25,000
JPEG = encoded(photo(), "JPEG")

LEFT_OUT = [
    ({"cat/.a.png": GREY}, "with names that begin with a dot: 1 (cat/.a.png)"),
    ({".git/a": b""}, "files or folders hidden, with names that begin with a dot: 1 (.git)"),
    ({"__MACOSX/cat/._1.png": GREY}, "files or folders of operating systems: 1 (__MACOSX)"),
    ({"cat/Thumbs.db": b"x"}, "files or folders of operating systems: 1 (cat/Thumbs.db)"),
    ({"cat/desktop.ini": b"x"}, "files or folders of operating systems: 1 (cat/desktop.ini)"),
    ({"bird": None}, "folders without pictures: 1 (bird/)"),
    ({"readme.txt": b"x"}, "files beside the folders of classes: 1 (readme.txt)"),
    ({"cat/l.png": "/etc/hostname"}, "links out of the folder: 1 (cat/l.png)"),
    ({"bird": "/etc"}, "links out of the folder: 1 (bird)"),
    ({"cat/l.png": "2.png"}, "links that lead nowhere: 1 (cat/l.png)"),
    ({"cat/l": "../cat"}, "links to a folder that they are in: 1 (cat/l)"),
    ({"cat/notes.txt": b"text"}, "or of a format that is not read: 1 "
     "(cat/notes.txt: This is no picture, or its format is not supported)"),
    ({"cat/a.pdf": b"%PDF-1.7"}, "or of a format that is not read: 1 "
     "(cat/a.pdf: This is a PDF document, not a picture)"),
    ({"cat/a.svg": b"<svg></svg>"}, "or of a format that is not read: 1 "
     "(cat/a.svg: SVG is a drawing, not pixels)"),
    ({"cat/e.png": b""}, "pictures that are damaged: 1 (cat/e.png: The picture is empty)"),
    ({"cat/t.jpg": JPEG[:600]}, "pictures that are damaged: 1 (cat/t.jpg: The picture"),
    ({"cat/h.png": HUGE}, "too large: 1 (cat/h.png: The picture has 25000x25000 pixels"),
    ({"cat/\x1b.png": b"text"}, "(cat/\\u001b.png: This is no picture"),
    ({f"cat/{n}.txt": b"text" for n in range(5)}, "of a format that is not read: 5 ("),
    ({"bird/a.txt": b"text"}, "classes without a picture that is read: 1 (bird)"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "note"), LEFT_OUT, ids=[note for _, note in LEFT_OUT])
def test_what_is_left_out_is_listed(folder, read, files, note):
    data = read(write(folder, {**two_classes(), **files}))
    assert [each for each in data.notes if note in each], data.notes
    assert all(each.startswith("left out, ") for each in data.notes)
    assert data.classes == ("cat", "dog")
    assert len(data.parts["all"]) == 2


def test_only_a_few_names_are_listed(folder, read):
    data = read(write(folder, {**two_classes(), **{f"cat/{n}.db/.x": b"" for n in range(5)}}))
    assert "(cat/0.db/.x, cat/1.db/.x, cat/2.db/.x, …)" in data.notes[0]


def test_links_within_the_folder_are_followed(folder, read):
    data = read(write(folder, {**two_classes(), "cat/l.png": "../dog/1.png", "cow": "dog"}))
    assert data.classes == ("cat", "cow", "dog")
    assert data.parts["all"].labels.tolist() == [0, 0, 1, 2]


def test_pipes_and_sockets_are_not_opened(folder, read, tmp_path, monkeypatch):
    write(folder, two_classes())
    os.mkfifo(folder / "cat" / "pipe.png")
    monkeypatch.chdir(folder / "cat")  # the name of a socket is short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
        assert "pipes, sockets or devices: 2 (cat/pipe.png, cat/s)" in read(folder).notes[0]


def test_a_file_that_cannot_be_read_is_listed_until_it_can(folder, read):
    write(folder, {**two_classes(), "cat/2.png": GREY})
    file, away = folder / "cat" / "2.png", folder.parent / "away"
    data = read(folder, say=lambda _: file.rename(away))  # after it was listed
    assert data.notes == (
        "left out, files that cannot be read: 1 (cat/2.png: No such file or directory)",
    )
    away.rename(file)
    assert len(read(folder).parts["all"]) == 3
    assert read(folder).notes == ()


def test_a_large_file_is_not_read_whole(folder, read):
    write(folder, {**two_classes(), "cat/big.png": b""})
    os.truncate(folder / "cat" / "big.png", 10**12)  # which no memory has
    assert "files that are too large: 1 (cat/big.png: The file has 1,000," in read(folder).notes[0]


def test_a_few_pictures_in_colour_are_told(folder, read):
    data = read(write(folder, {**{f"{n % 2}/{n}": GREY for n in range(30)}, "0/c": COLOUR}))
    assert data.notes == ("1 of 31 pictures have colours (0/c), so all are in colour",)


BROKEN = [
    ({}, "has none of folders of pictures by class"),
    ({"a.png": GREY}, "has none of folders of pictures by class"),
    ({"cat": None, "dog": None}, "has none of folders of pictures by class"),
    ({"cat/.x": b"", "dog/a/.x": b""}, "has no pictures"),
    ({"cat/a.png": GREY}, "has one class (cat) to learn"),
    ({"cat/a.png": GREY, "dog": None}, "has one class (cat) to learn"),
    ({"cat/a.png": GREY, "dog/a.txt": b"text"}, "has one class (cat) to learn"),
    ({"cat/a.txt": b"text", "dog/b.txt": b"text"}, "No pictures are left of 2 files: left out, "),
    ({"train/a/1": GREY, "train/b/1": GREY, "test/c/1": GREY}, "has the class c in test only"),
    ({"test/a/1": GREY, "val/b/1": GREY}, "has test, val and nothing to train on"),
    ({"train/1": GREY, "test/1": GREY}, "no folders of classes in them"),
    ({"train/a/1": GREY, "val/a/1": GREY, "valid/a/1": GREY}, "two folders for validation"),
    ({"train/a/1": GREY, "extra/1": GREY}, "has parts (train) and other folders beside them (e"),
    ({f"{'n' * 201}/1": GREY, "b/1": GREY}, "has a name of 201 characters, and a class 200"),
    ({f"{60 * chr(1)}/1": GREY, "b/1": GREY}, "has a name of 360 characters, and a class 200"),
    ({"\x1b/1": GREY, "\\u001b/1": GREY}, "Two folders are shown as \\u001b: rename one"),
    ({f"{p}/a/1": GREY for p in ("train", "dev", "val")}, "for validation, dev and val: keep"),
    ({"data/a/1": GREY, "data/b/1": GREY}, "has one folder, data, which has 2: name "),
    ({f"{n}/1": GREY for n in range(1001)}, "has 1,001 classes, and 1,000 are the most"),
]  # fmt: skip


@pytest.mark.parametrize(("files", "sentence"), BROKEN, ids=[told for _, told in BROKEN])
def test_broken_folders(folder, files, sentence, tmp_path):
    folder.mkdir()
    with pytest.raises(DataError) as raised:
        load(write(folder, files), cache=tmp_path / "cache")
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"size": 0}, "Pictures are 1 to 4,096 pixels high and wide, not 0"),
        ({"fit": "fill"}, "'fill' is no fit: there are item, crop, pad, stretch"),
        ({"resize": "cubic"}, "'cubic' is no resize: there are bilinear, "),
        ({"fit": "item", "size": 32}, "Items are found as grey pictures of 28x28"),
        ({"fit": "item", "grey": False}, "Items are found as grey pictures of 28x28"),
    ],
)
def test_options_that_no_model_has(folder, read, options, sentence):
    with pytest.raises(DataError, match=sentence.replace("(", r"\(")):
        read(write(folder, two_classes()), **options)


@pytest.mark.parametrize("name", ["missing", "file", "a\0b"])
def test_no_folder(tmp_path, read, name):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match="name a folder of pictures"):
        read(tmp_path / name)


def test_blank_pictures_have_no_item(folder, read):
    blank = encoded(np.zeros((28, 28), np.uint8))
    data = read(write(folder, {**two_classes(JPEG), "cat/b.png": blank}), fit="item")
    assert len(data.parts["all"]) == 2
    (note,) = data.notes
    assert "pictures in which no item was found: 1 (cat/b.png: it looks empty)" in note
