"""Comparison of weights of two builds: what counts as the same."""

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.same_weights import differing, main

ONES = np.ones(3, np.float32)

PAIRS = {
    "the same": (ONES, ONES.copy(), []),
    "the last bit": (ONES, np.nextafter(ONES, 2, dtype=np.float32), ["kernel"]),
    "the sign of zero": (np.zeros(1), -np.zeros(1), ["kernel"]),
    "another shape": (ONES, ONES[np.newaxis], ["kernel"]),
    "another type": (np.zeros(2, np.float32), np.zeros(1, np.float64), ["kernel"]),
    "no number in both": (np.full(1, np.nan), np.full(1, np.nan), []),
}


@pytest.mark.parametrize(("one", "other", "names"), PAIRS.values(), ids=PAIRS)
def test_bits_are_compared(one, other, names):
    assert differing({"kernel": one, "bias": ONES}, {"kernel": other, "bias": ONES}) == names


def test_a_tensor_of_one_build_alone_differs():
    assert differing({"kernel": ONES, "bias": ONES}, {"kernel": ONES}) == ["bias"]


def test_an_unknown_commit_is_told():
    done = CliRunner().invoke(main, ["softmax", "--before", "nowhere"])
    assert done.exit_code == 1
    assert "has no commit nowhere" in done.output
