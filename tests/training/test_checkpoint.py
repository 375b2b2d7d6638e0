"""Checkpoints: whole or none, and not too many."""

import os
import stat
import time

import numpy as np

from vitrine_training.fit.checkpoint import Checkpoint
from vitrine_training.fit.loop import Epoch, State


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


def test_checkpoints_that_nobody_went_on_from_are_removed(tmp_path):
    """Of all models, a day after they were written, and told; never the run's own, nor what is no
    checkpoint."""
    own = Checkpoint(tmp_path / "mlp", {"seed": 0}, every_s=0)
    others = [
        Checkpoint(tmp_path / "mlp", {"seed": 1}, every_s=0),
        Checkpoint(tmp_path / "tried", {}, every_s=0),
    ]
    for checkpoint in (own, *others):
        checkpoint.save(State([np.ones(3)], [], []))
    old = list(tmp_path.glob("*/.training-*"))
    assert len(old) == 3
    half = tmp_path / "tried" / ".training-0.npz.abc.unfinished"
    for path in (half, tmp_path / "mlp" / ".lock", tmp_path / "mlp" / "notes"):
        path.touch()
        old.append(path)
    said = []
    own.sweep(tmp_path, said.append)
    assert not said
    for path in old:
        os.utime(path, (time.time() - 25 * 3600,) * 2)
    fresh = Checkpoint(tmp_path / "mlp", {"seed": 2}, every_s=0)
    fresh.save(State([], [], []))
    own.sweep(tmp_path, said.append)
    assert own.load() is not None
    assert fresh.load() is not None
    assert [other.load() for other in others] == [None, None]
    assert len(said) == 3
    assert sorted(path.name for path in (tmp_path / "mlp").iterdir())[:1] == [".lock"]
    assert (tmp_path / "mlp" / "notes").exists()
    assert not half.exists()


def test_another_user_may_go_on_from_a_checkpoint(tmp_path):
    """It has the permissions that new files have, as the folder may be shared."""
    mask = os.umask(0o002)
    try:
        Checkpoint(tmp_path, {}, every_s=0).save(State([], [], []))
    finally:
        os.umask(mask)
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o664
