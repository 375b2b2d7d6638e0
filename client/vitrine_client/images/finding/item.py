"""Foreground item of a picture: its instance, its place, and warnings in words."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitrine_client.errors import InvalidRequest
from vitrine_client.images.finding.background import contrast
from vitrine_client.images.finding.cropping import instance_of, is_outline
from vitrine_client.images.finding.finder import Found, box_of, find, find_in
from vitrine_client.images.raster import Box, Raster
from vitrine_client.images.rows import SIDE, as_row, is_blank, read_rows

NOTHING = "there is nothing to see in this picture"
"""The warning of a picture without an item."""

STRAYS = "stray marks left out"
SURROUNDINGS = "what is around the inner picture left out"
OUTLINE = "only an outline, filled in"
FAINT = "the item hardly differs from its background"
CUT_OFF = "the item is cut off at the edge"

_COUNTS = {2: "two items, the larger one", 3: "three items, the largest one"}

_WHOLE = 0, 0, SIDE, SIDE
_FAINT_CONTRAST = 20.0  # levels
_CUT_SHARE = 0.2  # of an item's longer side


class Item(NamedTuple):
    """The item that was found in a picture.

    `instance` is the item as models take it, uint8 [28, 28], white on black, or what another
    profile makes of the picture; `box` its place, or None where the picture shows nothing, and then
    `instance` is black. `warnings` name in words
    parts that were left out or are doubtful. `images.preprocessing` makes instances of other shapes
    and dtypes, for models that take others.
    """

    instance: NDArray[Any]
    box: Box | None
    warnings: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to see in the picture."""
        return self.box is None


def item_of(raster: Raster, box: Sequence[float] | None) -> Item:
    """Returns the item of a decoded picture, or of a `box` of it. Raises `InvalidRequest` where
    `box` is none."""
    if box is not None:
        chosen = checked_box(box, raster.size)
        found = find_in(raster, chosen)
        return _nothing() if found is None else _item(found, chosen)
    if raster.size == (SIDE, SIDE) and (row := row_item(raster.grey().copy())):
        return row
    found = find(raster)
    if found is None:
        return _nothing()
    return _item(found, box_of(raster, found), _left_out(found))


def row_item(grey: NDArray[np.uint8]) -> Item | None:
    """Returns the item of pixels that are a row of the data set, or negated are one, which have
    `grey` itself as their instance; None of others."""
    row = as_row(grey)
    if row is None:
        return None
    return _nothing() if is_blank(row) else Item(row, _WHOLE)


def row_items(files: Sequence[bytes]) -> list[Item] | None:
    """Returns the items of files that are rows of the data set as they are most often sent, with
    something in each; None of all others, of which any may be one."""
    rows = read_rows(files)
    return None if rows is None else [Item(row, _WHOLE) for row in rows]


def _nothing() -> Item:
    return Item(np.zeros((SIDE, SIDE), np.uint8), None, (NOTHING,))


def _item(found: Found, box: Box, left_out: Sequence[str] = ()) -> Item:
    outline = is_outline(found.segment)
    seen = contrast(found.view.values, found.view.ground)
    instance = instance_of(seen, found.segment, outline=outline)
    if not instance.any():
        return _nothing()
    return Item(instance, box, (*left_out, *_doubts(found, outline=outline)))


def _left_out(found: Found) -> list[str]:
    left_out = []
    if found.others:
        count = found.others + 1
        left_out.append(_COUNTS.get(count, f"{count} items, the largest one"))
    if found.strays:
        left_out.append(STRAYS)
    if found.in_panel:
        left_out.append(SURROUNDINGS)
    return left_out


def _doubts(found: Found, *, outline: bool) -> list[str]:
    doubts = []
    if outline:
        doubts.append(OUTLINE)
    if found.segment.contrast < _FAINT_CONTRAST:
        doubts.append(FAINT)
    if found.cut_off >= _CUT_SHARE:
        doubts.append(CUT_OFF)
    return doubts


def checked_box(box: Sequence[float], size: tuple[int, int]) -> Box:
    """Returns a box in whole pixels of a picture, width and height. Raises `InvalidRequest`."""
    width, height = size
    x, y, wide, tall = map(float, four_numbers(box))
    left = min(round(x), width - 1) if x < width else round(x)  # to the pixel that it begins in
    top = min(round(y), height - 1) if y < height else round(y)
    right, bottom = round(x + wide), round(y + tall)
    if not (wide > 0 and tall > 0):
        raise InvalidRequest(
            f"The box {_spelt(x, y, wide, tall)} is empty; width and height are above 0"
        )
    right, bottom = max(right, left + 1), max(bottom, top + 1)
    if left < 0 or top < 0 or right > width or bottom > height:
        raise InvalidRequest(
            f"The box {_spelt(x, y, wide, tall)} is not inside the picture, "
            f"which has {width}x{height} pixels; give one that is"
        )
    return left, top, right - left, bottom - top


def four_numbers(box: Sequence[float]) -> tuple[float, float, float, float]:
    """Returns the members of a box as they are. Raises `InvalidRequest` where these are not four
    finite numbers."""
    try:
        x, y, wide, tall = box
        known = not isinstance(box, str) and math.isfinite(float(x) + float(wide))
        known = known and math.isfinite(float(y) + float(tall))
    except (TypeError, ValueError, OverflowError):
        known = False
    if not known:
        raise InvalidRequest(
            "A box is x,y,width,height, four numbers in pixels of the picture; give 10,20,300,400, "
            "say"
        )
    return x, y, wide, tall


def _spelt(*box: float) -> str:
    return ",".join(f"{number:g}" for number in box)
