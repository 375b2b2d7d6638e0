"""Rows on disk: pictures that are read from memory maps a piece at a time, never all of them."""

from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, Self, cast

import numpy as np
import numpy.typing as npt

from vitrine_training.data.pieces import pieces

Pixels = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.int64]


class RowsOnDisk:
    """Chosen rows of `sources`, arrays of pictures of one shape, one after the other.

    An index of rows, a slice or int64 [m], reads those, uint8 [m, h, w] or [m, h, w, 3], and an int
    one picture; `taken` chooses some without reading any. What would read all at once raises
    `TypeError`.
    """

    def __init__(self, sources: Sequence[Pixels], rows: Rows | None = None) -> None:
        self._sources = sources
        self._ends = np.cumsum([len(each) for each in sources])
        self._rows = np.arange(self._ends[-1]) if rows is None else rows
        self.shape: tuple[int, ...] = (len(self._rows), *sources[0].shape[1:])
        self.ndim = len(self.shape)
        self.dtype = np.dtype(np.uint8)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int | slice | Rows) -> Pixels:
        if isinstance(index, int | np.integer):
            return self[np.array([index])][0]
        rows = self._rows[index]
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)
        source = np.searchsorted(self._ends, rows, side="right")
        for number in np.unique(source):
            here = source == number
            first = self._ends[number] - len(self._sources[number])
            found[here] = self._sources[number][rows[here] - first]
        return found

    def __iter__(self) -> Iterator[Pixels]:
        for part in pieces(self):
            yield from self[part]

    def __array__(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("these pictures are too many to be read at once; read them in pieces")

    def taken(self, rows: slice | Rows) -> Self:
        """Returns some of the rows, which are not read yet."""
        return type(self)(self._sources, self._rows[rows])


def as_array(images: RowsOnDisk) -> Pixels:
    """Returns the rows as what is read by index as an array is, and by nothing else."""
    return cast("Pixels", images)
