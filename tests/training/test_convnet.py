"""Recipe `cnn`: a network of Keras' own layers, of any size, that XLA does not compile."""

import dataclasses

import keras
import numpy as np
import pytest

from vitrine_training.data.pieces import MOST_ROWS, MOST_VALUES, pieces
from vitrine_training.evaluation.metrics import outputs_of
from vitrine_training.fit.loop import compiled_measure, fit
from vitrine_training.models.networks import MODELS, MOST_POOLED, ImageSpec
from vitrine_training.models.recipes import MOST_EPOCHS, RECIPES

RECIPE = RECIPES["cnn"]

SHAPES = {
    "smallest": (4, 4),
    "smallest, colour": (4, 4, 3),
    "no square": (5, 31),
    "a line": (1, 40, 3),
    "digits": (8, 8),
    "Fashion-MNIST": (28, 28),
    "a power of two": (64, 64, 3),
    "one more": (65, 65, 3),
    "largest": (512, 512, 3),
}


def spec(shape, classes=10):
    return ImageSpec(shape, classes, 0.5, 0.3)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_any_size_ends_small(shape):
    """It answers pictures of the size, and its first dense layer does not grow with them."""
    model = MODELS["convnet"](RECIPE, 0, spec(shape, 1_000))
    flat = next(layer for layer in model.layers if isinstance(layer, keras.layers.Flatten))
    _, height, width, channels = flat.input.shape
    assert channels == 64
    assert 1 <= height <= MOST_POOLED
    assert 1 <= width <= MOST_POOLED
    pictures = np.random.default_rng(0).random((2, *shape), np.float32)
    logits = model(pictures).numpy()
    assert logits.shape == (2, 1_000)
    assert np.isfinite(logits).all()
    assert not np.array_equal(logits[0], logits[1])


def test_layers_are_of_keras():
    """But for dropout, as reports and readers know them."""
    names = [
        type(layer).__name__ for layer in MODELS["convnet"](RECIPE, 0, spec((32, 32, 3))).layers
    ]
    stage = ["Conv2D", "MaxPooling2D", "Activation"]
    assert names == [
        *("Reshape", "Rescaling", *3 * stage, "Flatten"),
        *("Dense", "Activation", "Dropout", "Dense"),
    ]


def lines(shape, count=240):
    """Pictures of three classes: a bright line in another row each, on noise."""
    random = np.random.default_rng(16)
    labels = np.arange(count, dtype=np.int64) % 3
    images = random.integers(0, 120, (count, *shape), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[1 + 3 * label] = 250
    return images, labels


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((9, 9), id="grey"),
        pytest.param((9, 11, 3), id="colour", marks=pytest.mark.wide),
    ],
)
def test_it_learns(shape):
    """In steps that XLA does not compile, with the augmentation of all others."""
    (images, labels) = lines(shape)
    train, validation = (images[:200], labels[:200]), (images[200:], labels[200:])
    recipe = RECIPE.varied({"epochs": 12, "batch_size": 32, "filters": (8, 8), "flip": True})
    model = MODELS["convnet"](recipe, 0, spec(shape, 3))
    history = fit(model, recipe, train, validation, 0)
    assert not recipe.compiles
    assert history[-1].validation_accuracy > 0.9


def test_figures_in_pieces_are_those_of_all_rows():
    """The loss and the accuracy of more rows than go through at once."""
    images, labels = lines((9, 9), MOST_ROWS + 300)
    model = MODELS["convnet"](RECIPE.varied({"filters": (4,)}), 0, spec((9, 9), 3))
    loss, accuracy = compiled_measure(model, compiles=False)(images, labels)
    logits = outputs_of(model, images)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    assert loss == pytest.approx(float(cross_entropy(labels, logits)), rel=1e-5)
    assert accuracy == pytest.approx(np.mean(logits.argmax(axis=1) == labels))


@pytest.mark.parametrize(
    ("shape", "size"), [((28, 28), MOST_ROWS), ((512, 512, 3), 5), ((8_192, 8_192), 1)]
)
def test_pieces_have_fewer_rows_of_large_pictures(shape, size):
    """And have each row once."""
    rows = list(pieces(np.broadcast_to(np.uint8(0), (2_500, *shape))))
    assert rows[0] == slice(0, size)
    assert [row for part in rows[:60] for row in range(2_500)[part]] == [
        *range(min(2_500, 60 * size))
    ]
    assert size == 1 or size * np.prod(shape) <= MOST_VALUES


@pytest.mark.parametrize(
    ("rows", "epochs"), [(55_000, RECIPE.epochs), (1_280, 75), (64, MOST_EPOCHS), (1, MOST_EPOCHS)]
)
def test_few_rows_get_more_epochs(rows, epochs):
    assert RECIPE.least_steps == 1_500
    assert RECIPE.for_rows(rows).epochs == epochs


def test_recipes_of_fixed_epochs_keep_theirs():
    assert RECIPES["mlp"].for_rows(100) == RECIPES["mlp"]
    many = dataclasses.replace(RECIPE, epochs=500)
    assert many.for_rows(64).epochs == 500
