"""Splits of own data: sizes, classes, duplicates, and what is the same whatever the order."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.own.made_arrays import digits
from tests.training.own.test_near_duplicates import duplicates, jpeg, smooth
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.examples import Examples, OwnData, checksum, ordered
from vitrine_training.data.own.splitting import imbalance, split

PARTS = ("train", "validation", "test")


def own(classes=10, notes=(), **parts):
    examples = {part: Examples(images, labels) for part, (images, labels) in parts.items()}
    names = tuple(f"class {number}" for number in range(classes))
    return OwnData(names, examples, notes, {}, "the folder pets")


def counts(data, classes=10):
    return {
        part: np.bincount(examples.labels, minlength=classes)
        for part, examples in data.parts.items()
    }


def keys(examples):
    return [
        (image.tobytes(), int(label))
        for image, label in zip(examples.images, examples.labels, strict=True)
    ]


def test_each_class_has_its_share_in_each_part():
    data = split(own(all=digits(1_000)))
    assert tuple(data.parts) == PARTS
    found = counts(data)
    assert set(found["test"]) == {15}
    assert set(found["validation"]) == {10}
    assert set(found["train"]) == {75}
    assert data.notes == ()
    assert data.checksums == {part: checksum(rows) for part, rows in data.parts.items()}


def test_every_picture_is_in_one_part_with_its_label_and_rows_are_ordered():
    images, labels = digits(300)
    data = split(own(all=(images, labels)))
    found = [key for rows in data.parts.values() for key in keys(rows)]
    assert Counter(found) == Counter(keys(Examples(images, labels)))
    assert all(keys(rows) == keys(ordered(rows)) for rows in data.parts.values())


@given(st.permutations(range(60)), st.integers(0, 5))
@settings(max_examples=15, deadline=None)
def test_no_order_of_the_rows_changes_the_parts(permutation, seed):
    images, labels = digits(60, classes=3)
    images[9], images[11], labels[11] = images[4], images[5], 1 - labels[5] % 2  # equal ones
    here = split(own(3, all=(images, labels)), seed)
    there = split(own(3, all=(images[permutation], labels[permutation])), seed)
    assert here.checksums == there.checksums
    assert here.notes == there.notes


def test_the_seed_draws_the_parts_and_they_are_no_tail():
    data = own(all=digits(400))
    by_seed = [split(data, seed) for seed in range(3)]
    assert len({each.checksums["test"] for each in by_seed}) == 3
    rank = {key: place for place, key in enumerate(keys(ordered(data.parts["all"])))}
    places = np.array([rank[key] % 40 for key in keys(by_seed[0].parts["test"])])
    assert places.min() < 10
    assert 14 < places.mean() < 25


@given(
    st.lists(st.integers(3, 60), min_size=2, max_size=8),
    st.floats(0.02, 0.4),
    st.floats(0.02, 0.4),
)
@settings(max_examples=25, deadline=None)
def test_sizes_are_within_a_picture_a_class_and_each_class_is_everywhere(sizes, validation, test):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    images = np.random.default_rng(1).integers(0, 256, (len(labels), 8, 8), np.uint8)
    data = own(len(sizes), all=(images, labels))
    found = counts(split(data, validation=validation, test=test), len(sizes))
    assert all((found[part] > 0).all() for part in PARTS)
    for part, share in (("test", test), ("validation", validation)):
        assert (abs(found[part] - share * np.array(sizes)) <= 1.5).all()


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_no_group_of_duplicates_is_on_two_sides(seed):
    drawn = np.random.default_rng(seed)
    originals = smooth(60, seed=seed)
    chosen = np.concatenate([np.arange(60), drawn.integers(0, 60, 60)])
    images = originals[chosen]
    images[60:90] = [jpeg(image) for image in images[60:90]]
    labels = chosen % 3
    labels[110:] = drawn.integers(0, 3, 10)  # equal ones of another class
    data = split(own(3, all=(images, labels)), seed % 7)
    rows = [data.parts[part] for part in PARTS]
    every = np.concatenate([part.images for part in rows])
    sides = np.repeat(np.arange(3), [len(part) for part in rows])
    groups = duplicates(every, np.concatenate([part.labels for part in rows])).groups()
    assert len(every) == 120
    assert len(np.unique(groups)) < 70
    assert all(len(set(sides[groups == group])) == 1 for group in groups)
    assert all(len(part) for part in rows)


def test_copies_of_another_class_are_trained_on_and_noted():
    images, labels = digits(200, classes=2)
    row = np.flatnonzero(labels == 0)[0]
    images, labels = np.concatenate([images, images[[row]]]), np.append(labels, 1)
    data = split(own(2, all=(images, labels)))
    assert sum(key[0] == images[row].tobytes() for key in keys(data.parts["train"])) == 2
    assert data.notes == (
        "2 pictures are equal to one of another class, so some labels are wrong (class 0, class 1)",
    )


def test_a_class_of_copies_is_trained_on_alone():
    images = np.concatenate([smooth(60), np.repeat(smooth(1, seed=9), 9, axis=0)])
    data = split(own(3, all=(images, np.append(np.arange(60) % 2, [2] * 9))))
    assert counts(data, 3)["train"][2] == 9
    assert data.notes == tuple(
        f"too few pictures that are no copies of one another to have one in {part}: class 2"
        for part in ("test", "validation")
    )


def test_a_class_that_is_alike_all_over_is_measured_all_the_same():
    alike = np.repeat(smooth(1, seed=9), 40, axis=0)
    noise = np.random.default_rng(0).integers(0, 3, alike.shape)
    alike = np.clip(alike.astype(int) + noise, 0, 255).astype(np.uint8)
    alike[39] = alike[38]
    data = split(own(2, all=(np.concatenate([smooth(60), alike]), np.repeat([0, 1], [60, 40]))))
    assert counts(data, 2)["test"].tolist() == [9, 6]
    assert len(data.notes) == 1
    assert "near-duplicates of one another in class 1: equal ones alone" in data.notes[0]
    assert sum(alike[39].tobytes() in dict(keys(part)) for part in data.parts.values()) == 1


FEW = {
    "one": (1, {"train": 1, "validation": 0, "test": 0}),
    "three": (3, {"train": 1, "validation": 1, "test": 1}),
    "four": (4, {"train": 2, "validation": 1, "test": 1}),
}


@pytest.mark.parametrize(("size", "expected"), FEW.values(), ids=FEW)
def test_small_classes(size, expected):
    images, labels = digits(200, classes=2)
    images = np.concatenate([images, digits(size, classes=1)[0] // 2])
    data = split(own(3, all=(images, np.append(labels, [2] * size))))
    assert {part: int(found[2]) for part, found in counts(data, 3).items()} == expected
    assert len(data.notes) == 2 * (size < 3)


def test_classes_of_two_go_to_both_held_out_parts():
    images, labels = digits(40, classes=20)
    found = counts(split(own(20, all=(images, labels))), 20)
    assert set(found["train"]) == {1}
    assert found["test"].sum() == found["validation"].sum() == 10


@pytest.mark.parametrize(
    "given_parts", [("test",), ("validation",), ("validation", "test")], ids="-".join
)
def test_given_parts_stay_as_they_are(given_parts):
    images, labels = digits(400)
    parts = {
        part: (images[at : at + 50], labels[at : at + 50])
        for at, part in zip((0, 50), given_parts, strict=False)
    }
    data = own(train=(images[100:], labels[100:]), **parts)
    found = split(data)
    assert tuple(found.parts) == PARTS
    assert all(found.parts[part] is data.parts[part] for part in given_parts)
    assert sum(len(part) for part in found.parts.values()) == 300 + 50 * len(given_parts)
    if len(given_parts) == 2:
        assert found.parts["train"] is data.parts["train"]
    assert found.notes == ()


def test_train_alone_is_split_as_all_is():
    rows = digits(300)
    assert split(own(all=rows)).checksums == split(own(train=rows)).checksums


def test_pictures_of_a_given_part_that_are_in_train_too_are_counted():
    images = smooth(120)
    labels = np.arange(120) % 2
    test = images[:20].copy()
    test[:4] = images[40:44]
    test[4:6] = [jpeg(image) for image in images[44:46]]
    data = own(2, ("read",), train=(images[20:], labels[20:]), test=(test, labels[:20]))
    data = split(data, validation=0.02)
    held = {key for key, _ in keys(data.parts["validation"])}
    assert not held & {image.tobytes() for image in images[40:46]}, "another seed is needed"
    assert data.notes == (
        "read",
        "6 of 20 pictures in test are equal to ones in train or near-duplicates of them, so its "
        "figures are too good",
    )


def test_too_few_to_split():
    images, labels = digits(2, classes=2)
    with pytest.raises(DataError, match="the folder pets has too few pictures to split test, vali"):
        split(own(2, all=(images, labels)))


@pytest.mark.parametrize("shares", [(0, 0.1), (0.1, -1), (0.5, 0.5), (float("nan"), 0.1)])
def test_shares_that_are_none(shares):
    with pytest.raises(ValueError, match="shares are above 0"):
        split(own(all=digits()), validation=shares[0], test=shares[1])


def test_imbalance_in_words():
    images = np.zeros((30, 8, 8), np.uint8)
    labels = np.repeat([0, 1, 3], [24, 4, 2])
    assert imbalance(own(4, train=(images, labels))) == (
        "24 pictures of class 0, 2 of class 3: 12 : 1"
    )
    assert imbalance(own(2, all=(images, np.arange(30) % 2))) == "15 pictures of each class"


def test_large_shares_leave_something_to_train_on():
    found = counts(split(own(2, all=digits(8, classes=2)), validation=0.45, test=0.45), 2)
    assert all((found[part] > 0).all() for part in PARTS)


def test_groups_larger_than_a_share_are_taken_whole():
    images = np.repeat(smooth(6), 5, axis=0)
    found = counts(split(own(2, all=(images, np.repeat([0, 1], 15)))), 2)
    assert all((found[part] == 5).all() for part in PARTS)
