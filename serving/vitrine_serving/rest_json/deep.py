"""Tensors of more dimensions than NumPy has: 64, where TensorFlow has 254."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MAX_NUMPY_RANK = 64
MAX_RANK = 254
"""TensorFlow's: a shape of more is no tensor's."""


@dataclass(frozen=True, eq=False)
class DeepArray:
    """Values of a tensor as a vector, and the shape that they have there."""

    values: npt.NDArray[Any]
    shape: tuple[int, ...]

    @property
    def dtype(self) -> np.dtype[Any]:
        """That of the values."""
        return self.values.dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Number of values."""
        return self.values.size

    def __len__(self) -> int:
        return self.shape[0]

    def nested(self, leaves: list[Any]) -> list[Any]:
        """Returns one leaf for each value as lists in lists."""
        level = leaves
        for at in range(self.ndim - 1, 0, -1):
            size = self.shape[at]
            count = math.prod(self.shape[:at])
            level = [level[row * size : (row + 1) * size] for row in range(count)]
        return level


def shaped(values: npt.NDArray[Any], shape: list[int]) -> npt.NDArray[Any] | DeepArray:
    """Returns a vector in a shape of any number of dimensions."""
    if len(shape) > MAX_NUMPY_RANK:
        return DeepArray(values, tuple(shape))
    return values.reshape(shape)
