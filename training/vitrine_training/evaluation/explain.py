"""Why a classifier answers as it does: which pixels speak for a class, and which against it."""

from collections.abc import Callable

import tensorflow as tf

ANSWERED = -1
"""Among class ids: the class that the model answers."""


def explained(
    model: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor, class_ids: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns attributions, the class ids that they are for, and logits, for float [n, h, w] or
    [n, h, w, c].

    An attribution, float32 [n, h, w], is the gradient of the class's logit with respect to a pixel,
    times the pixel (Shrikumar et al., 2016, https://arxiv.org/abs/1605.01713), summed over its
    channels. For a linear model that is weight times pixel, and all of them and the bias make the
    logit. `class_ids` are int64
    [n]; `ANSWERED` stands for the class that is answered. TensorFlow raises `InvalidArgumentError`
    for other ids that are no class's, and unless there is one for each image: the nearest class
    instead would answer another question.
    """
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = model(images)
        _check(class_ids, logits)
        chosen = tf.where(class_ids == ANSWERED, tf.argmax(logits, axis=1), class_ids)
        asked = tf.reduce_sum(logits * tf.one_hot(chosen, logits.shape[-1]), axis=1)
    attributions = tape.gradient(asked, images) * images
    if len(images.shape) > 3:
        attributions = tf.reduce_sum(attributions, axis=-1)
    return tf.cast(attributions, tf.float32), chosen, logits


def _check(class_ids: tf.Tensor, logits: tf.Tensor) -> None:
    classes = logits.shape[-1]
    words = (
        f"class_ids are one for each image, of 0 to {classes - 1}, or {ANSWERED} for the class "
        "that is answered"
    )
    known = tf.reduce_all((class_ids >= ANSWERED) & (class_ids < classes))
    tf.debugging.Assert(known & (tf.size(class_ids) == tf.shape(logits)[0]), [words, class_ids])
