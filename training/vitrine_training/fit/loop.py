"""The training loop: minibatch stochastic gradient descent, one compiled function an epoch.

The text walks the data step by step in Python. Here the same updates are one `tf.function` under
XLA, which slices, augments, differentiates and applies them for a whole epoch, so that Python is
entered ten times a run and not two thousand times. The data stays where it is trained on, as the
bytes that it was read as.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from vitrine_training.data.pieces import pieces
from vitrine_training.data.rows_on_disk import RowsOnDisk
from vitrine_training.fit import leftovers
from vitrine_training.fit.augment import augmented, scaled, warped
from vitrine_training.fit.from_disk import epoch_from_disk
from vitrine_training.models.recipes import Recipe

Arrays = tuple[npt.NDArray[Any], npt.NDArray[Any]]
"""Inputs and targets, row by row: pixels, uint8 [n, 28, 28], and class ids, integer [n]; or
features, float32 [n, d], and values, float32 [n, 1]."""

Rows = list[tf.Tensor]
"""Inputs, targets and other arguments of a step, as many rows of each."""

_ADVICE = "a lower --learning-rate may help"

WARM_UP_SHARE = 0.05
"""Of all steps, those in which a `cosine` learning rate climbs."""


class Diverged(Exception):
    """The loss is no number any more; the message has advice."""


@dataclass(frozen=True)
class Epoch:
    """Losses and accuracies of one pass over the training data.

    Training and validation are measured in the same way: after the epoch, on as many images, with
    no dropout and no augmentation. Losses are means: cross-entropies in nats, or half squared
    errors, where there is no accuracy either.
    """

    number: int
    learning_rate: float
    train_loss: float
    train_accuracy: float | None
    validation_loss: float
    validation_accuracy: float | None
    duration_s: float


@dataclass(frozen=True)
class State:
    """All that a run needs to go on from where it was.

    `variables` are those of the model and of its optimizer, `kept` the model's weights that would
    be published now.
    """

    variables: list[npt.NDArray[Any]]
    kept: list[npt.NDArray[Any]]
    history: list[Epoch]


def fit(
    model: keras.Model,
    recipe: Recipe,
    train: Arrays,
    validation: Arrays,
    seed: int,
    *,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
    resumed: State | None = None,
    save: Callable[[State], None] = lambda _: None,
    curve_rows: npt.NDArray[np.int64] | None = None,
) -> list[Epoch]:
    """Trains `model` in place and returns its history; `on_epoch` is called after each epoch.

    The model ends with the weights of the epoch with the lowest validation loss, where the recipe
    does not say `last`: at a constant learning rate accuracy jumps by up to 2 points from one epoch
    to the next. (Choosing by accuracy follows the noise of 5,000 images, and was worse.) Goes on
    from `resumed`, and calls `save` after each epoch with its state. The training curve is drawn by
    `curve_rows`, or by `spread_rows`, and chooses nothing. Raises `Diverged`.
    """
    optimizer = make_optimizer(recipe, len(train[1]))
    optimizer.build(model.trainable_variables)
    epoch = _epoch(model, optimizer, recipe, train, seed)
    measure = compiled_measure(model, compiles=recipe.compiles)
    if curve_rows is None:
        curve_rows = spread_rows(len(train[1]), len(validation[1]))
    alike = _taken(train, curve_rows)
    variables = [*model.variables, *optimizer.variables]
    history = list(resumed.history) if resumed else []
    kept = resumed.kept if resumed else model.get_weights()
    for variable, value in zip(variables, resumed.variables if resumed else (), strict=False):
        variable.assign(value)
    for number in range(len(history) + 1, recipe.epochs + 1):
        if stopped_early(history, recipe.patience):
            break
        started = time.monotonic()
        rows = tf.range(len(train[1]))
        epoch(tf.random.experimental.stateless_shuffle(rows, [seed, number]), tf.constant(number))
        with _published_weights(model, optimizer, recipe):
            figures = (*measure(*alike), *measure(*validation))
            rate = float(optimizer.learning_rate)
            history.append(Epoch(number, rate, *figures, duration_s=time.monotonic() - started))
            _check_finite(history[-1])
            if history[-1] is kept_epoch(history, recipe):
                kept = model.get_weights()
        save(State([np.asarray(variable) for variable in variables], kept, history))
        on_epoch(history[-1])
    model.set_weights(kept)
    return history


def kept_epoch(history: list[Epoch], recipe: Recipe) -> Epoch:
    """Returns the epoch whose weights are published."""
    if recipe.keep == "last":
        return history[-1]
    return min(history, key=lambda epoch: epoch.validation_loss)


def stopped_early(history: list[Epoch], patience: int) -> bool:
    """Whether the validation loss has had no new low for `patience` epochs (0: never)."""
    if not patience or not history:
        return False
    best = min(history, key=lambda epoch: epoch.validation_loss)
    return history[-1].number - best.number >= patience


def make_optimizer(recipe: Recipe, rows: int) -> keras.optimizers.Optimizer:
    """Returns the optimizer of a recipe, for epochs of so many rows; biases do not decay."""
    steps = -(-rows // recipe.batch_size) * recipe.epochs
    rate: Any = recipe.learning_rate
    if recipe.schedule == "cosine":
        climbing = int(steps * WARM_UP_SHARE)
        rate = keras.optimizers.schedules.CosineDecay(
            rate / 100, steps - climbing, warmup_target=rate, warmup_steps=climbing
        )
    kind = {"sgd": keras.optimizers.SGD, "adamw": keras.optimizers.AdamW}[recipe.optimizer]
    optimizer = kind(
        rate,
        weight_decay=recipe.weight_decay,
        use_ema=recipe.ema > 0,
        ema_momentum=recipe.ema or 0.99,
    )
    optimizer.exclude_from_weight_decay(var_names=["bias", "beta", "gamma"])
    return optimizer


def compiled_epoch(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    recipe: Recipe,
    train: Arrays,
    seed: int,
) -> Callable[[tf.Tensor, tf.Tensor], None]:
    """Returns a function of the order of the rows, int32 [n], and the epoch's number, from 1.

    The rows are put in order before the compiled part, which then reads them one batch after the
    other: XLA on a CPU gathers number by number, where TensorFlow copies whole rows.
    """
    size = min(recipe.batch_size, len(train[1]))
    whole, rest = divmod(len(train[1]), size)
    step = _step(model, optimizer, recipe, train, seed)

    @tf.function(jit_compile=recipe.compiles)
    def steps(rows: Rows, number: tf.Tensor) -> None:
        before = (number - 1) * (whole + 1)
        for index in tf.range(whole):
            step([_rows(array, index * size, size) for array in rows], before + index)
        if rest:
            step([array[-rest:] for array in rows], before + whole)

    prepared = _prepared_rows(recipe, train, seed)
    return lambda order, number: steps(prepared(order, number), number)


def _epoch(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    recipe: Recipe,
    train: Arrays,
    seed: int,
) -> Callable[[tf.Tensor, tf.Tensor], None]:
    """Returns what `compiled_epoch` does, or what reads rows on disk as it goes."""
    if not isinstance(train[0], RowsOnDisk):
        return compiled_epoch(model, optimizer, recipe, train, seed)
    step = _step(model, optimizer, recipe, train, seed)
    return epoch_from_disk(step, recipe, *train, seed)


def _step(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    recipe: Recipe,
    train: Arrays,
    seed: int,
) -> Callable[[Rows, tf.Tensor], None]:
    """Returns a function of the rows of a batch and of the step's number that updates `model`."""
    loss_of = _training_loss(recipe, train)
    trained = model.trainable_variables

    def step(rows: Rows, number: tf.Tensor) -> None:
        inputs, targets, *dirt = rows
        batch = augmented(inputs, recipe, [seed, number], *dirt)
        with tf.GradientTape() as tape:
            loss = loss_of(targets, model(batch, training=True))
        optimizer.apply(tape.gradient(loss, trained), trained)

    return step


def spread_rows(rows: int, count: int) -> npt.NDArray[np.int64]:
    """Returns `count` of so many rows, evenly spread, or all: the first may be of one class."""
    few = min(rows, count)
    return np.arange(few, dtype=np.int64) * rows // max(few, 1)


def _taken(arrays: Arrays, rows: npt.NDArray[np.int64]) -> Arrays:
    inputs, targets = arrays
    few = inputs.taken(rows) if isinstance(inputs, RowsOnDisk) else inputs[rows]
    return few, targets[rows]


def _prepared_rows(
    recipe: Recipe, train: Arrays, seed: int
) -> Callable[[tf.Tensor, tf.Tensor], Rows]:
    """Returns a function as `compiled_epoch` does, which returns inputs, warped as the recipe says,
    targets and, where the recipe retouches, leftovers, all in order."""
    inputs, targets = tf.constant(train[0]), tf.constant(train[1])
    bank = tf.constant(leftovers.bank(seed)) if recipe.retouches else None

    @tf.function
    def prepared(order: tf.Tensor, number: tf.Tensor) -> Rows:
        own = [-1 - seed, number]  # no seed of a step, nor of the order
        rows = [warped(tf.gather(inputs, order), recipe, own), tf.gather(targets, order)]
        if bank is not None:
            count = len(targets)
            drawn = tf.random.stateless_uniform([count], own, 0, len(bank), tf.int32)
            rows.append(tf.gather(bank, drawn))
        return rows

    return prepared


def _rows(array: tf.Tensor, first: tf.Tensor, count: int) -> tf.Tensor:
    """`array[first : first + count]`, in words that tell XLA how many rows there will be."""
    nothing = [0] * (len(array.shape) - 1)
    return tf.slice(array, [first, *nothing], [count, *array.shape[1:]])


def _training_loss(recipe: Recipe, train: Arrays) -> Callable[[tf.Tensor, tf.Tensor], tf.Tensor]:
    if not is_classification(train):
        return _half_squared_error
    weigh = _class_weigher(train[1]) if recipe.class_weights else lambda _: None
    if not recipe.label_smoothing:
        plain = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        return lambda targets, logits: plain(targets, logits, weigh(targets))
    smoothed = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=recipe.label_smoothing
    )
    return lambda targets, logits: smoothed(
        tf.one_hot(targets, logits.shape[-1]), logits, weigh(targets)
    )


def class_weights(labels: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Returns the weight of a row by its class id: the rows of each class weigh the same together,
    and all rows 1 on the average. Classes without a row have 0."""
    counts = np.bincount(labels)
    shares = np.count_nonzero(counts) * counts.astype(np.float64)
    weights = np.divide(len(labels), shares, out=np.zeros(len(counts)), where=counts > 0)
    return weights.astype(np.float32)


def _class_weigher(labels: npt.NDArray[Any]) -> Callable[[tf.Tensor], tf.Tensor]:
    weights = class_weights(labels)
    return lambda targets: tf.gather(tf.constant(weights), targets)


def _half_squared_error(targets: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.square(outputs - targets)) / 2


def is_classification(arrays: Arrays) -> bool:
    """Whether the targets are class ids."""
    return bool(np.issubdtype(arrays[1].dtype, np.integer))


def compiled_measure(
    model: keras.Model, *, compiles: bool = True
) -> Callable[[npt.NDArray[Any], npt.NDArray[Any]], tuple[float, float | None]]:
    """Returns a function of inputs and targets that gives the loss and the accuracy, if any.

    Rows on disk go through in pieces, and all without XLA; otherwise all go through at once.
    """
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function(jit_compile=compiles)
    def classification(inputs: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        logits = model(scaled(inputs))
        right = tf.argmax(logits, axis=1, output_type=targets.dtype) == targets
        return cross_entropy(targets, logits), tf.reduce_mean(tf.cast(right, tf.float32))

    def measure(inputs: npt.NDArray[Any], targets: npt.NDArray[Any]) -> tuple[float, float | None]:
        if not is_classification((inputs, targets)):
            return float(_half_squared_error(targets, model(inputs))), None
        at_once = compiles and not isinstance(inputs, RowsOnDisk)
        whole = [slice(None)] if at_once else list(pieces(inputs))
        found = [
            classification(tf.constant(inputs[rows]), tf.constant(targets[rows], tf.int32))
            for rows in whole
        ]
        weights = [len(targets[rows]) for rows in whole]
        loss, accuracy = np.average(np.array(found, np.float64), axis=0, weights=weights)
        return float(loss), float(accuracy)

    return measure


@contextmanager
def _published_weights(
    model: keras.Model, optimizer: keras.optimizers.Optimizer, recipe: Recipe
) -> Iterator[None]:
    """Has the moving average in the model's weights for a while, if the recipe keeps one."""
    if not recipe.ema:
        yield
        return
    trained = model.get_weights()
    optimizer.finalize_variable_values(model.trainable_variables)
    yield
    model.set_weights(trained)


def _check_finite(epoch: Epoch) -> None:
    if not np.isfinite([epoch.train_loss, epoch.validation_loss]).all():
        raise Diverged(
            f"Training diverged: after epoch {epoch.number} the loss is {epoch.train_loss} on "
            f"training and {epoch.validation_loss} on validation data; {_ADVICE}"
        )


def check_outputs(outputs: npt.NDArray[Any]) -> None:
    """Raises `Diverged` where a model that was trained answers with what is no number, as weights
    that are all but infinite do, though its losses are numbers yet."""
    if not np.isfinite(outputs).all():
        raise Diverged(f"Training diverged: the model answers with {np.max(outputs)}; {_ADVICE}")
