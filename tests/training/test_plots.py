"""What the plots are made of."""

import numpy as np
import pytest

from vitrine_training.plots import binomial_interval, mosaic, weight_pictures


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
    assert pictures[0][0, 0].tolist() == [214, 110, 36, 255]
    assert pictures[0][1, 1].tolist() == [47, 116, 181, 255]
    assert pictures[0][0, 1, 3] == 0
    assert mosaic(pictures, 2).shape == (8, 8, 4)
