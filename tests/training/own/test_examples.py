"""Examples of own data: their order and checksum are the pictures', not those of a form."""

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.own.made_arrays import WRITERS, colours, digits
from vitrine_training.data.own.examples import Examples, checksum, ordered
from vitrine_training.data.own.finding import load


def test_rows_are_ordered_by_label_then_by_the_pixels_hash():
    images, labels = digits(100)
    rows = ordered(Examples(images, labels))
    keys = [
        (int(label), hashlib.sha256(image.tobytes()).digest())
        for image, label in zip(rows.images, rows.labels, strict=True)
    ]
    assert keys == sorted(keys)
    assert sorted(map(bytes, rows.images)) == sorted(map(bytes, images))


@given(st.permutations(range(30)))
@settings(max_examples=20, deadline=None)
def test_no_order_of_the_rows_before_changes_the_one_after(permutation):
    for images, labels in (digits(30), colours(30)):
        images[3], labels[3] = images[7], labels[7]  # the same picture twice
        here = ordered(Examples(images, labels))
        there = ordered(Examples(images[permutation], labels[permutation]))
        assert np.array_equal(here.images, there.images)
        assert np.array_equal(here.labels, there.labels)
        assert checksum(here) == checksum(there)


def test_a_checksum_tells_pixels_labels_and_shapes_apart():
    images, labels = digits(30)
    other = images.copy()
    other[0, 0, 0] ^= 1
    given = [
        Examples(images, labels),
        Examples(other, labels),
        Examples(images, np.roll(labels, 1)),
        Examples(images.reshape(-1, 4, 16), labels),
    ]
    assert len({checksum(examples) for examples in given}) == len(given)


def test_how_an_array_lies_in_memory_changes_nothing():
    images, labels = digits(30)
    turned = np.asfortranarray(images)
    assert checksum(ordered(Examples(turned, labels))) == checksum(
        ordered(Examples(images, labels))
    )


@given(st.integers(4, 9), st.integers(2, 12), st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_every_form_gives_the_same_examples(tmp_path_factory, side, classes, seed):
    drawn = np.random.default_rng(seed)
    labels = drawn.permutation(np.arange(40) % classes)
    images = drawn.integers(0, 256, (40, side, side), np.uint8)
    folder = tmp_path_factory.mktemp("forms")
    found = {form: load(write(folder, images, labels)) for form, write in WRITERS.items()}
    assert len({data.checksums["all"] for data in found.values()}) == 1
    assert {data.classes for data in found.values()} == {tuple(map(str, range(classes)))}
    rows = [data.parts["all"] for data in found.values()]
    assert all(np.array_equal(rows[0].images, other.images) for other in rows)
    assert all(np.array_equal(rows[0].labels, other.labels) for other in rows)


@pytest.mark.parametrize("form", WRITERS)
def test_rows_are_as_the_files_have_them(tmp_path, form):
    images, labels = digits()
    data = load(WRITERS[form](tmp_path, images, labels))
    expected = ordered(Examples(images, labels))
    assert np.array_equal(data.parts["all"].images, expected.images)
    assert np.array_equal(data.parts["all"].labels, expected.labels)
    assert data.parts["all"].images.dtype == np.uint8
    assert data.parts["all"].labels.dtype == np.int64
    assert data.notes == ()
    assert str(tmp_path) in data.source
