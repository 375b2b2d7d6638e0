"""Checkpoints: whole or none, and not too many."""

import numpy as np

from vitrine_training.checkpoint import Checkpoint
from vitrine_training.fit import Epoch, State


def test_a_damaged_checkpoint_is_no_checkpoint(tmp_path):
    """Garbage, a file cut short, or none at all: the run starts from the beginning."""
    checkpoint = Checkpoint(tmp_path, {"seed": 0}, every_s=0)
    assert checkpoint.load() is None
    state = State([np.ones(3)], [np.zeros(2)], [Epoch(1, 0.1, 1.0, None, 2.0, None, 0.5)])
    checkpoint.save(state)
    assert checkpoint.load().history == state.history
    (file,) = tmp_path.iterdir()
    content = file.read_bytes()
    for damaged in (content[:-40], b"garbage", b""):
        file.write_bytes(damaged)
        assert checkpoint.load() is None
    assert Checkpoint(tmp_path, {"seed": 1}, every_s=0).load() is None
    checkpoint.remove()
    assert not list(tmp_path.iterdir())


def test_checkpoints_are_not_written_more_often_than_asked(tmp_path):
    """Within `every_s` of the last one nothing is written."""
    checkpoint = Checkpoint(tmp_path, {}, every_s=3600)
    checkpoint.save(State([], [], []))
    assert not list(tmp_path.iterdir())
