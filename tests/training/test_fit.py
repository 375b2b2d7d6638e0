"""The training loop: the same updates as the plain one, reproducible, and resumable."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from vitrine_training.data.fashion_mnist import synthetic_linear
from vitrine_training.data.own.examples import Examples, OwnData
from vitrine_training.data.own.splitting import split
from vitrine_training.fit.checkpoint import Checkpoint
from vitrine_training.fit.loop import (
    Diverged,
    Epoch,
    State,
    compiled_measure,
    fit,
    kept_epoch,
    make_optimizer,
    stopped_early,
)
from vitrine_training.models.networks import MODELS
from vitrine_training.models.recipes import RECIPES, Recipe
from vitrine_training.own_task import OwnClassification
from vitrine_training.tasks import Classification, Regression

EVERYTHING = {
    "batch_norm": True,
    "dropout": 0.2,
    "ema": 0.9,
    "flip": True,
    "hidden_units": (16,),
    "label_smoothing": 0.1,
    "normalise": True,
    "optimizer": "adamw",
    "schedule": "cosine",
    "shift": 2,
    "weight_decay": 0.01,
    "epochs": 4,
}
"""A recipe with all that the loop can do."""


PHOTO = {"epochs": 4, "filters": (4, 8), "hidden_units": (16,)}
"""Settings that make the recipe `photo` a small one."""

PARTS = "train", "validation", "test"

CNN = {"epochs": 4, "filters": (4, 8), "hidden_units": (16,), "flip": True}
"""Settings that make the recipe `cnn` a small one."""


def trained(recipe: Recipe, few, seed: int = 0, **options):
    model = MODELS[recipe.architecture](recipe, seed)
    history = fit(model, recipe, *few, seed, **options)
    return model, history


def weights_of(model: keras.Model) -> list[bytes]:
    return [np.asarray(weight).tobytes() for weight in model.get_weights()]


def without_durations(history: list[Epoch]) -> list[Epoch]:
    return [dataclasses.replace(epoch, duration_s=0) for epoch in history]


def test_the_updates_are_those_of_the_plain_loop(few):
    """One compiled epoch leaves the weights where the text's step-by-step loop leaves them."""
    recipe = RECIPES["mlp"].varied({"epochs": 1})
    (images, labels), _ = few
    ours, _ = trained(recipe, few)
    plain = MODELS["mlp"](recipe, 0)
    optimizer = keras.optimizers.SGD(0.1)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    order = tf.random.experimental.stateless_shuffle(tf.range(len(labels)), [0, 1]).numpy()
    for start in range(0, len(labels), recipe.batch_size):
        rows = order[start : start + recipe.batch_size]
        with tf.GradientTape() as tape:
            loss = loss_of(labels[rows], plain(images[rows].astype(np.float32) / 255))
        optimizer.apply(tape.gradient(loss, plain.trainable_variables), plain.trainable_variables)
    for one, other in zip(ours.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_equal_seeds_give_equal_bits(few):
    """The same seed gives the same weights, bit for bit, and another seed others. Of recipes with
    all that the loop can do, runs that are resumed say so."""
    recipe = RECIPES["mlp"].varied({"epochs": 3})
    model, history = trained(recipe, few)
    again, history_again = trained(recipe, few)
    other, _ = trained(recipe, few, seed=1)
    assert weights_of(model) == weights_of(again)
    assert without_durations(history) == without_durations(history_again)
    assert weights_of(model) != weights_of(other)


def test_sequential_and_subclassed_are_equal(few):
    """The same network written in the two ways that Keras has ends at the same bits."""
    settings = EVERYTHING | {"epochs": 2}
    sequential, _ = trained(RECIPES["mlp"].varied(settings), few)
    subclassed, _ = trained(RECIPES["mlp-subclassed"].varied(settings), few)
    assert weights_of(sequential) == weights_of(subclassed)


@pytest.mark.slow
@pytest.mark.parametrize(
    "recipe",
    [
        dataclasses.replace(RECIPES["mlp"].varied(EVERYTHING), keep="best"),
        pytest.param(
            dataclasses.replace(RECIPES["photo"].varied(PHOTO), keep="last"),
            marks=pytest.mark.wide,
        ),
        pytest.param(RECIPES["cnn"].varied(CNN), marks=pytest.mark.wide),
    ],
    ids=["best", "photo, last", "cnn, without XLA"],
)
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(few, tmp_path, recipe):
    """Going on from any epoch's checkpoint gives the weights and the history of the whole run."""
    whole, history = trained(recipe, few)

    class Killed(Exception):
        pass

    checkpoints = {end: Checkpoint(tmp_path / f"{end}", {"run": 1}, every_s=0) for end in (1, 3)}

    def save(state: State) -> None:
        if checkpoint := checkpoints.get(len(state.history)):
            checkpoint.save(state)

    def kill(epoch: Epoch) -> None:
        if epoch.number == 3:
            raise Killed

    with pytest.raises(Killed):
        trained(recipe, few, save=save, on_epoch=kill)
    for end, checkpoint in checkpoints.items():
        resumed = checkpoint.load()
        assert len(resumed.history) == end
        model, history_after = trained(recipe, few, resumed=resumed)
        assert weights_of(model) == weights_of(whole)
        assert without_durations(history_after) == without_durations(history)


def test_the_best_epoch_is_kept(few):
    """The model ends with the weights of the lowest validation loss, or of the last epoch."""
    recipe = RECIPES["mlp"].varied({"learning_rate": 0.5, "epochs": 6})
    states: list[State] = []
    model, history = trained(recipe, few, save=states.append)
    best = min(history, key=lambda epoch: epoch.validation_loss)
    assert kept_epoch(history, recipe) is best
    images, labels = few[1]
    logits = model(images.astype(np.float32) / 255)
    assert np.mean(logits.numpy().argmax(1) == labels) == pytest.approx(best.validation_accuracy)
    assert kept_epoch(history, dataclasses.replace(recipe, keep="last")) is history[-1]


def test_early_stopping(few):
    """A run ends once the validation loss has had no new low for as long as the recipe says."""
    recipe = RECIPES["mlp"].varied({"learning_rate": 0.5, "epochs": 60, "patience": 2})
    _, history = trained(recipe, few)
    best = min(history, key=lambda epoch: epoch.validation_loss)
    assert len(history) == best.number + 2 < 60
    assert not stopped_early(history, patience=0)
    assert not stopped_early([], patience=1)


@pytest.mark.parametrize(
    "recipe", ["softmax-best", pytest.param("mlp-best", marks=pytest.mark.wide)]
)
def test_whoever_has_patience_gets_the_best_epoch(few, recipe):
    """Also of a recipe that keeps its last one: that is the one that made the run stop."""
    settings = {"learning_rate": 0.1, "epochs": 30, "patience": 2, "schedule": "constant"}
    varied = RECIPES[recipe].varied(settings)
    assert (RECIPES[recipe].keep, varied.keep) == ("last", "best")
    small = {} if recipe == "softmax-best" else {"hidden_units": (8,), "average_over": "image"}
    model, history = trained(varied.varied(small), few)
    best = min(history, key=lambda epoch: epoch.validation_loss)
    assert history[-1].number == best.number + 2
    assert kept_epoch(history, varied) is best
    images, labels = few[1]
    logits = model(images.astype(np.float32) / 255)
    assert np.mean(logits.numpy().argmax(1) == labels) == pytest.approx(best.validation_accuracy)
    with pytest.raises(ValueError, match="the best epoch is kept"):
        dataclasses.replace(varied, keep="last")


def test_a_batch_has_no_more_rows_than_there_are(few):
    """One that is asked to have more is all of them."""
    settings = {"batch_size": len(few[0][1]), "epochs": 2}
    all_of_them, _ = trained(RECIPES["softmax"].varied(settings), few)
    more, _ = trained(RECIPES["softmax"].varied(settings | {"batch_size": 60_000}), few)
    assert weights_of(more) == weights_of(all_of_them)


def test_divergence_is_told(few):
    """A learning rate that is far too high ends in an error that says so."""
    recipe = RECIPES["mlp"].varied({"learning_rate": 1e8, "epochs": 3})
    with pytest.raises(Diverged, match="--learning-rate"):
        trained(recipe, few)


def test_linear_regression_finds_the_truth():
    """w and b come within a hundredth of what the data was made with."""
    train, validation = synthetic_linear(seed=0)
    arrays = [(points.features, points.values) for points in (train, validation)]
    model, history = trained(RECIPES["linear"], arrays)
    kernel, bias = model.get_weights()
    np.testing.assert_allclose(kernel.ravel(), [2, -3.4], atol=0.01)
    np.testing.assert_allclose(bias, [4.2], atol=0.01)
    assert history[-1].validation_accuracy is None


def test_schedule_warms_up_and_falls_to_zero(few):
    """The cosine learning rate ends at 0, and its highest is the recipe's."""
    recipe = RECIPES["mlp"].varied({"schedule": "cosine", "epochs": 20})
    _, history = trained(recipe, few)
    rates = [epoch.learning_rate for epoch in history]
    assert max(rates) == pytest.approx(0.1, rel=0.02)
    assert rates[0] > rates[10] > rates[-1]
    assert rates[-1] == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_weights_decay_and_biases_do_not(few, optimizer):
    """Without a gradient, weights shrink by learning rate times decay a step, where that is set."""
    for decay in (0.0, 0.5):
        recipe = RECIPES["softmax"].varied(
            {"optimizer": optimizer, "weight_decay": decay, "learning_rate": 0.1}
        )
        weights, bias = keras.Variable(tf.ones([4])), keras.Variable(tf.ones([4]), name="bias")
        made = make_optimizer(recipe, rows=256)
        made.build([weights, bias])
        made.apply([tf.zeros([4]), tf.zeros([4])], [weights, bias])
        np.testing.assert_allclose(weights, np.full(4, 1 - 0.1 * decay), rtol=1e-6)
        np.testing.assert_allclose(bias, np.ones(4))


BAD = [
    {"activation": "gelu"},
    {"dropout": 1.0},
    {"epochs": 0},
    {"learning_rate": -1.0},
    {"hidden_units": (0,)},
    {"batch_size": 0},
    {"shift": 14},
]


@pytest.mark.parametrize("settings", BAD, ids=str)
def test_recipes_refuse_nonsense(settings):
    """A setting out of its range is named."""
    with pytest.raises(ValueError, match=next(iter(settings))):
        RECIPES["mlp"].varied(settings)


def ordered(count, *, seed):
    """Rows in the order of their ten classes: the first is dark, all others are equal noise."""
    labels = np.sort(np.arange(count) % 10).astype(np.int64)
    images = np.random.default_rng(seed).integers(0, 256, (count, 9, 9), np.uint8)
    images[labels == 0] //= 4
    return Examples(images, labels)


@pytest.mark.parametrize("on_disk", [False, True], ids=["memory", "disk"])
def test_a_curve_is_of_all_classes(on_disk):
    """Own data is ordered by class, so that its first rows are all of the easy one."""
    parts = {name: ordered(400, seed=number) for number, name in enumerate(PARTS)}
    data = split(
        OwnData(tuple("abcdefghij"), parts, (), {}, "made"), most_bytes=0 if on_disk else 1 << 30
    )
    task = OwnClassification.of_own(data, "pad")
    task = dataclasses.replace(task, validation=(task.validation[0][::4], task.validation[1][::4]))
    recipe = RECIPES["softmax"].varied({"epochs": 3})
    model = MODELS["softmax"](recipe, 0, task.images)
    history = fit(model, recipe, task.train, task.validation, 0, curve_rows=task.curve_rows)
    everything, accuracy = compiled_measure(model)(*task.train)
    kept = kept_epoch(history, recipe)
    assert kept.train_loss == pytest.approx(everything, rel=0.25)
    assert kept.train_accuracy == pytest.approx(accuracy, abs=0.15)
    assert np.bincount(task.train[1][task.curve_rows]).tolist() == [10] * 10


def test_a_curve_chooses_nothing(few):
    """Weights, and the epoch that is kept, are the same whatever rows it is drawn by."""
    recipe = RECIPES["mlp"].varied({"epochs": 3, "hidden_units": (8,), "patience": 1})
    found = [trained(recipe, few, curve_rows=rows) for rows in (None, np.arange(5), np.arange(100))]
    weights = [weights_of(model) for model, _ in found]
    assert weights[0] == weights[1] == weights[2]
    losses = [[epoch.validation_loss for epoch in history] for _, history in found]
    assert losses[0] == losses[1] == losses[2]


def test_curves_of_the_built_in_data_are_of_its_first_rows(dataset):
    """It is in no order, and figures of before stay."""
    for task in (Classification.of(dataset), Regression.of(0)):
        rows = np.arange(min(len(task.train[1]), len(task.validation[1])))
        np.testing.assert_array_equal(task.curve_rows, rows)
