"""The training loop: minibatch stochastic gradient descent, one compiled function an epoch.

The text walks the data step by step in Python. Here the same updates are one `tf.function` that
shuffles, slices, differentiates and applies them for a whole epoch, so that Python is entered ten
times a run and not two thousand times.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass

import keras
import tensorflow as tf

from vitrine_training.data import Split
from vitrine_training.recipes import Recipe


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training data gave. Losses are mean cross-entropies in nats."""

    number: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    duration_s: float


def scaled(images: tf.Tensor) -> tf.Tensor:
    """Turns uint8 pixels into the float32 0..1 that models take."""
    return tf.cast(images, tf.float32) / 255.0


def fit(
    model: keras.Model,
    recipe: Recipe,
    train: Split,
    validation: Split,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> list[Epoch]:
    """Trains `model` in place and returns its history; `on_epoch` is called after each epoch.

    The model ends with the weights of the epoch with the lowest validation loss: at a constant
    learning rate accuracy jumps by up to 2 points from one epoch to the next, and the last may be
    a low one. (Choosing by accuracy follows the noise of 5,000 images, and was worse.)
    """
    optimizer = keras.optimizers.SGD(recipe.learning_rate)
    optimizer.build(model.trainable_variables)
    epoch = _compiled_epoch(model, optimizer, train, recipe.batch_size, seed)
    history: list[Epoch] = []
    best_weights = model.get_weights()
    for number in range(1, recipe.epochs + 1):
        started = time.monotonic()
        train_loss, train_accuracy = epoch(tf.constant(number))
        validation_loss, validation_accuracy = loss_and_accuracy(model, validation)
        history.append(
            Epoch(
                number=number,
                train_loss=float(train_loss),
                train_accuracy=float(train_accuracy),
                validation_loss=validation_loss,
                validation_accuracy=validation_accuracy,
                duration_s=time.monotonic() - started,
            )
        )
        if history[-1] is best_of(history):
            best_weights = model.get_weights()
        on_epoch(history[-1])
    model.set_weights(best_weights)
    return history


def best_of(history: list[Epoch]) -> Epoch:
    """Returns the epoch with the lowest validation loss."""
    return min(history, key=lambda epoch: epoch.validation_loss)


def _compiled_epoch(
    model: keras.Model,
    optimizer: keras.optimizers.Optimizer,
    train: Split,
    batch_size: int,
    seed: int,
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """Returns a function from the epoch's number to its mean loss and accuracy."""
    images, labels = tf.constant(train.images), tf.constant(train.labels, tf.int32)
    rows = len(train)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)

    @tf.function
    def epoch(number: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        order = tf.random.experimental.stateless_shuffle(tf.range(rows), seed=[seed, number])
        loss_sum, correct = tf.constant(0.0), tf.constant(0.0)
        for start in tf.range(0, rows, batch_size):
            batch = order[start : start + batch_size]
            x, y = scaled(tf.gather(images, batch)), tf.gather(labels, batch)
            with tf.GradientTape() as tape:
                logits = model(x, training=True)
                loss = cross_entropy(y, logits)
            gradients = tape.gradient(loss, model.trainable_variables)
            optimizer.apply(gradients, model.trainable_variables)
            loss_sum += loss * tf.cast(tf.size(batch), tf.float32)
            correct += tf.reduce_sum(
                tf.cast(tf.argmax(logits, 1, output_type=tf.int32) == y, tf.float32)
            )
        return loss_sum / rows, correct / rows

    return epoch


def loss_and_accuracy(model: keras.Model, split: Split) -> tuple[float, float]:
    """Returns the mean cross-entropy of `model` on `split`, and the share that it gets right."""
    labels = tf.constant(split.labels, tf.int32)
    logits = model(scaled(split.images))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, logits)
    right = tf.argmax(logits, axis=1, output_type=tf.int32) == labels
    return float(loss), float(tf.reduce_mean(tf.cast(right, tf.float32)))
