"""Near-duplicates: re-encoded copies are found, pictures that are only alike are not."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.training.own.made_arrays import digits
from vitrine_training.data.own.examples import row_digests
from vitrine_training.data.own.near_duplicates import (
    LEAST_CORRELATION,
    MOST_BITS,
    Duplicates,
    beside_others,
    candidate_pairs,
    connected,
    difference_hashes,
    near_pairs,
)


def smooth(count=40, size=28, channels=(), seed=0):
    """Pictures with shapes as large as those of clothes: noise of 7x7, enlarged."""
    drawn = np.random.default_rng(seed).integers(0, 256, (count, 7, 7, *channels), np.uint8)
    return np.stack([np.asarray(Image.fromarray(each).resize((size, size))) for each in drawn])


def jpeg(image, quality=90):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def enlarged(image):
    size = image.shape[:2]
    return np.asarray(Image.fromarray(image).resize((2 * size[1], 2 * size[0])).resize(size[::-1]))


def noisy(image):
    noise = np.random.default_rng(1).normal(0, 3, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def duplicates(images, labels=None):
    labels = np.zeros(len(images), np.int64) if labels is None else labels
    return Duplicates.of(images, labels, row_digests(images))


COPIES = {
    "equal": np.copy,
    "JPEG": jpeg,
    "enlarged and back": enlarged,
    "noise": noisy,
    "less contrast": lambda image: (image * 0.8 + 20).astype(np.uint8),
    "one pixel": lambda image: np.where(np.arange(image.size).reshape(image.shape) == 9, 0, image),
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
@pytest.mark.parametrize(("size", "channels"), [(28, ()), (28, (3,)), (90, ()), (64, (3,))])
def test_a_copy_is_found_whatever_was_done_to_it(copy, size, channels):
    images = smooth(size=size, channels=channels)
    copies = np.stack([copy(image) for image in images]).astype(np.uint8)
    groups = duplicates(np.concatenate([images, copies])).groups()
    assert (groups[:40] == groups[40:]).mean() >= 0.85  # JPEG has a small picture's colours coarse
    assert len(np.unique(groups[:40])) == 40


def test_pictures_that_are_only_alike_are_not_linked():
    assert len(duplicates(smooth(2_000)).links) == 0
    assert len(duplicates(digits(500)[0]).links) == 0


def test_colours_count():
    shapes = smooth() // 2
    red, green = np.zeros((2, *shapes.shape, 3), np.uint8)
    red[..., 0], green[..., 1] = shapes, shapes
    assert np.array_equal(difference_hashes(red), difference_hashes(green))
    assert len(duplicates(np.concatenate([red, green])).links) == 0


def test_near_ones_of_another_class_are_no_duplicates_and_equal_ones_are():
    images = np.concatenate([smooth(), smooth(), [jpeg(image) for image in smooth()]])
    found = duplicates(images, np.repeat([0, 1, 2], 40))
    assert np.array_equal(found.units[:40], found.units[40:80])
    assert len(found.links) == 0


def test_flat_pictures_are_duplicates_where_they_are_equal_alone():
    levels = np.array([0, 0, 1, 128, 255, 255], np.uint8)
    found = duplicates(np.broadcast_to(levels[:, None, None], (6, 28, 28)))
    assert (
        found.groups().tolist()
        == [found.units[0]] * 2 + found.units[2:4].tolist() + [found.units[4]] * 2
    )
    assert found.count == 4


def test_bits_are_those_of_neighbours_in_8_rows_of_9():
    images = np.random.default_rng(0).integers(0, 256, (5, 16, 27), np.uint8)
    small = images.reshape(5, 8, 2, 9, 3).mean(axis=(2, 4))
    bits = np.diff(small, axis=2) > 2
    expected = [int("".join(str(int(bit)) for bit in each.ravel()), 2) for each in bits]
    assert difference_hashes(images).tolist() == expected
    colours = np.repeat(images[..., None], 3, axis=3)
    assert difference_hashes(colours).tolist() == expected


@pytest.mark.parametrize("shape", [(4, 4), (4, 40), (33, 5), (8, 8, 3), (1, 1)])
def test_pictures_of_any_size(shape):
    images = np.random.default_rng(0).integers(0, 256, (30, *shape), np.uint8)
    images[7] = images[3]
    groups = duplicates(images).groups()
    assert groups[7] == groups[3]


def test_no_picture_and_one():
    assert duplicates(np.empty((0, 28, 28), np.uint8)).groups().tolist() == []
    assert duplicates(smooth(1)).groups().tolist() == [0]


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=15, deadline=None)
def test_the_look_up_finds_what_comparing_all_with_all_does(seed):
    drawn = np.random.default_rng(seed)
    images = smooth(12, seed=seed)[drawn.integers(0, 12, 60)]
    images = np.clip(images + drawn.normal(0, drawn.integers(0, 25), images.shape), 0, 255)
    images, labels = images.astype(np.uint8), drawn.integers(0, 2, 60)
    found = near_pairs(images, labels, np.arange(60))
    pixels = np.corrcoef(images.reshape(60, -1))
    hashes = difference_hashes(images)
    bits = np.bitwise_count(hashes[:, None] ^ hashes)
    near = (bits <= MOST_BITS) & (pixels >= LEAST_CORRELATION) & (labels[:, None] == labels)
    expected = {(i, j) for i, j in np.argwhere(near).tolist() if i < j}
    assert len(found) == len(expected)  # each once
    assert {(min(pair), max(pair)) for pair in found.tolist()} == expected


def test_thousands_that_hash_alike_are_not_compared_with_each_other():
    hashes, labels = np.zeros(5_000, np.uint64), np.zeros(5_000, np.int64)
    compared = sum(map(len, candidate_pairs(hashes, labels)))
    assert 5_000 <= compared <= 5_000 * 100


@given(st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40))
def test_components_are_those_of_a_walk(links):
    roots = connected(30, np.array(links, np.int64).reshape(-1, 2))
    beside = {node: {node} for node in range(30)}
    for one, other in links:
        joined = beside[one] | beside[other]
        for node in joined:
            beside[node] = joined
    assert roots.tolist() == [min(beside[node]) for node in range(30)]


def test_what_is_beside_chosen_rows():
    images = smooth()
    images[1], images[2], images[3] = images[0], jpeg(images[0]), images[5]
    chosen = np.arange(40) == 1
    assert np.flatnonzero(duplicates(images).beside(chosen)).tolist() == [0, 1, 2]


@pytest.mark.parametrize("channels", [(), (3,)], ids=["grey", "colour"])
def test_what_is_beside_others(channels):
    """As of pairs within one set and one class, but with each compared to all."""
    images, others = smooth(12, channels=channels), smooth(30, channels=channels, seed=1)
    others[3], others[20], others[21] = jpeg(images[5]), images[7], images[7]
    assert np.flatnonzero(beside_others(images, others)).tolist() == [5, 7]
    assert not beside_others(images, others[:0]).any()
    assert beside_others(images[:0], others).shape == (0,)


def test_many_that_hash_alike_are_compared_all_the_same():
    """A copy is found among thousands of the same hash."""
    images = digits(3_000, 8, 3)[0]
    others = np.concatenate([images[:2_990] // 2, images[2_990:]])
    found = beside_others(images[2_980:], others)
    assert found[10:].all()
