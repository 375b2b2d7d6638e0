"""The last lines of a run say why they are not what its last epoch printed."""

import pytest

from vitrine_training.cli import summary
from vitrine_training.models.recipes import RECIPES


@pytest.mark.parametrize(
    ("over", "kept", "why"),
    [
        ("image", 10, ""),
        ("image", 7, ": the weights are those of epoch 7, not 10"),
        ("mirror", 10, ": it is averaged over each picture and its mirror image, which"),
        ("neighbours", 7, ", and it is averaged over each picture, its mirror image, and both"),
    ],
)
def test_what_is_published_and_why_it_differs(over, kept, why):
    """Nothing is said where nothing differs."""
    card = {"metrics": {"validation_accuracy": 0.91724, "kept_epoch": kept}, "history": [{}] * 10}
    told = summary.validation(RECIPES["mlp"].varied({"average_over": over}), card)
    assert told.startswith("validation 0.9172 as published")
    assert why in told
    assert bool(why) == (told != "validation 0.9172 as published")
