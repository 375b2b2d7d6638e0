"""Recipes: the settings of each model's training, and the accuracy they are known to reach.

`softmax`, `mlp`, `linear` and the variations of `mlp` are those of *Dive into Deep Learning* (Zhang
et al., https://d2l.ai), chapters 3 to 5. The `-best` ones are ours, chosen on validation data
alone. `expected` is the range seen over the seeds that docs/training.md names, a little widened; a
run outside it deserves a look.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

CHOICES = {
    "average_over": ("image", "mirror", "neighbours"),
    "activation": ("relu", "sigmoid", "tanh"),
    "initializer": ("normal", "zeros", "glorot", "he"),
    "optimizer": ("sgd", "adamw"),
    "schedule": ("constant", "cosine"),
}
"""Values of the settings that are words."""


ANY = (0.0, 1.0)
"""Accuracy to expect where nobody knows it."""


MOST_EPOCHS = 100
"""Epochs that few rows are given, at most."""


def _setting(default: Any, meaning: str, *, least: float = 0, below: float = float("inf")) -> Any:
    return field(default=default, metadata={"help": meaning, "least": least, "below": below})


def _range(least: float, below: float, **_: object) -> str:
    """The values that a setting may have, in words."""
    if below == float("inf"):
        return f"finite, and at least {least:,}"
    return f"at least {least:,} and below {below:,}"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training run but its seed and its data.

    `model` is the name that versions are published under, `architecture` a key of `models.MODELS`,
    `expected` the lowest and the highest test accuracy seen (for `linear`: validation loss), and
    `expected_s` the seconds of training on two idle cores. The settings have their
    meaning in their metadata. Raises `ValueError` where a setting makes no
    sense.
    """

    model: str
    architecture: str
    summary: str
    expected: tuple[float, float]
    expected_s: float
    filters: tuple[int, ...] = _setting(
        (), "Kernels of each convolution of `photo` and of `cnn`.", least=1, below=10_000
    )
    hidden_units: tuple[int, ...] = _setting(
        (), "Widths of the hidden layers.", least=1, below=100_000
    )
    activation: str = _setting("relu", "Activation of the hidden layers.")
    initializer: str = _setting("normal", "Initial weights; `normal` is N(0, 0.01).")
    dropout: float = _setting(0.0, "Share of hidden units left out of a step.", below=1)
    batch_norm: bool = _setting(False, "Normalise each hidden layer over the batch.")
    normalise: bool = _setting(False, "Shift and scale pixels to mean 0, deviation 1.")
    optimizer: str = _setting("sgd", "Minibatch SGD, or Adam with decoupled weight decay.")
    learning_rate: float = _setting(0.1, "Learning rate; the highest, where there is a schedule.")
    schedule: str = _setting("constant", "Learning rate; `cosine` warms up, then falls to 0.")
    weight_decay: float = _setting(0.0, "Times learning rate and weight, off each step.")
    label_smoothing: float = _setting(0.0, "Probability spread over all classes.", below=1)
    class_weights: bool = _setting(
        False, "Weigh each class the same in the training loss, however few rows it has."
    )
    ema: float = _setting(0.0, "Momentum of the weights' moving average; 0 for none.", below=1)
    flip: bool = _setting(False, "Mirror half of the training images.")
    shift: int = _setting(0, "Most pixels to move training images by, each way.", below=14)
    turn: float = _setting(0.0, "Most degrees to turn most training images by.", below=180)
    scale: float = _setting(
        0.0, "Most to stretch most training images by, as a share of height and width.", below=1
    )
    redraw: float = _setting(
        0.0, "Share of training images thinned, outlined, blurred or made silhouettes.", below=1.01
    )
    relight: float = _setting(0.0, "Share of training images with other tones.", below=1)
    dirt: float = _setting(0.0, "Share of training images with dirt or holes.", below=1)
    grain: float = _setting(0.0, "Share of training images with noise.", below=1)
    average_over: str = _setting("image", "Predict by the mean logits over these views of it.")
    batch_size: int = _setting(256, "Rows of a step.", least=1)
    epochs: int = _setting(10, "Passes over the training data.", least=1, below=1_000_000)
    patience: int = _setting(
        0, "Stop after so many epochs without a lower validation loss, and keep the best; 0 never."
    )
    keep: str = "best"
    """Which weights are published: of the epoch with the lowest validation loss, or the `last`,
    with which a schedule comes to its end."""
    least_steps: int = 0
    """Steps of a run on own data, at least: where there are few rows there are more epochs, up to
    `MOST_EPOCHS`."""

    def __post_init__(self) -> None:
        if self.patience and self.keep != "best":
            raise ValueError("with patience the best epoch is kept, and never the one that ends it")
        for setting in SETTINGS:
            value, limits = getattr(self, setting.name), setting.metadata
            if setting.name in CHOICES:
                allowed = CHOICES[setting.name]
                if value not in allowed:
                    raise ValueError(f"{setting.name} must be one of {', '.join(allowed)}")
                continue
            numbers = value if isinstance(value, tuple) else (value,)
            if not all(limits["least"] <= number < limits["below"] for number in numbers):
                raise ValueError(f"{setting.name} must be {_range(**limits)}")

    def for_rows(self, rows: int) -> "Recipe":
        """Returns this recipe with as many epochs of so many rows as give `least_steps`."""
        steps = -(-rows // self.batch_size)
        wanted = min(-(-self.least_steps // steps), MOST_EPOCHS)
        return replace(self, epochs=max(self.epochs, wanted))

    @property
    def is_expected(self) -> bool:
        """Whether somebody knows what it reaches: on data of one's own nobody does."""
        return self.expected != ANY

    @property
    def compiles(self) -> bool:
        """Whether XLA compiles the training: that of Keras' convolutions takes it many times as
        long on a CPU as TensorFlow's own operations do."""
        return self.architecture != "convnet"

    @property
    def retouches(self) -> bool:
        """Whether training images are redrawn, relit and soiled, as pictures of clothes are."""
        return bool(self.redraw or self.relight or self.dirt or self.grain)

    def varied(self, settings: Mapping[str, Any], model: str | None = None) -> "Recipe":
        """Returns this recipe with other settings, to be published as `model`.

        Patience makes it one that keeps the best epoch: the last is the one that was waited for.
        """
        keep = "best" if settings.get("patience") else self.keep
        return replace(self, **settings, keep=keep, model=model or self.model)


SETTINGS = tuple(setting for setting in fields(Recipe) if setting.metadata)
"""The fields of a recipe that a person may vary on the command line."""

_LINEAR = Recipe(
    model="linear",
    architecture="linear",
    summary="linear regression on synthetic data",
    expected=(0.0, 0.0001),
    expected_s=1,
    learning_rate=0.03,
    batch_size=32,
    epochs=15,
)
_SOFTMAX = Recipe(
    model="softmax",
    architecture="softmax",
    summary="softmax regression",
    expected=(0.83, 0.84),
    expected_s=2,
)
_MLP = Recipe(
    model="mlp",
    architecture="mlp",
    summary="multilayer perceptron, 784-256-10",
    expected=(0.84, 0.86),
    expected_s=5,
    hidden_units=(256,),
)


def _mlp(model: str, summary: str, expected: tuple[float, float], **settings: Any) -> Recipe:
    return replace(_MLP, model=model, summary=summary, expected=expected, **settings)


_BEST: dict[str, Any] = {
    "initializer": "he",
    "normalise": True,
    "optimizer": "adamw",
    "learning_rate": 0.003,
    "schedule": "cosine",
    "keep": "last",
}
_BEST_MLP = _BEST | {
    "batch_norm": True,
    "weight_decay": 0.01,
    "flip": True,
    "shift": 1,
    "average_over": "neighbours",
}

_OF_THE_TEXT = (
    _LINEAR,
    _SOFTMAX,
    _MLP,
    _mlp(
        "mlp-subclassed",
        "the same as a class: equal weights for equal seeds",
        (0.84, 0.86),
        architecture="mlp-subclassed",
    ),
    _mlp("mlp-sigmoid", "sigmoid in the place of ReLU", (0.795, 0.815), activation="sigmoid"),
    _mlp("mlp-tanh", "tanh in the place of ReLU", (0.835, 0.85), activation="tanh"),
    _mlp("mlp-glorot", "Glorot's (Xavier's) initial weights", (0.85, 0.86), initializer="glorot"),
    _mlp("mlp-weight-decay", "weights decay by 0.1 % a step", (0.82, 0.83), weight_decay=0.01),
    _mlp(
        "mlp-dropout",
        "two hidden layers of 256, half of each left out",
        (0.85, 0.865),
        expected_s=10,
        hidden_units=(256, 256),
        initializer="glorot",
        dropout=0.5,
    ),
    _mlp(
        "mlp-early-stopping",
        "up to 100 epochs, stops after 5 without progress",
        (0.875, 0.885),
        expected_s=20,
        epochs=100,
        patience=5,
    ),
)

RECIPES = {recipe.model: recipe for recipe in _OF_THE_TEXT} | {
    "softmax-best": replace(
        _SOFTMAX,
        summary="softmax regression at its best",
        expected=(0.843, 0.848),
        expected_s=25,
        weight_decay=0.3,
        epochs=100,
        **_BEST,
    ),
    "mlp-256-best": replace(
        _MLP,
        summary="the text's 784-256-10 at its best",
        expected=(0.913, 0.92),
        expected_s=190,
        dropout=0.05,
        epochs=300,
        **_BEST_MLP,
    ),
    "mlp-best": replace(
        _MLP,
        summary="the best multilayer perceptron we know, 784-512-512-10",
        expected=(0.917, 0.924),
        expected_s=230,
        hidden_units=(512, 512),
        dropout=0.1,
        epochs=130,
        **(_BEST_MLP | {"weight_decay": 0.05}),
    ),
    "photo": Recipe(
        model="photo",
        architecture="cnn",
        summary="for pictures of one's own: convolutions, turned, soiled and redrawn images",
        expected=(0.904, 0.914),
        expected_s=35,
        filters=(16, 32),
        hidden_units=(256,),
        turn=15.0,
        scale=0.17,
        redraw=0.2,
        relight=0.6,
        dirt=0.35,
        grain=0.12,
        batch_size=220,  # divides the rows: a smaller last batch would be compiled, too
        epochs=20,
        **(_BEST_MLP | {"learning_rate": 0.01, "shift": 2, "average_over": "mirror"}),
    ),
    "cnn": Recipe(
        model="cnn",
        architecture="convnet",
        summary="for pictures of one's own: three convolutions of Keras' own layers",
        expected=(0.90, 0.93),
        expected_s=200,
        filters=(32, 64, 64),
        hidden_units=(64,),
        dropout=0.3,
        weight_decay=0.01,
        shift=1,
        batch_size=64,
        epochs=6,
        least_steps=1_500,
        **(_BEST | {"learning_rate": 0.002}),
    ),
}
"""Recipes by name. Most publish under their own; the `-best` ones are versions of `softmax`, `mlp`.

docs/training.md has the section of the text for each, and its accuracy.
"""
