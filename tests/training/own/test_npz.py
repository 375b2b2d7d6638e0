"""NumPy archives: names of arrays, levels of any number, shapes of pictures."""

import numpy as np
import pytest

from tests.training.own.made_arrays import colours, digits
from vitrine_training.data.own.finding import load
from vitrine_training.data.own.npz import read_npz


@pytest.fixture
def saved(tmp_path):
    def save(**arrays):
        np.savez(tmp_path / "data.npz", **arrays)
        return tmp_path / "data.npz"

    return save


NAMES = {
    "Keras": (("x_train", "y_train"), ("x_test", "y_test"), ("x_val", "y_val")),
    "MedMNIST": (
        ("train_images", "train_labels"),
        ("test_images", "test_labels"),
        ("val_images", "val_labels"),
    ),
    "others": (("X_train", "Y_train"), ("x-test", "y-test"), ("images_valid", "targets_valid")),
}


@pytest.mark.parametrize("names", NAMES.values(), ids=NAMES)
def test_parts_have_the_names_that_are_usual(saved, names):
    images, labels = digits(300)
    arrays = {}
    for at, (x, y) in enumerate(names):
        arrays |= {x: images[at * 100 :][:100], y: labels[at * 100 :][:100]}
    data = load(saved(**arrays))
    assert {part: len(examples) for part, examples in data.parts.items()} == dict.fromkeys(
        ("train", "test", "validation"), 100
    )
    assert set(data.checksums) == set(data.parts)


@pytest.mark.parametrize("names", [("x", "y"), ("images", "labels"), ("data", "target")])
def test_data_that_nobody_has_split_is_all(saved, names):
    assert set(load(saved(**dict(zip(names, digits(), strict=True)))).parts) == {"all"}


def test_scikit_learns_digits_are_there_flat_too(saved):
    images, labels = digits()
    flat = images.reshape(len(images), -1)
    path = saved(data=flat, images=images, target=labels, target_names=np.arange(10), DESCR="x")
    (note,) = load(path).notes
    assert note == "left out, as nothing is known of them: data, target_names, DESCR"


IMAGES, LABELS = digits()
IMAGES[0, 0, 0] = 255
GREYS = {
    "bool": (IMAGES > 100, np.where(IMAGES > 100, 255, 0), "1 is taken as white"),
    "uint8 of 0 and 1": ((IMAGES > 100) * 1, np.where(IMAGES > 100, 255, 0), "1 is taken as white"),
    "int64": (IMAGES.astype(np.int64), IMAGES, ""),
    "float32 to 255": (IMAGES.astype(np.float32), IMAGES, ""),
    "float32 to 1": (IMAGES.astype(np.float32) / 255, IMAGES, "1 is taken as white"),
    "float16 to 1": ((IMAGES / 255).astype(np.float16), IMAGES, "1 is taken as white"),
    "uint16": (IMAGES.astype(np.uint16) * 257, IMAGES, "65,535 is taken as white"),
    "big-endian uint16": (IMAGES.astype(">u2") * 257, IMAGES, "65,535 is taken as white"),
    "uint16 to 255": (IMAGES.astype(np.uint16), IMAGES, ""),
}


@pytest.mark.parametrize(("images", "levels", "note"), GREYS.values(), ids=GREYS)
def test_levels_of_any_number_become_eight_bits(saved, images, levels, note):
    expected = load(saved(x=levels.astype(np.uint8), y=LABELS))
    data = load(saved(x=images, y=LABELS))
    assert np.array_equal(data.parts["all"].images, expected.parts["all"].images)
    assert [note in each for each in data.notes] == [True] * bool(note)


@pytest.mark.parametrize("kind", [np.float64, np.uint8, np.int32])
def test_levels_to_16_are_scaled_as_scikit_learns_digits_have_them(saved, kind):
    sixteen = np.minimum(IMAGES // 15, 16)
    data = load(saved(x=sixteen.astype(kind), y=LABELS))
    expected = load(saved(x=np.rint(sixteen * (255 / 16)).astype(np.uint8), y=LABELS))
    assert data.checksums == expected.checksums
    assert data.notes == ("x: 16 is taken as white, and scaled to 255",)


def test_sixteen_bits_are_scaled_and_rounded_not_cut(saved):
    images = np.tile(np.arange(16, dtype=np.uint16).reshape(4, 4), (40, 1, 1))
    images[:, 3] = [1000, 65_279, 65_407, 65_535]
    pictures = load(saved(x=images, y=np.arange(40) % 2)).parts["all"].images
    assert pictures[0, 3].tolist() == [4, 254, 255, 255]


def test_one_scale_is_for_all_parts(saved):
    dark = (IMAGES / 255 / 300).astype(np.float32)
    bright = IMAGES.astype(np.float32)
    data = load(saved(x_train=bright, y_train=LABELS, x_test=dark * 200, y_test=LABELS))
    assert data.parts["test"].images.max() == 1


def test_levels_that_stay_nearly_black_are_doubted(saved):
    (_, note) = load(saved(x=IMAGES.astype(np.uint16) * 16, y=LABELS)).notes  # twelve bits
    assert "nearly black" in note


SHAPES = {
    "grey": ((60, 8, 8), (8, 8), ""),
    "not square": ((60, 8, 5), (8, 5), ""),
    "one channel": ((60, 8, 8, 1), (8, 8), ""),
    "colour": ((60, 8, 8, 3), (8, 8, 3), ""),
    "flat": ((60, 64), (8, 8), ""),
    "flat in colour": ((60, 192), (8, 8, 3), "pixel by pixel"),
    "channels first": ((60, 3, 8, 8), (8, 8, 3), "before rows and columns"),
    "one channel, first": ((60, 1, 8, 8), (8, 8), "before rows and columns"),
}


@pytest.mark.parametrize(("shape", "picture", "note"), SHAPES.values(), ids=SHAPES)
def test_shapes_of_pictures(saved, shape, picture, note):
    drawn = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    data = load(saved(x=drawn, y=np.arange(60) % 2))
    assert data.parts["all"].images.shape == (60, *picture)
    assert [note in each for each in data.notes] == [True] * bool(note)


def test_channels_first_are_the_same_pictures(saved):
    images, labels = colours()
    last = load(saved(x=images, y=labels))
    first = load(saved(x=np.moveaxis(images, 3, 1), y=labels))
    assert first.checksums == last.checksums


LABEL_FORMS = {
    "floats": LABELS.astype(np.float32),
    "a column": LABELS[:, None],
    "bytes": LABELS.astype("S"),
    "text": LABELS.astype(str),
    "uint64": LABELS.astype(np.uint64),
}


@pytest.mark.parametrize("labels", LABEL_FORMS.values(), ids=LABEL_FORMS)
def test_labels_may_be_of_any_kind(saved, labels):
    expected = load(saved(x=IMAGES, y=LABELS))
    data = load(saved(x=IMAGES, y=labels))
    assert data.classes == expected.classes == tuple("0123456789")
    assert data.checksums == expected.checksums


def test_classes_are_in_numeric_order_and_may_have_gaps(saved):
    data = load(saved(x=IMAGES, y=LABELS * 3 + 2))
    assert data.classes == tuple(str(3 * digit + 2) for digit in range(10))
    assert set(data.parts["all"].labels.tolist()) == set(range(10))


def test_names_as_labels_are_sorted(saved):
    names = np.array(["zebra", "Ant", "ant"])
    assert load(saved(x=IMAGES, y=names[LABELS % 3])).classes == ("Ant", "ant", "zebra")


def test_a_thousand_classes_work(saved):
    images = np.random.default_rng(0).integers(0, 256, (2_000, 4, 4), np.uint8)
    data = load(saved(x=images, y=np.arange(2_000) % 1_000))
    assert len(data.classes) == 1_000
    (note,) = data.notes
    assert "0, 1, 2, 3, 4 and 995 more: fewer than 20" in note


def test_arrays_have_a_bound_all_together(saved):
    path = saved(x=IMAGES, y=LABELS, extra=np.zeros(100_000))
    bytes_of_both = IMAGES.nbytes + LABELS.nbytes
    assert len(read_npz(path, bytes_of_both).parts["all"]) == len(LABELS)
    with pytest.raises(Exception, match=rf"{bytes_of_both:,} bytes, and .* are the most"):
        read_npz(path, bytes_of_both - 1)
