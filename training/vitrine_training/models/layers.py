"""Layers that Keras lacks: dropout and convolution that compile well, and averaging over views."""

import keras
import numpy as np
import tensorflow as tf


class Dropout(keras.layers.Layer):
    """Leaves out a share `rate` of its inputs in training, and scales up the others.

    As `keras.layers.Dropout`, but its random bits are a hash of a step counter and of the
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


class Convolution(keras.layers.Layer):
    """Two-dimensional convolution with a stride, as a product of two matrices.

    As `keras.layers.Conv2D` after a border of `side // 2` zeros. Compiled by XLA for a CPU,
    that one takes several times as long to train. Here the pixels under the kernel are put side by
    side (im2col). With one channel these would be many small pieces; then only the rows under the
    kernel are, and the matrix is a banded one, which has the kernel once for each place in a row:
    most of its products are by zero, and yet it is faster.
    """

    def __init__(self, filters: int, side: int, stride: int, seed: int) -> None:
        """`filters` kernels of `side` by `side`, an odd number; weights are He's (2015)."""
        super().__init__()
        self.filters, self.side, self.stride = filters, side, stride
        self._initializer = keras.initializers.HeNormal(seed=seed)

    def build(self, input_shape: tuple[int, ...]) -> None:
        """Makes the weights for images [n, height, width, channels]."""
        width, channels = input_shape[2:]
        shape = (self.side, self.side, channels, self.filters)
        self.kernel = self.add_weight(name="kernel", shape=shape, initializer=self._initializer)
        self.bias = self.add_weight(name="bias", shape=(self.filters,), initializer="zeros")
        starts = self.stride * np.arange(-(-width // self.stride)) - self.side // 2
        offsets = np.arange(width)[:, np.newaxis] - starts  # of a pixel in the kernel of each place
        self._places = (np.arange(self.side)[:, np.newaxis, np.newaxis] == offsets).astype(
            "float32"
        )

    def call(self, images: tf.Tensor) -> tf.Tensor:
        """Returns float32 [n, height / stride, width / stride, filters], rounded up."""
        _, height, width, channels = images.shape
        high, wide = -(-height // self.stride), -(-width // self.stride)
        if channels == 1:
            band = tf.einsum("yxcf,xwp->ywpcf", self.kernel, self._places)
            matrix = tf.reshape(band, [self.side * width, wide * self.filters])
            pixels = tf.concat(self._under(images[..., 0], 1), axis=2)
        else:
            matrix = tf.reshape(tf.transpose(self.kernel, [1, 0, 2, 3]), [-1, self.filters])
            pixels = tf.concat(self._under(images, 1), axis=3)
            pixels = tf.concat(self._under(pixels, 2), axis=3)
        outputs = tf.reshape(pixels, [-1, matrix.shape[0]]) @ matrix
        return tf.reshape(outputs, [-1, high, wide, self.filters]) + self.bias

    def _under(self, images: tf.Tensor, axis: int) -> list[tf.Tensor]:
        """Returns the inputs under each row or column of the kernel, for all its places."""
        border = [[0, 0] for _ in images.shape]
        border[axis] = [self.side // 2, self.side // 2]
        padded = tf.pad(images, border)
        last = self.stride * ((images.shape[axis] - 1) // self.stride) + 1
        cuts = [slice(start, start + last, self.stride) for start in range(self.side)]
        return [padded[(slice(None),) * axis + (cut,)] for cut in cuts]


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
        """Returns logits, float32 [n, classes], for float32 [n, height, width, ...]."""
        views = self._views(images)
        logits = self.model(tf.concat(views, axis=0), training=False)
        if len(views) > 1:
            rows, classes = tf.shape(images)[0], logits.shape[-1]
            logits = tf.reduce_mean(tf.reshape(logits, [len(views), rows, classes]), axis=0)
        return logits / self.temperature

    def _views(self, images: tf.Tensor) -> list[tf.Tensor]:
        views = [images]
        if self.over == "neighbours":
            height, width, *channels = images.shape[1:]
            padded = tf.pad(images, [[0, 0], [1, 1], [1, 1], *([0, 0] for _ in channels)])
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
