"""What Keras has no layer for: dropout that compiles well, and answers that are averaged."""

import keras
import tensorflow as tf


class Dropout(keras.layers.Layer):
    """Leaves out a share `rate` of its inputs in training, and scales up the others.

    What `keras.layers.Dropout` does, but its random bits are a hash of a step counter and of the
    position: compiled by XLA for a CPU, Keras' own take more time than all the rest of a step. The
    counter is a weight, so that a resumed run draws what an uninterrupted one would have drawn.
    """

    def __init__(self, rate: float, seed: int) -> None:
        super().__init__()
        self.rate = rate
        self._seed = seed

    def build(self, input_shape: object) -> None:
        """Makes the counter."""
        del input_shape  # any will do
        self._step = self.add_weight(
            name="step", shape=(), dtype="uint32", initializer="zeros", trainable=False
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Returns a tensor like `inputs`."""
        if not training:
            return inputs
        self._step.assign_add(tf.constant(1, tf.uint32))
        key = mixed(mixed(tf.convert_to_tensor(self._step)) + _u32(self._seed))
        position = tf.reshape(tf.cast(tf.range(tf.size(inputs)), tf.uint32), tf.shape(inputs))
        bits = mixed(mixed(position + key) + key)
        kept = bits >= _u32(int(self.rate * 2**32))
        return tf.where(kept, inputs / (1 - self.rate), 0.0)


class Averaged(keras.Model):
    """Answers with the mean logits of `model` over views of an image, divided by `temperature`.

    `over` says which views: the `image` alone; `mirror`, its mirror image too; or `neighbours`,
    both of them, and both moved by one pixel up, down, left and right, black coming in. The
    temperature is that of Guo et al., 2017, https://arxiv.org/abs/1706.04599.
    """

    def __init__(
        self, model: keras.Model, *, over: str = "image", temperature: float = 1.0
    ) -> None:
        super().__init__()
        self.model = model
        self.over = over
        self.temperature = temperature

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Returns logits, float32 [n, classes], for float32 [n, height, width]."""
        views = self._views(images)
        logits = self.model(tf.concat(views, axis=0), training=False)
        if len(views) > 1:
            rows, classes = tf.shape(images)[0], logits.shape[-1]
            logits = tf.reduce_mean(tf.reshape(logits, [len(views), rows, classes]), axis=0)
        return logits / self.temperature

    def _views(self, images: tf.Tensor) -> list[tf.Tensor]:
        views = [images]
        if self.over == "neighbours":
            height, width = images.shape[1:]
            padded = tf.pad(images, [[0, 0], [1, 1], [1, 1]])
            views += [
                padded[:, y : y + height, x : x + width]
                for y, x in ((0, 1), (2, 1), (1, 0), (1, 2))
            ]
        if self.over != "image":
            views += [view[:, :, ::-1] for view in views]
        return views


def mixed(numbers: tf.Tensor) -> tf.Tensor:
    """Turns uint32 into uint32 that look random: MurmurHash3's finalizer (Appleby, 2011)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        numbers = tf.bitwise.bitwise_xor(numbers, tf.bitwise.right_shift(numbers, _u32(shift)))
        numbers *= _u32(factor)
    return tf.bitwise.bitwise_xor(numbers, tf.bitwise.right_shift(numbers, _u32(16)))


def _u32(number: int) -> tf.Tensor:
    return tf.constant(number, tf.uint32)
