"""How the drift benchmark counts."""

import numpy as np

from benchmarks.drift.streams import Seen


def seen(*alarms):
    """Alarms after each of some batches of 10 images."""
    return Seen(10 * np.arange(1, len(alarms) + 1), np.array(alarms))


def test_alarms_and_their_time_are_counted():
    """One that is up in three batches of eight, and one in the last."""
    found = seen("", "label", "label", "covariate", "", "", "", "label")
    assert found.raised() == 2
    assert found.up() == 0.5


def test_the_first_of_its_kind_since_then():
    """Not before, and not too late."""
    found = seen("label", "", "label", "covariate", "")
    assert found.first("label", 0, 50) == 10
    assert found.first("label", 10, 50) == 20
    assert found.first("covariate", 0, 50) == 40
    assert found.first("covariate", 0, 30) is None
    assert found.first("", 30, 50) == 20
