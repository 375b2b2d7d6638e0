"""Arithmetic of the table's models, for the servers that run them and for the tests that expect it.

It needs NumPy alone: real Triton runs it, too, in an environment of its own.
"""

from typing import Any

import numpy as np

PIXELS, CLASSES = 784, 10

NUMBERS = (float("nan"), float("inf"), float("-inf"), 0.1, 1e-45, 1.0, 123456789.0)
"""What the model `nan` answers."""

TEXTS = (b"ok", "café ☃".encode(), b"\xff\xfe\x00\x01abc", b'quote" back\\ nl\n')
"""What the model `rawbytes` answers."""

DATATYPES = {
    "bool": "BOOL",
    **{f"uint{bits}": f"UINT{bits}" for bits in (8, 16, 32, 64)},
    **{f"int{bits}": f"INT{bits}" for bits in (8, 16, 32, 64)},
    **{"fp16": "FP16", "fp32": "FP32", "fp64": "FP64", "bf16": "BF16", "bytes": "BYTES"},
}
"""Each has a model `echo_...`, which answers in `out` what it is given in `in`."""


def weights(version: int) -> Any:
    """Returns the weights of a version of `mlp`."""
    steps = np.arange(PIXELS * CLASSES, dtype=np.float64)
    return (np.sin(steps * steps * version) / 4).astype(np.float32).reshape(PIXELS, CLASSES)


def softmax(images: Any, version: int) -> Any:
    """Returns what `mlp` answers as `probabilities`, up to rounding."""
    logits = np.asarray(images, np.float32).reshape(-1, PIXELS) @ weights(version)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def pictures(count: int) -> Any:
    """Returns pictures of 28 x 28 numbers between 0 and 1, which JSON has in few digits."""
    steps = np.arange(count * PIXELS) * 37 % 256
    return np.round(steps / 255, 3).astype(np.float32).reshape(count, 28, 28)
