"""Panels: rectangles with straight and sharp sides, such as a photo in a frame or on a screen.

An item has no such shape. Where a region of a picture is a panel, the item is looked for in it.
"""

from typing import NamedTuple

import numpy as np

from vitrine_client.images.finding.background import quantile
from vitrine_client.images.finding.regions import Mask, Regions, holes_filled
from vitrine_client.images.raster import Floats

Window = tuple[int, int, int, int]
"""Top, bottom, left and right in pixels, the second of each pair exclusive."""

_LEAST_SIDE = 0.2
"""Share of the picture's height and width that a panel has at least: smaller ones are buttons."""

_LEAST_PIXELS = 8

_FILL = 0.965
"""Share of its bounding box that a panel covers; round corners and a pixel of blur are allowed."""

_OUTSIDE = 0.35
"""Share of the contrast of a panel's inside that its surroundings have at most."""

_PLATEAU = 0.75
"""Share of its full contrast that a panel has three pixels from its sides."""

_LINE = 0.8
"""Share of a row that a drawn frame covers."""


class Panel(NamedTuple):
    """Rectangle with something in it: its `inside`; `all` is true where its region is no more than
    that, False where a tag hangs from it, say."""

    inside: Window
    all: bool


def panel_of(regions: Regions, index: int, distance: Floats) -> Panel | None:
    """Returns the panel that a region is, or None where it is none.

    `distance` from the ground, float32 [h, w], tells how sharp the sides are.
    """
    window = regions.box(index)
    top, bottom, left, right = window
    height, width = bottom - top, right - left
    if min(height, width) < _LEAST_PIXELS:
        return None
    if height < _LEAST_SIDE * distance.shape[0] or width < _LEAST_SIDE * distance.shape[1]:
        return None
    whole = regions.only(index)
    mask = whole[top:bottom, left:right]
    filled = holes_filled(mask)
    full = bool(filled[1:-1, 1:-1].mean() >= _FILL)
    if full:
        inside = _inside_of(mask, window, distance)
    else:
        inside = _largest_rectangle(whole, filled, window, distance)
    if inside is None:
        return None
    top, bottom, left, right = inside
    return Panel(inside, full) if min(bottom - top, right - left) >= _LEAST_PIXELS else None


def _inside_of(mask: Mask, window: Window, distance: Floats) -> Window | None:
    """Returns the inside of a rectangle, which is full or only a line around."""
    top, bottom, left, right = window
    height, width = distance.shape
    full = bool(mask.mean() > 0.6)
    small = (bottom - top) * (right - left) < 0.5 * distance.size
    if full and small and not _is_sharp(distance[top:bottom, left:right]):
        return None  # a bag, perhaps
    for turned, (first, last), (start, end) in (
        (distance, (top, bottom), (left, right)),
        (distance.T, (left, right), (top, bottom)),
    ):
        along = slice(start + 2, end - 2)
        for edge, inwards in ((first, 1), (last - 1, -1)):
            outside = edge - 2 * inwards
            if not 0 <= outside < len(turned):
                continue
            near = np.median(turned[edge, along]), np.median(turned[edge + inwards, along])
            inner = np.median(turned[edge + 2 * inwards, along]) if full else max(near)
            # A third of it, since other panels may be near.
            if quantile(turned[outside, along], 0.3) >= _OUTSIDE * inner:
                return None
    if not full:
        steps = [_line_width(lines) + 1 for lines in (mask, mask[::-1], mask.T, mask.T[::-1])]
        return top + steps[0], bottom - steps[1], left + steps[2], right - steps[3]
    if (top, bottom, left, right) == (0, height, 0, width):
        return 2, height - 2, 2, width - 2
    return (
        top + 2 if top else 0,
        bottom - 2 if bottom < height else height,
        left + 2 if left else 0,
        right - 2 if right < width else width,
    )


def _line_width(lines: Mask) -> int:
    """Returns how many of the first lines a drawn frame covers."""
    most = max(2, len(lines) // 6)
    covered = lines[:most].mean(axis=1) > _LINE
    return most if covered.all() else int(covered.argmin())


def _largest_rectangle(
    whole: Mask, filled: Mask, window: Window, distance: Floats
) -> Window | None:
    """Returns the inside of a panel in a region that has other things beside it, None if there is
    no such panel."""
    top, _, left, _ = window
    first, last = filled.argmax(1), filled.shape[1] - filled[:, ::-1].argmax(1)
    solid = filled.sum(1) >= 0.97 * (last - first)
    wide = solid & (last - first >= 0.3 * filled.shape[1])
    if np.count_nonzero(wide) < _LEAST_PIXELS:
        return None
    start, end = int(np.median(first[wide])), int(np.median(last[wide]))
    rows = np.flatnonzero(wide & (np.abs(first - start) <= 1) & (np.abs(last - end) <= 1))
    if len(rows) < 0.9 * (np.ptp(rows) + 1 if len(rows) else 1):
        return None
    if not len(rows):
        return None
    window = top + int(rows[0]), top + int(rows[-1]) + 1, left + start, left + end
    above, below, before, behind = window
    height, width = below - above, behind - before
    large = height * width >= 0.5 * np.count_nonzero(filled) and min(height, width) >= 16
    shares = height / distance.shape[0], width / distance.shape[1]
    if not large or min(shares) < 0.25:
        return None
    around = (
        whole[max(above - 1, 0), before:behind] if above else None,
        whole[below, before:behind] if below < len(whole) else None,
        whole[above:below, before - 1] if before else None,
        whole[above:below, behind] if behind < whole.shape[1] else None,
    )
    beside = sorted(side.mean() for side in around if side is not None)
    if beside and (beside[-1] > 0.92 or (beside[:-1] and beside[-2] > 0.45)):
        return None
    if not _is_sharp(distance[above:below, before:behind]):
        return None
    return above + 2, below - 2, before + 2, behind - 2


def _is_sharp(distance: Floats) -> bool:
    """Returns whether a rectangle has its full contrast right at its sides."""
    for lines in (distance, distance[::-1], distance.T, distance.T[::-1]):
        near, far = np.median(lines[3, 3:-3]), np.median(lines[5, 3:-3])
        if near < _PLATEAU * far:
            return False
    return True
