"""Comparison of weights of two builds: what counts as the same."""

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.same_weights import differing, main

ONES = np.ones(3, np.float32)

PAIRS = {
    "the same": (ONES, ONES.copy(), 0),
    "the last bit": (ONES, np.nextafter(ONES, 2, dtype=np.float32), 1),
    "the sign of zero": (np.zeros(1), -np.zeros(1), 1),
    "another shape": (ONES, ONES[np.newaxis], 1),
    "another type": (np.zeros(2, np.float32), np.zeros(1, np.float64), 1),
    "no number in both": (np.full(1, np.nan), np.full(1, np.nan), 0),
}


def tensors(*arrays):
    """Arrays as weights are read."""
    return [(each.shape, each.dtype.str, each.tobytes()) for each in arrays]


@pytest.mark.parametrize(("one", "other", "count"), PAIRS.values(), ids=PAIRS)
def test_bits_are_compared(one, other, count):
    assert differing(tensors(one, ONES), tensors(ONES, other)) == count


def test_a_tensor_of_one_build_alone_differs():
    assert differing(tensors(ONES, ONES), tensors(ONES)) == 1


def test_an_unknown_commit_is_told():
    done = CliRunner().invoke(main, ["softmax", "--before", "nowhere"])
    assert done.exit_code == 1
    assert "has no commit nowhere" in done.output
