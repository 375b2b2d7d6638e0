"""Tensor layout of pictures: where their rows, colours and sides are in a model's input."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vitrine_client.images import SIDE
from vitrine_client.open_inference.client.metadata import TensorMetadata
from vitrine_client.results.profiles.profile import Shape

Array = npt.NDArray[Any]

_CHANNELS = (1, 3, 4)
_FEW = 4
"""No side of a picture is so short."""

_FREE = -1


class Layout(NamedTuple):
    """Layout of an input: its sizes as models of TensorFlow have them, [n, height, width] or
    [n, height, width, channels], and how a tensor of that shape becomes the input's own.

    With `colours_first` it is [n, channels, height, width], as in PyTorch; a `flat` one is [n,
    height * width]; without `has_rows` it is one picture, and has no axis for several.
    """

    sizes: tuple[int, ...]
    has_rows: bool = True
    colours_first: bool = False
    flat: bool = False

    def arranged(self, pictures: Array) -> Array:
        """Returns pictures, [n, height, width, ...], as the input has them."""
        if self.colours_first and pictures.ndim == 4:
            pictures = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2))
        if self.flat:
            pictures = pictures.reshape(len(pictures), -1)
        return pictures if self.has_rows else pictures[0]


def layout_of(taken: TensorMetadata, told: Shape | None = None) -> Layout:
    """Returns the layout of an input; where it is flat, `told` is the shape of a picture. An input
    in which no picture is found is as it is."""
    sizes = taken.shape
    if len(sizes) == 4:
        return _coloured(sizes[1:], sizes[0], has_rows=True)
    if len(sizes) == 3 and _is_one_picture(sizes):
        return _coloured(sizes, 1, has_rows=False)
    if len(sizes) == 2 and min(sizes) > _FEW:
        return Layout((1, *sizes), has_rows=False)
    if len(sizes) in (1, 2) and (shape := _unflattened(sizes[-1], told)):
        rows = sizes[0] if len(sizes) == 2 else 1
        return Layout((rows, *shape), has_rows=len(sizes) == 2, flat=True)
    return Layout(sizes)


def _coloured(sides: tuple[int, ...], rows: int, *, has_rows: bool) -> Layout:
    """Colours are last unless only the first axis can have them."""
    if sides[0] in _CHANNELS and sides[2] not in _CHANNELS:
        return Layout((rows, *sides[1:], sides[0]), has_rows, colours_first=True)
    return Layout((rows, *sides), has_rows)


def _is_one_picture(sizes: tuple[int, ...]) -> bool:
    """Says whether three sizes are those of a picture with colours, and not of rows of grey ones,
    as [1, height, width] is."""
    first = sizes[0] in _CHANNELS[1:] and all(size == _FREE or size > _FEW for size in sizes[1:])
    last = sizes[2] in _CHANNELS and sizes[0] not in _CHANNELS
    return first or (last and (sizes[0] > _FEW or sizes[1] == _FREE))


def _unflattened(count: int, told: Shape | None) -> tuple[int, ...] | None:
    """Returns the shape of a picture that has so many numbers: the one that is told, or that of
    MNIST's and Fashion-MNIST's; None where neither has as many."""
    for shape in filter(None, (told, (SIDE, SIDE))):
        if all(shape) and np.prod([size or 0 for size in shape]) == count:
            return tuple(size or 0 for size in shape)
    return None
