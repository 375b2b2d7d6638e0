"""Pieces: ranges of rows that are worked on at once, so that memory is bounded."""

import math
from collections.abc import Iterator
from typing import Protocol

MOST_ROWS = 1_000
"""Rows of a piece, fewer where they are large."""

MOST_VALUES = 1 << 22
"""Pixels of a piece, with their colours: a layer of 32 filters makes half a gigabyte of them."""


class Shaped(Protocol):
    """Array, or what is read like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows first."""


def pieces(inputs: Shaped) -> Iterator[slice]:
    """Yields the rows of each piece of `inputs`, [n, ...], in order."""
    size = max(1, min(MOST_ROWS, MOST_VALUES // max(1, math.prod(inputs.shape[1:]))))
    for start in range(0, inputs.shape[0], size):
        yield slice(start, start + size)
