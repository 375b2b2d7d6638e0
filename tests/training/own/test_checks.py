"""Checks of own data, of whatever form: errors, and doubts that become notes."""

import numpy as np
import pytest

from vitrine_training.data.idx import DataError
from vitrine_training.data.own.checks import checked
from vitrine_training.data.own.examples import Examples, OwnData

CLASSES = ("cat", "dog", "\x1b[2Jowl")


def part(*counts, size=(8, 8)):
    """Examples with so many of each class."""
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    images = np.random.default_rng(0).integers(0, 256, (len(labels), *size), np.uint8)
    return Examples(images, labels)


def data(classes=CLASSES, **parts):
    return OwnData(classes, parts, ("read",), {}, "the folder pets")


BROKEN = {
    "no part": ({}, "the folder pets has no pictures"),
    "no pictures": ({"all": part(0, 0, 0)}, "the folder pets has no pictures"),
    "an unknown part": ({"train": part(20, 20), "dev": part(1)}, "the part dev"),
    "all and train": ({"all": part(20, 20), "train": part(20, 20)}, "beside those of train"),
    "only held-out parts": ({"validation": part(9, 9), "test": part(9, 9)}, "nothing to train on"),
    "an empty part": ({"train": part(20, 20), "test": part(0)}, "no pictures in test"),
    "two sizes": (
        {"train": part(20, 20), "test": part(9, 9, size=(8, 8, 3))},
        "(train 8x8, test 8x8x3)",
    ),
    "one class": ({"all": part(30)}, "one class (cat) to learn: two are the least"),
    "a class in test only": (
        {"train": part(20, 20), "test": part(1, 1, 1)},
        "the class \\u001b[2Jowl in test only",
    ),
    "classes in validation only": (
        {"train": part(20), "validation": part(1, 1, 1)},
        "the classes dog, \\u001b[2Jowl in validation only",
    ),
    "a class id too high": ({"all": part(9, 9, 9, 9)}, "the class id 3 in all"),
}


@pytest.mark.parametrize(("parts", "sentence"), BROKEN.values(), ids=BROKEN)
def test_data_that_nothing_is_learnt_from(parts, sentence):
    with pytest.raises(DataError) as raised:
        checked(data(**parts))
    assert sentence in str(raised.value)
    assert "\x1b" not in str(raised.value)


def test_a_class_id_below_0():
    examples = part(20, 20)
    examples.labels[3] = -1
    with pytest.raises(DataError, match="class id -1 in all, which is out of range: 0 to 2"):
        checked(data(all=examples))


def test_classes_need_different_names():
    with pytest.raises(DataError, match="two classes called cat"):
        checked(data(("cat", "dog", "cat"), all=part(20, 20, 20)))


def test_more_classes_than_a_thousand():
    labels = np.arange(1_001)
    examples = Examples(np.zeros((1_001, 4, 4), np.uint8), labels)
    with pytest.raises(DataError, match="1,001 classes, and 1,000 are the most"):
        checked(data(tuple(map(str, labels)), all=examples))


DOUBTFUL = {
    "none": ({"train": part(20, 20, 20), "test": part(1, 1, 1)}, []),
    "few of two classes": (
        {"all": part(19, 20, 1)},
        ["the classes cat, \\u001b[2Jowl: fewer than 20 pictures to learn from"],
    ),
    "few in train count, not those in test": (
        {"train": part(19, 20, 20), "test": part(99, 99, 99)},
        ["the class cat: fewer than 20"],
    ),
    "none of a class": (
        {"all": part(20, 20)},
        ["the class \\u001b[2Jowl: no pictures at all"],
    ),
    "none in test": (
        {"train": part(20, 20, 20), "test": part(5, 5)},
        ["the class \\u001b[2Jowl: no pictures in test"],
    ),
    "one level": (
        {"all": Examples(np.full((60, 8, 8), 7, np.uint8), np.arange(60) % 3)},
        ["all pixels of all pictures have one level"],
    ),
}


@pytest.mark.parametrize(("parts", "sentences"), DOUBTFUL.values(), ids=DOUBTFUL)
def test_doubts_become_notes_after_those_of_the_reader(parts, sentences):
    found = checked(data(**parts))
    assert found.notes[0] == "read"
    notes = found.notes[1:]
    assert [note[: len(begin)] for note, begin in zip(notes, sentences, strict=True)] == sentences
