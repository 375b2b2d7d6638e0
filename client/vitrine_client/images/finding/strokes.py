"""Strokes: lines that somebody drew on a picture, a ring round its item or an arrow to it.

They are thin beside the item. A ring is seen from it in most directions, and an arrow leads away
and has a colour of its own; straps and heels, which are as thin, do neither.
"""

import numpy as np
from numpy.typing import NDArray

from vitrine_client.images.finding.background import distance
from vitrine_client.images.finding.panels import Window
from vitrine_client.images.finding.regions import Integers, Mask, Regions, dilated, eroded
from vitrine_client.images.raster import Floats

_HALF_WIDTHS = 2, 1
"""Half the pixels that a stroke is wide at most, tried in turn."""

_LEAST_SIDE = 20
_LEAST_SHARE = 0.003
"""Pixels of the longer side, and share of the picture, of an item that strokes can be told from."""

_LONG = 0.3
"""Length of a stroke, in longer sides of the item, at least."""

_WITHIN = 0.2
"""How far, in its sides, an item sticks out of a ring at most, where it does."""

_SECTORS = 36
"""Directions from the middle of an item."""

_RING, _ARC = 0.7, 0.1
"""Shares of them in which a ring is seen, and each part of it, at least."""

_SIDES = 0.65
"""Share of a rectangle that lies at the sides of its bounding box; of a ring it is less."""

_THICKEST = 5.0
"""Pixels of an arrow to a pixel of its length, at most."""

_CONTACT = 4
"""Pixels between an item and the end of a strap, at most."""

_BLURRED = 3
"""Pixels beside a stroke that go with it."""

_OTHER_COLOUR, _SAME_COLOUR = 70.0, 45.0
"""Levels between the colours of a stroke and of an item, at least, and within the stroke's, at
most."""


def strokes(values: Floats, mask: Mask) -> Mask | None:
    """Returns the pixels of a picture, float32 [channels, h, w], that are strokes or next to them,
    bool [h, w], None where there are none; `mask` has all that differ from its ground."""
    for reach in _HALF_WIDTHS:
        solid = dilated(eroded(mask, reach), reach) & mask
        thin = mask & ~dilated(solid)
        if np.count_nonzero(thin) < _LONG * _LEAST_SIDE:
            return None
        cores = Regions.of(solid)
        index = int(cores.area.argmax()) if len(cores) else None
        if index is None or cores.area[index] < _LEAST_SHARE * mask.size:
            continue
        top, bottom, left, right = box = cores.box(index)
        if max(bottom - top, right - left) < _LEAST_SIDE:
            continue
        core = cores.only(index)
        parts = Regions.of(thin)
        ring = parts.mask(_around(parts, box))
        if _directions(ring, box) >= _RING and not _is_rectangle(ring):
            return _cleared(values, mask, ring, core)
        away = parts.mask(_away(parts, box, dilated(core, _CONTACT)))
        if away.any() and _colours_apart(values, away, core) >= _OTHER_COLOUR:
            return dilated(away, _BLURRED) & ~core
    return None


def _around(parts: Regions, box: Window) -> NDArray[np.bool_]:
    """Returns which parts make a ring round the box of an item, none where there is no ring."""
    top, bottom, left, right = box
    tall, wide = bottom - top, right - left
    chosen: NDArray[np.bool_] = _sides(parts) >= _LONG * max(tall, wide)
    for index in np.flatnonzero(chosen).tolist():
        chosen[index] = _directions(parts.only(index), box) >= _ARC
    if not chosen.any():
        return chosen
    beyond = _beyond(parts, box)
    furthest = beyond[:, chosen].max(axis=1)
    if (furthest < -_WITHIN * np.array([tall, tall, wide, wide])).any():
        return np.zeros_like(chosen)
    if np.count_nonzero(furthest > 0) < 3:
        return np.zeros_like(chosen)
    outermost: NDArray[np.bool_] = (beyond >= furthest[:, None] - 2).any(axis=0)
    return chosen & outermost  # without a handle in the ring


def _away(parts: Regions, box: Window, near: Mask) -> NDArray[np.bool_]:
    """Returns which parts lead away from an item; `near` has those next to it."""
    long = _LONG * max(box[1] - box[0], box[3] - box[2])
    lengths = np.hypot(parts.bottom - parts.top, parts.right - parts.left)
    away: NDArray[np.bool_] = (_sides(parts) >= long) & (parts.area <= _THICKEST * lengths)
    away &= _beyond(parts, box).max(axis=0, initial=0) > long
    for index in np.flatnonzero(away).tolist():
        away[index] = len(Regions.of(parts.only(index) & near)) == 1  # of a strap both ends
    return away


def _sides(parts: Regions) -> Integers:
    """Returns the longer side of each part, [n]."""
    longer: Integers = np.maximum(parts.bottom - parts.top, parts.right - parts.left)
    return longer


def _beyond(parts: Regions, box: Window) -> Integers:
    """Returns how far each part reaches beyond a box above, below, to the left and to the right,
    [4, n]."""
    top, bottom, left, right = box
    return np.stack(
        [top - parts.top, parts.bottom - bottom, left - parts.left, parts.right - right]
    )


def _directions(drawn: Mask, box: Window) -> float:
    """Returns the share of directions in which something is seen from the middle of a box."""
    top, bottom, left, right = box
    rows, columns = np.nonzero(drawn)
    angles = np.arctan2(rows - (top + bottom) / 2, columns - (left + right) / 2)
    sectors = np.floor(angles * (_SECTORS / (2 * np.pi))).astype(np.intp) % _SECTORS
    return len(np.unique(sectors)) / _SECTORS


def _is_rectangle(ring: Mask) -> bool:
    """Returns whether a ring has straight sides: the area in such a frame is a panel."""
    rows, columns = np.nonzero(ring)
    at_sides = np.minimum(rows - rows.min(), rows.max() - rows) <= 2
    at_sides |= np.minimum(columns - columns.min(), columns.max() - columns) <= 2
    return bool(at_sides.mean() > _SIDES)


def _colours_apart(values: Floats, one: Mask, other: Mask) -> float:
    """Returns the distance between the usual colours of two masks, in levels."""
    colours = [np.median(values[:, mask], axis=1) for mask in (one, other)]
    return float(np.linalg.norm(colours[0] - colours[1]))


def _cleared(values: Floats, mask: Mask, ring: Mask, core: Mask) -> Mask:
    """Returns a ring with its blurred edges and, where the item has another colour, with all that
    has the ring's: the arcs that touch the item."""
    cleared = dilated(ring, _BLURRED) & ~core
    if _colours_apart(values, ring, core) < _OTHER_COLOUR:
        return cleared
    colour = np.median(values[:, ring], axis=1)
    alike = mask & (distance(values, colour[:, None, None]) < _SAME_COLOUR)
    return cleared | (dilated(alike) & ~eroded(core))
