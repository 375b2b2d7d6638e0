"""Learning from feedback: what is added, relabelled and left out, whatever the files' order."""

import itertools

import numpy as np
import pytest
from PIL import Image

from tests.training.feedback.made_feedback import flagged, flags_file, logged, noise
from vitrine_training.data.feedback import budget, flags
from vitrine_training.data.feedback import logged as logs
from vitrine_training.data.feedback.learning import MOST_KEYS, BaseData, learn
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.examples import row_digests
from vitrine_training.data.rows_on_disk import RowsOnDisk

LABELS = ["Bag", "Coat", "Shirt"]
PICTURES = noise(8)
DATA = BaseData(
    LABELS,
    (noise(30, seed=1), np.arange(30) % 3),
    (noise(6, seed=2), noise(6, seed=3)),
)


def learnt(folder, flag_lines, log_lines, data=DATA, model="m"):
    found = flags.read([flags_file(folder / "flags", *flag_lines)])
    log = logs.read([flags_file(folder / "log", *log_lines)], found.every)
    return learn(model, found, log, data)


def left_out(learning):
    return learning.card["left_out"]


def test_pictures_are_added_at_the_end(tmp_path):
    """By class, then by SHA-256 of their pixels; what was there stays as it was."""
    names = ["Shirt", "Bag", "Shirt", "Coat"]
    found = learnt(
        tmp_path,
        [flagged(f"r{number}", name) for number, name in enumerate(names)],
        [logged(f"r{number}", picture) for number, picture in enumerate(PICTURES)],
    )
    images, labels = found.train
    assert (images[:30] == DATA.train[0]).all()
    assert (labels[:30] == DATA.train[1]).all()
    assert labels[30:].tolist() == [0, 1, 2, 2]
    digests = [row.tobytes() for row in row_digests(images[30:])]
    assert digests[2] < digests[3]
    assert (images[[30, 31]] == PICTURES[[1, 3]]).all()
    assert (found.added, found.relabelled, left_out(found)) == (4, 0, {})
    assert found.card["by_label"] == {"Bag": 1, "Coat": 1, "Shirt": 2}
    assert found.card["by_key"] == {"ann": 4}
    assert found.changes[("ann", "Shirt", "Bag")] == 2


def test_pictures_are_added_to_those_on_disk(tmp_path):
    """The same rows, of which none is read yet; labels are replaced there, too."""
    pictures = [*PICTURES[:3], DATA.train[0][7]]
    flag_lines = [flagged(f"r{number}", "Shirt") for number in range(4)]
    log_lines = [logged(f"r{number}", picture) for number, picture in enumerate(pictures)]
    on_disk = RowsOnDisk([DATA.train[0][:20], DATA.train[0][20:]])
    held_out = [RowsOnDisk([part]) for part in DATA.held_out]
    found = learnt(
        tmp_path, flag_lines, log_lines, BaseData(LABELS, (on_disk, DATA.train[1]), held_out)
    )
    in_memory = learnt(tmp_path, flag_lines, log_lines)
    assert isinstance(found.train[0], RowsOnDisk)
    np.testing.assert_array_equal(found.train[0][:], in_memory.train[0])
    np.testing.assert_array_equal(found.train[1], in_memory.train[1])
    assert (found.added, found.relabelled, found.card) == (3, 1, in_memory.card)


def test_pictures_beyond_a_tenth_of_the_memory(tmp_path, monkeypatch):
    """Of the log as PNG, and then their pixels; equal ones count once."""
    flag_lines = [flagged(f"r{number}") for number in range(8)]
    log_lines = [logged(f"r{number}", PICTURES[number % 4]) for number in range(8)]
    found = flags.read([flags_file(tmp_path / "flags", *flag_lines)])
    log = logs.read([flags_file(tmp_path / "log", *log_lines)], found.every)
    monkeypatch.setattr(budget, "memory_bytes", lambda: 10 * 4 * PICTURES[0].nbytes)
    assert learn("m", found, log, DATA).added == 4
    with pytest.raises(DataError, match="of the prediction log take more than 324 bytes, a tenth"):
        logs.read([tmp_path / "log"], found.every)
    monkeypatch.setattr(budget, "memory_bytes", lambda: 10 * 4 * PICTURES[0].nbytes - 1)
    with pytest.raises(DataError, match="the pixels of flagged pictures take more than 323 bytes"):
        learn("m", found, log, DATA)


def test_long_labels_count(tmp_path, monkeypatch):
    monkeypatch.setattr(budget, "memory_bytes", lambda: 10_000)
    line = logged("r0", PICTURES[0], answered="B" * 2_000, images=False)
    found = flags.read([flags_file(tmp_path / "flags", flagged())])
    with pytest.raises(DataError, match="take more than 1,000 bytes"):
        logs.read([flags_file(tmp_path / "log", line)], found.every)


def test_order_of_lines_and_files_does_not_matter(tmp_path):
    """Nor does which of several keys came first."""
    flag_lines = [
        flagged("r0", "Coat"),
        flagged("r1", "Shirt"),
        flagged("r1", "Shirt", key="bob"),
        flagged("r9"),
    ]
    log_lines = [logged(f"r{number}", PICTURES[number]) for number in range(2)]
    every = [
        learnt(tmp_path, some, log_lines[:: 1 if turn % 2 else -1])
        for turn, some in enumerate(itertools.permutations(flag_lines))
    ]
    assert len({str(each.card) for each in every}) == 1
    assert len({each.train[0].tobytes() for each in every}) == 1
    assert len({tuple(each.left_out.told()) for each in every}) == 1


def test_labels_count_by_name(tmp_path):
    """Class ids may have moved since; names of two classes have their id behind them."""
    line = flagged(label="Coat", class_id=7)
    found = learnt(tmp_path, [line], [logged("r0", PICTURES[0])])
    assert found.train[1][30:].tolist() == [1]
    twice = BaseData(["Bag", "Bag", "Shirt"], DATA.train, DATA.held_out)
    line = flagged(label="Bag (class 1)")
    assert learnt(tmp_path, [line], [logged("r0", PICTURES[0])], twice).train[1][30:].tolist() == [
        1
    ]


def test_types_of_labels_stay(tmp_path):
    """Fashion-MNIST has them as bytes."""
    data = BaseData(LABELS, (DATA.train[0], DATA.train[1].astype(np.uint8)), DATA.held_out)
    found = learnt(tmp_path, [flagged()], [logged("r0", PICTURES[0])], data)
    assert (found.train[1].dtype, found.train[0].dtype) == (np.uint8, np.uint8)


def nearly(picture):
    """The picture, a little brighter."""
    return (picture.astype(float) * 0.98).astype(np.uint8)


SMOOTH = np.asarray(Image.fromarray(noise(1, 7, 7, seed=9)[0]).resize((9, 9)))
ONE, TWO = PICTURES[:2]

LEFT_OUT = {
    "another model": ([flagged(model="n")], [logged("r0", ONE, model="n")], "other_model"),
    "not logged": ([flagged()], [logged("r1", ONE)], "not_logged"),
    "logged of another model": ([flagged()], [logged("r0", ONE, model="n")], "not_logged"),
    "beyond the pictures": ([flagged(index=1)], [logged("r0", ONE)], "not_logged"),
    "an empty one": ([flagged(index=0)], [logged("r0", None, ONE)], "not_logged"),
    "no pixels kept": ([flagged()], [logged("r0", ONE, images=False)], "no_picture"),
    "no picture": (
        [flagged()],
        [
            {
                "request_id": "r0",
                "model": "m",
                "results": [{"error": "no picture"}],
                "instances": [None],
            }
        ],
        "bad_picture",
    ),
    "another size": ([flagged()], [logged("r0", noise(1, 9, 8)[0])], "other_shape"),
    "in colour": ([flagged()], [logged("r0", noise(1, 9, 9, 3)[0])], "other_shape"),
    "an unknown label": ([flagged(label="Hat")], [logged("r0", ONE)], "unknown_label"),
    "a label by its id": ([flagged(label="1")], [logged("r0", ONE)], "unknown_label"),
    "an id with two pictures": (
        [flagged()],
        [logged("r0", ONE), logged("r0", TWO)],
        "several_pictures",
    ),
    "in training already": ([flagged(label="Bag")], [logged("r0", DATA.train[0][0])], "known"),
    "in validation": ([flagged()], [logged("r0", DATA.held_out[0][2])], "held_out"),
    "in the test part": ([flagged()], [logged("r0", DATA.held_out[1][5])], "held_out"),
}


@pytest.mark.parametrize(("flag_lines", "log_lines", "reason"), LEFT_OUT.values(), ids=LEFT_OUT)
def test_what_is_left_out(tmp_path, flag_lines, log_lines, reason):
    """With a reason, and a line that names it; another picture is learnt all the same."""
    found = learnt(tmp_path, flag_lines, log_lines)
    assert left_out(found) == {reason: len(flag_lines)}
    assert (found.added, found.relabelled, len(found.examples)) == (0, 0, 0)
    assert (found.train[0] is DATA.train[0], list(found.train[1])) == (True, list(DATA.train[1]))
    (told,) = found.left_out.told()
    assert told.startswith(f"{len(flag_lines)} ")
    found = learnt(tmp_path, [*flag_lines, flagged("z")], [*log_lines, logged("z", PICTURES[7])])
    assert (found.added, left_out(found)) == (1, {reason: len(flag_lines)})


CONTRADICTIONS = {
    "of two people": [flagged("a", "Coat"), flagged("a", "Shirt", key="bob")],
    "of one person": [flagged("a", "Coat"), flagged("a", "Shirt")],
    "on equal pixels": [flagged("a", "Coat"), flagged("b", "Shirt")],
    "by an unknown label": [flagged("a", "Coat"), flagged("a", "Hat")],
    "by an unknown label on equal pixels": [flagged("a", "Coat"), flagged("b", "Hat")],
}


@pytest.mark.parametrize("flag_lines", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_of_contradictions_neither_is_used(tmp_path, flag_lines):
    found = learnt(tmp_path, flag_lines, [logged("a", ONE), logged("b", ONE)])
    assert (found.added, left_out(found)) == (0, {"contradicted": 2})


def test_equal_pictures_count_once(tmp_path):
    """With all who flagged them; a request that came again is no other picture."""
    flag_lines = [flagged("a"), flagged("a", key="bob"), flagged("a"), flagged("b")]
    found = learnt(tmp_path, flag_lines, [logged("a", ONE), logged("a", ONE), logged("b", ONE)])
    assert (found.added, left_out(found)) == (1, {})
    assert found.card["by_key"] == {"ann": 2, "bob": 1}


def test_a_label_in_the_training_part_is_replaced(tmp_path):
    """In its row, and in all rows that equal it: nothing is there twice."""
    images, labels = DATA.train
    images = np.concatenate([images, images[:1]])
    data = BaseData(LABELS, (images, np.append(labels, 2)), DATA.held_out)
    found = learnt(tmp_path, [flagged(label="Shirt")], [logged("r0", images[0])], data)
    assert (found.added, found.relabelled) == (0, 1)
    assert len(found.train[1]) == 31
    assert found.train[1][[0, 30]].tolist() == [2, 2]
    assert (found.train[1][1:30] == labels[1:]).all()
    assert labels[0] == 0  # the data itself stays as it was


def test_near_copies_of_held_out_pictures_are_left_out(tmp_path):
    """Whatever label they have there; one that is only alike is learnt."""
    data = BaseData(LABELS, DATA.train, (np.stack([SMOOTH, ONE]), DATA.held_out[1]))
    log_lines = [logged("a", nearly(SMOOTH)), logged("b", SMOOTH[:, ::-1].copy())]
    found = learnt(tmp_path, [flagged("a"), flagged("b")], log_lines, data)
    assert (found.added, left_out(found)) == (1, {"held_out": 1})


def test_places_count_empty_pictures(tmp_path):
    """The log leaves those out, and says where they were."""
    log_lines = [logged("r0", None, ONE, None, TWO)]
    found = learnt(tmp_path, [flagged(index=3)], log_lines)
    assert (found.train[0][30] == TWO).all()
    found = learnt(tmp_path, [flagged(index=1)], log_lines)
    assert (found.train[0][30] == ONE).all()


def test_names_of_others_are_shown_escaped(tmp_path):
    """In one line, and not as long as they come."""
    flag_lines = [flagged("r\x1b[2J", "x\ny" * 300, key="\u202e")]
    found = learnt(tmp_path, flag_lines, [logged("r\x1b[2J", ONE)])
    (told,) = found.left_out.told()
    assert told.isprintable()
    assert len(told) < 400


def test_a_card_names_so_many_keys(tmp_path):
    keys = [f"key {number:03}" for number in range(MOST_KEYS + 20)]
    flag_lines = [flagged(key=key) for key in keys] + [flagged("r1", key=keys[-1])]
    found = learnt(tmp_path, flag_lines, [logged("r0", ONE), logged("r1", TWO)])
    by_key = found.card["by_key"]
    assert len(by_key) == MOST_KEYS + 1
    assert (by_key[keys[-1]], by_key["20 others"]) == (2, 20)
