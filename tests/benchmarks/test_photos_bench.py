"""How the benchmark of pictures draws, finds and counts."""

import numpy as np
import pytest

from benchmarks.photos.figures import (
    MEAN_GAP,
    WORST_GAP,
    Column,
    accuracy,
    by_group,
    counts,
    verdict,
)
from benchmarks.photos.found import (
    PICTURES_AT_A_TIME,
    Found,
    draw_and_find,
    draw_and_find_all,
    parts,
)
from vitrine_client.images import find_item
from vitrine_training.data.fashion_mnist import load
from vitrine_training.photos import KINDS, STRANGERS, Kind


@pytest.fixture(scope="module")
def images():
    return load().test.images


def flags(*values):
    return np.array(values, bool)


def nothing(item, rng):
    """Never drawn here."""
    return b""


def kinds(**groups):
    return {name: Kind(name, nothing, group, group != "lost") for name, group in groups.items()}


def test_every_image_is_drawn_once_in_each_kind():
    """In parts, mirrored as well where that is asked for."""
    tasks = parts(["white", "dust"], PICTURES_AT_A_TIME + 1, mirrored=True)
    assert len(tasks) == len(set(tasks)) == 8
    assert {first for _, _, first in tasks} == {0, PICTURES_AT_A_TIME}
    assert len(parts(["white", "dust"], PICTURES_AT_A_TIME, mirrored=False)) == 2


def test_processes_find_what_one_finds(images):
    """In the order of the images, whichever part is done first."""
    few, others = images[: PICTURES_AT_A_TIME + 3], images[500:520]
    done = []
    tasks = parts(["white", "two-items"], len(few), mirrored=True)
    found = draw_and_find_all(tasks, few, others, 2, lambda: done.append(1))
    assert len(done) == len(tasks)
    assert set(found) == {(n, m) for n in ("white", "two-items") for m in (False, True)}
    last = len(few) - 1
    for (name, mirrored), one in found.items():
        item = few[last][:, ::-1] if mirrored else few[last]
        picture = KINDS[name].draw(item, KINDS[name].generator(last), others)
        assert one.instances.shape == few.shape
        np.testing.assert_array_equal(one.instances[last], find_item(picture).instance)


def test_pictures_that_cannot_be_read_are_counted(images):
    """A kind whose files nobody can read is refused, and has no instance."""
    kind = Kind("damaged", lambda item, rng: b"no picture", "formats")
    found = draw_and_find(("damaged", False, 0), images[:3], images[:1], {"damaged": kind})
    assert found.refused.all()
    assert not found.seen.any()
    assert not found.instances.any()


def test_no_answer_is_never_right():
    """A black row has a class as well, which does not count."""
    found = Found(
        np.zeros((4, 28, 28), np.uint8),
        empty=flags(0, 0, 1, 0),
        refused=flags(0, 0, 0, 1),
        warned=flags(0, 1, 0, 0),
    )
    labels = np.array([5, 5, 5, 5])
    assert accuracy(np.array([5, 3, 5, 5]), found, labels) == 0.25


def test_goal_holds_within_both_limits():
    """The mean and the worst kind decide; what does not count has no say."""
    some = kinds(a="frames", b="frames", c="lost", d=STRANGERS[0])
    near = Column(0.85, {"a": 0.84, "b": 0.80, "c": 0.10, "d": 0.20})
    found = verdict(near, some)
    assert found["holds"]
    assert found["mean_gap"] == pytest.approx(3)
    assert (found["worst_kind"], found["worst_gap"]) == ("b", pytest.approx(5))
    assert found["strangers"] == {STRANGERS[0]: pytest.approx(65)}
    assert [name for name in some if counts(some[name])] == ["a", "b"]


def test_a_gap_at_the_limit_is_within_it():
    """Of 200 images, 30 fewer are right: 15 points, whatever floats make of it."""
    some = kinds(**{f"kind{number}": "frames" for number in range(200)})
    for right in range(30, 201):
        by_kind = dict.fromkeys(some, right / 200) | {"kind0": (right - 30) / 200}
        assert verdict(Column(right / 200, by_kind), some)["holds"]


@pytest.mark.parametrize(
    ("gaps", "beyond"), [((MEAN_GAP + 1,) * 2, []), ((0, 0, 0, 0, WORST_GAP + 1), ["kind4"])]
)
def test_goal_is_missed_beyond_either_limit(gaps, beyond):
    """By all kinds a little, or by one of them far."""
    some = kinds(**{f"kind{number}": "frames" for number in range(len(gaps))})
    column = Column(0.9, {f"kind{number}": 0.9 - gap / 100 for number, gap in enumerate(gaps)})
    found = verdict(column, some)
    assert not found["holds"]
    assert found["beyond"] == beyond
    assert found["strangers"] == {}


def test_kinds_that_do_not_count_are_shown_apart():
    """Groups keep the order of the kinds."""
    some = kinds(a="frames", b="lost", c="frames")
    assert by_group(some) == {"frames": ["a", "c"], "lost, tones lost": ["b"]}
