"""What the plots are made of."""

import numpy as np
import pytest

from vitrine_client.look import AGAINST, FOR
from vitrine_training.report.plots import binomial_interval, mosaic, weight_pictures


def test_the_interval_is_wilsons():
    """It agrees with tables, and never leaves 0..1."""
    assert binomial_interval(0.0, 10) == pytest.approx((0.0, 0.2775), abs=1e-4)
    assert binomial_interval(0.85, 10_000) == pytest.approx((0.8429, 0.8569), abs=1e-4)
    assert binomial_interval(1.0, 1)[1] <= 1 + 1e-12


def test_weights_show_sign_and_size():
    """Zero is clear, the largest opaque; orange is for, blue against; a mosaic has seams."""
    weights = np.zeros((3, 2, 2))
    weights[0, 0, 0], weights[0, 1, 1] = 1.0, -1.0
    pictures = weight_pictures(weights, alike=False)
    assert pictures[0][0, 0].tolist() == [*FOR, 255]
    assert pictures[0][1, 1].tolist() == [*AGAINST, 255]
    assert pictures[0][0, 1, 3] == 0
    tiled = mosaic(pictures, 2)
    assert tiled.shape == (8, 8, 4)
    np.testing.assert_array_equal(tiled[1:3, 1:3], pictures[0])
    np.testing.assert_array_equal(tiled[5:7, 1:3], pictures[2])
    assert tiled[0, 0, 3] == 255
    assert not tiled[5:7, 5:7].any()
