"""Shares of classes: answers of a kind, as the probabilities that are shown."""

from typing import Any

import numpy as np
import numpy.typing as npt


def shares_of(numbers: npt.NDArray[Any], kind: str) -> npt.NDArray[np.float32]:
    """Returns answers, floats [n, classes], as float32 [n, classes]: the softmax of logits, and two
    of the one number of a binary classifier, float [n, 1]; others stay as they are."""
    if kind == "logits":
        powers = np.exp(numbers - numbers.max(axis=1, keepdims=True), dtype=np.float64)
        numbers = powers / powers.sum(axis=1, keepdims=True)
    elif kind == "binary":
        numbers = np.concatenate([1 - numbers, numbers], axis=1)
    return numbers.astype(np.float32)
