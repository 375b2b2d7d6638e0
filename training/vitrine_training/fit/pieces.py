"""Pieces: ranges of rows that go through a network at once, so that memory is bounded."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

MOST_ROWS = 1_000
"""Rows of a piece, fewer where they are large."""

MOST_VALUES = 1 << 25
"""Pixels of a piece, with their colours: a layer of 32 filters makes some 4 GB of them."""


def pieces(inputs: npt.NDArray[Any]) -> Iterator[slice]:
    """Yields the rows of each piece of `inputs`, [n, ...], in order."""
    size = max(1, min(MOST_ROWS, MOST_VALUES // max(1, int(np.prod(inputs.shape[1:])))))
    for start in range(0, len(inputs), size):
        yield slice(start, start + size)
