"""Verdicts on real trainings: each gets the right word and the likely cause."""

import math

import pytest

from vitrine_training.data.fashion_mnist import Dataset, Split
from vitrine_training.fit.loop import Epoch, fit
from vitrine_training.fit.verdict import Curves, Guessing, Measured, verdict
from vitrine_training.models.networks import MODELS
from vitrine_training.models.recipes import RECIPES
from vitrine_training.run import curves
from vitrine_training.tasks import Classification, Regression

NOTHING, DIVERGES, OPEN = "learned nothing", "diverges", "shows no trend"
LAYERS = (64,) * 5

TRAININGS = {
    # what is done: recipe, training images, settings; word, and what the reason says
    "zeros": ("mlp", 2000, {"initializer": "zeros", "epochs": 3}, NOTHING, "weights are 0"),
    "zeros, sigmoid": (
        *("mlp", 2000, {"initializer": "zeros", "activation": "sigmoid", "epochs": 3}),
        *(NOTHING, "weights are 0"),
    ),
    "rate 0": ("softmax", 2000, {"learning_rate": 0.0, "epochs": 3}, NOTHING, "rate is 0"),
    "rate far too low": ("mlp", 2000, {"learning_rate": 1e-5, "epochs": 4}, NOTHING, "too low"),
    "rate too low": (
        *("softmax", 2000, {"learning_rate": 0.003, "epochs": 12}),
        *("underfits", "a higher learning rate"),
    ),
    "rate too high": ("softmax", 5000, {"learning_rate": 3.0}, DIVERGES, "rate, 3, is too high"),
    "rate far too high": ("softmax", 5000, {"learning_rate": 100.0}, DIVERGES, "is too high"),
    "rate too high, one epoch": (
        *("softmax", 5000, {"learning_rate": 100.0, "epochs": 1}),
        *(DIVERGES, "is too high"),
    ),
    "rate too high, units die": ("mlp", 5000, {"learning_rate": 5.0}, NOTHING, "is too high"),
    "deep, with small weights": (
        *("mlp", 2000, {"hidden_units": LAYERS, "epochs": 5}),
        *(NOTHING, "--initializer he or glorot"),
    ),
    "all weights decay": (
        *("mlp", 2000, {"weight_decay": 10.0, "epochs": 3}),
        *(NOTHING, "the weight decay, 10, pulls all weights to 0"),
    ),
    "a plateau": (
        *("mlp-sigmoid", 5000, {"learning_rate": 0.05, "epochs": 5}),
        *("underfits", "epochs"),
    ),
    "one epoch": ("softmax", 5000, {"epochs": 1}, OPEN, "one epoch is no curve"),
    "one step": ("softmax", 5000, {"epochs": 1, "batch_size": 9000}, OPEN, "one epoch is no"),
    "too short": ("mlp", 5000, {"epochs": 6, "learning_rate": 0.03}, "underfits", "more epochs"),
    "too small": (
        *("mlp", 5000, {"hidden_units": (1,), "epochs": 40}),
        *("underfits", "a larger model"),
    ),
    "too much decay": (
        *("mlp", 5000, {"weight_decay": 1.0, "epochs": 12}),
        *("underfits", "less weight decay"),
    ),
    "too large": (
        *("mlp", 1000, {"hidden_units": (512,), "optimizer": "adamw", "learning_rate": 0.002}),
        *("overfits", "a smaller model"),
    ),
    "too little data": (
        *("mlp", 100, {"epochs": 60, "batch_size": 10, "learning_rate": 0.05}),
        *("overfits", "there are 100 training images: more of them"),
    ),
    "too long": (
        *("mlp", 2000, {"optimizer": "adamw", "learning_rate": 0.003, "epochs": 40}),
        *("overfits", "% from its lowest, at epoch"),
    ),
    "good": ("softmax-best", 55_000, {"epochs": 8}, "fits", "both curves have levelled off"),
    "good, ended early": (
        *("softmax", 20_000, {"epochs": 60, "patience": 2, "learning_rate": 0.1}),
        *("fits", "no new low for 2 epochs"),
    ),
}


MORE = ("too large", "too long", "good, ended early")
"""Trainings whose words others get as well."""


@pytest.fixture(scope="module")
def images(dataset):
    """A task with so many training images; 2,000 to validate on."""

    def task(rows: int) -> Classification:
        return Classification.of(
            Dataset(
                train=Split(dataset.train.images[:rows], dataset.train.labels[:rows]),
                validation=Split(
                    dataset.validation.images[:2000], dataset.validation.labels[:2000]
                ),
                test=dataset.test,
                checksums={},
            )
        )

    return task


def judged(recipe, task):
    model = MODELS[recipe.architecture](recipe, 0)
    history = fit(model, recipe, task.train, task.validation, 0)
    return verdict(curves(history, recipe, task))


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.wide if name in MORE else ()) for name in TRAININGS],
)
def test_a_training_gets_its_verdict(images, name):
    """Whatever the curves do, their level comes first."""
    recipe, rows, settings, word, cause = TRAININGS[name]
    found = judged(RECIPES[recipe].varied(settings), images(rows))
    assert found.word == word, found.reason
    assert cause in found.reason


LINES = {
    "good": ({}, "fits", "levelled off"),
    "rate 0": ({"learning_rate": 0.0}, NOTHING, "rate is 0"),
    "rate too low": ({"learning_rate": 1e-4, "epochs": 5}, NOTHING, "too low"),
    "too short": ({"learning_rate": 0.003}, "underfits", "more epochs"),
}


@pytest.mark.parametrize("name", LINES)
def test_a_regression_gets_its_verdict(name):
    """Half the variance of the values is what guessing their mean gives."""
    settings, word, cause = LINES[name]
    found = judged(RECIPES["linear"].varied(settings), Regression.of(0))
    assert found.word == word, found.reason
    assert cause in found.reason


def run_of(*points, patience=0, rows=5_000, kept=None):
    """Curves of training loss and accuracy, validation loss and accuracy."""
    history = [
        Epoch(number, 0.1, loss, accuracy, validation_loss, validation_accuracy, 1.0)
        for number, (loss, accuracy, validation_loss, validation_accuracy) in enumerate(points, 1)
    ]
    best = min(history, key=lambda epoch: epoch.validation_loss)
    recipe = RECIPES["mlp"].varied({"patience": patience})
    guessing = Guessing(loss=math.log(10), accuracy=0.1)
    return Curves(history, kept or best, Measured(55_000, rows, rows), guessing, recipe)


FLAT = ((0.45, 0.87, 0.46, 0.85),) * 4


def test_a_gap_that_may_be_chance_is_no_overfitting():
    """2 points between 200 images and 200 others say nothing, between 20,000 they do."""
    assert verdict(run_of(*FLAT, rows=200)).word == "fits"
    assert verdict(run_of(*FLAT, rows=20_000)).word == "overfits"


def test_a_run_that_overfits_after_its_best_epoch_is_told():
    """The weights are those of before; more epochs would help nobody."""
    points = ((0.5, 0.85, 0.5, 0.85), (0.3, 0.9, 0.45, 0.87), (0.1, 0.98, 0.6, 0.87))
    found = verdict(run_of((0.6, 0.82, 0.6, 0.82), *points[:1], *points))
    assert found.word == "overfits"
    assert "rose 33 % from its lowest, at epoch 4" in found.reason


def test_losses_that_come_down_to_nothing_are_judged():
    """Nothing is divided by them."""
    nothing = ((0.0, 1.0, 0.0, 1.0),) * 5
    assert verdict(run_of(*nothing)).word == "fits"
    assert verdict(run_of((0.5, 0.9, 0.4, 0.9), *nothing)).word == "fits"


@pytest.mark.parametrize(("accuracy", "word"), [(0.112, "learned nothing"), (0.114, "underfits")])
def test_guessing_ends_three_standard_errors_above_chance(accuracy, word):
    """Of 5,000 images, 1.3 points."""
    points = ((2.1, accuracy, 2.1, 0.1), (2.0, accuracy, 2.0, 0.1))
    assert verdict(run_of(*points)).word == word


def test_few_rows_that_are_all_right_are_no_guesses():
    """Of own data, six may be all that there are to measure by."""
    history = [Epoch(n, 0.1, loss, 1.0, loss, 1.0, 0.0) for n, loss in ((1, 0.6), (2, 0.5))]
    run = Curves(
        history, history[-1], Measured(46, 6, 6), Guessing(loss=0.69, accuracy=0.5), RECIPES["mlp"]
    )
    assert verdict(run).word == "fits"
