"""What each model is trained with, and what that is known to give.

The two recipes are those of *Dive into Deep Learning* (Zhang et al., https://d2l.ai), sections
4.5 (softmax regression) and 5.2 (multilayer perceptrons). The accuracy to expect is the range seen
over seeds 0 to 4, a little rounded; a run that falls outside it deserves a look.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run but its seed and its data.

    `hidden_units` are the widths of the hidden layers, `init_stddev` is the standard deviation
    of the normal distribution that weights start from (biases start at 0), and
    `expected_test_accuracy` is the lowest and the highest seen.
    """

    model: str
    hidden_units: tuple[int, ...]
    expected_test_accuracy: tuple[float, float]
    activation: str = "relu"
    init_stddev: float = 0.01
    learning_rate: float = 0.1
    batch_size: int = 256
    epochs: int = 10


RECIPES = {
    "softmax": Recipe(model="softmax", hidden_units=(), expected_test_accuracy=(0.83, 0.84)),
    "mlp": Recipe(model="mlp", hidden_units=(256,), expected_test_accuracy=(0.84, 0.86)),
}
"""Recipes by the name of the model that they publish."""
