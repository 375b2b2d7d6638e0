"""Item finder: where the item of a picture is, and how it looks to a model.

The item is looked for in a copy whose longer side has some 128 pixels, and then again around its
place in as much detail as it needs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from vitrine_client.images.finding.background import (
    Background,
    Contrast,
    contrast,
    deviation,
    quantile,
)
from vitrine_client.images.finding.ground import ground_of, nearest
from vitrine_client.images.finding.panels import Window
from vitrine_client.images.finding.picture_frames import inside_frame
from vitrine_client.images.finding.regions import dilated
from vitrine_client.images.finding.segment import Segment, boxed, gathered, is_soft, visible
from vitrine_client.images.finding.segmentation import candidates
from vitrine_client.images.raster import Box, Floats, Raster
from vitrine_client.images.rows import SIDE

_WORKING_SIDE = 128
_FINE_SIDE = 112
"""Pixels of an item's longer side, at least, where the picture has as many: four of an
instance's."""

_MOST_PIXELS = 160
"""Of the longer side of the working copy of a large photo, which was decoded at a part of its
size: its cost is to be small beside the decoding."""

_CLEAR_SIDE, _CLEAR_OF_LARGE = 72, 60
"""Pixels of an item's longer side that are enough where nothing but the item was seen; the second
of a large photo."""

_LEAST_PIXELS = 8
"""Of an item's longer side; a smaller one is beyond recognition."""

_DUST = 0.025
"""Of the picture's longer side; smaller regions are dust."""

_OVER_NOISE = 1.7
"""Deviations of single pixels around it that an item differs by. Noise alone gets to 0.9, items on
carpets and dark wood have 2.7 and more."""

_LONGEST = 12
"""Times its width that an item is long, at most; longer regions are lines."""

_MARGIN = 0.15
"""Around an item, times its longer side, in which its edge is looked for again."""


@dataclass(frozen=True)
class View:
    """A part of a raster: its values, float32 [channels, h, w], reduced `factor` times, their
    ground, and the decoded pixels `left` and `top` of it."""

    values: Floats
    ground: Background
    left: int
    top: int
    factor: int


@dataclass(frozen=True)
class Found:
    """An item and the view that it was found in.

    Beside it there were `others`, and stray marks where `strays`; it lay `in_panel` where only an
    inner part of the picture was searched. `cut_off` is the share of its longer side that lies at
    an edge of the searched part.
    """

    view: View
    segment: Segment
    others: int = 0
    strays: bool = False
    in_panel: bool = False
    cut_off: float = 0.0


def find(raster: Raster) -> Found | None:
    """Returns the item of a picture, or None where it shows nothing."""
    factor = _working_factor(raster)
    inside = inside_frame(raster, factor)
    framed = inside != (0, 0, *raster.decoded)
    values = raster.values(factor, inside if framed else None)
    for segment in candidates(values, backdrop=raster.backdrop(len(values))):
        top, bottom, left, right = segment.window
        part = values[:, top:bottom, left:right]
        x, y = left * factor + inside[0], top * factor + inside[1]
        view = View(part, segment.ground, x, y, factor)
        found = _in_detail(raster, Found(view, segment))
        if _is_item(raster, found):
            return replace(
                found,
                others=segment.others,
                strays=segment.strays > 0 or found.segment.strays > 0,
                in_panel=framed or part.shape != values.shape,
                cut_off=segment.cut_off,
            )
    return None


def _working_factor(raster: Raster) -> int:
    """Returns how much a picture is reduced to be looked at."""
    side = max(raster.decoded)
    factor = max(1, side // _WORKING_SIDE)
    return factor + (raster.scale > 1 and side > _MOST_PIXELS * factor)


def find_in(raster: Raster, box: Box) -> Found | None:
    """Returns the content of a box of the upright original, x, y, width and height, as the item
    of a picture; None where the box is empty."""
    x, y, width, height = (side / raster.scale for side in box)
    factor = max(1, int(max(width, height)) // _WORKING_SIDE)
    margin = max(4, round(2 * _MARGIN * max(width, height)))
    across, down = raster.decoded
    around = (
        max(0, int(x) - margin),
        max(0, int(y) - margin),
        min(across, math.ceil(x + width) + margin),
        min(down, math.ceil(y + height) + margin),
    )
    values = raster.values(factor, around)
    view = View(values, ground_of(values), around[0], around[1], factor)
    rows, columns = values.shape[1:]
    left, top = (round((x - around[0]) / factor), round((y - around[1]) / factor))
    left, top = min(left, columns - 1), min(top, rows - 1)
    right = min(columns, max(left + 1, round((x + width - around[0]) / factor)))
    bottom = min(rows, max(top + 1, round((y + height - around[1]) / factor)))
    segment = boxed(values, view.ground, (top, bottom, left, right))
    return None if segment is None else Found(view, segment)


def _is_item(raster: Raster, found: Found) -> bool:
    """Returns True for a segment that is larger than dust, no line, and has edges."""
    top, bottom, left, right = found.segment.box
    shorter, longer = sorted((bottom - top, right - left))
    size = longer * found.view.factor
    if size < max(_LEAST_PIXELS, _DUST * max(raster.decoded)) or longer > _LONGEST * shorter:
        return False
    tiny = max(raster.decoded) < SIDE  # too few pixels to know their noise
    if not tiny and found.segment.contrast < _OVER_NOISE * found.view.ground.noise:
        return False
    return not is_soft(found.view.values, found.segment)


def _in_detail(raster: Raster, found: Found) -> Found:
    """Looks again, closer; and once more where a hair had made the item seem larger."""
    enough = _CLEAR_OF_LARGE if raster.scale > 1 else _CLEAR_SIDE
    for _ in range(2):
        before = found.segment.side * found.view.factor
        clear = not (found.segment.strays or found.segment.sigma or found.segment.lines)
        if clear and found.segment.side >= enough:
            break
        closer = _closer(raster, found)
        if closer is None:
            break
        found = closer
        if found.segment.side * found.view.factor > 0.6 * before:
            break
    return found


def _closer(raster: Raster, found: Found) -> Found | None:
    view, segment = found.view, found.segment
    factor = max(1, segment.side * view.factor // _FINE_SIDE)
    top, bottom, left, right = window = _with_margin(segment, view.values.shape[1:])
    width, height = raster.decoded
    box = (
        left * view.factor + view.left,
        top * view.factor + view.top,
        min(right * view.factor + view.left, width),
        min(bottom * view.factor + view.top, height),
    )
    channels = len(view.values)
    values = (
        view.values[:, top:bottom, left:right]
        if factor == view.factor
        else raster.values(factor, box, channels)
    )
    scale = view.factor / factor
    ground = _magnified_ground(view.ground, window, values, scale)
    mask = dilated(segment.mask[top:bottom, left:right], 2).astype(np.float32)
    allowed = _magnified(mask, values, scale) > 0.25
    outside = contrast(values, ground).distance[~allowed]
    if outside.size > 30:
        ground = replace(ground, noise=1.4826 * quantile(outside, 0.5))
    seen, sigma = visible(values, ground)
    noise = deviation(seen.distance[~allowed]) if outside.size > 30 else seen.noise
    inside = np.where(allowed, seen.distance, 0)
    seed = inside > 0.5 * segment.contrast
    if not seed.any():
        return None
    closer = gathered(Contrast(seen.tone, inside, noise), ground, seed, sigma)
    return Found(View(values, ground, box[0], box[1], factor), closer)


def _with_margin(segment: Segment, shape: Sequence[int]) -> Window:
    margin = max(3, round(_MARGIN * segment.side))
    top, bottom, left, right = segment.box
    return (
        max(0, top - margin),
        min(shape[0], bottom + margin),
        max(0, left - margin),
        min(shape[1], right + margin),
    )


def _magnified_ground(
    ground: Background, window: Window, values: Floats, scale: float
) -> Background:
    top, bottom, left, right = window
    if ground.even:
        level = ground.values[:, :1, :1]
        return replace(ground, values=np.broadcast_to(level, values.shape))
    if ground.levels is not None:
        return replace(ground, values=nearest(values, ground.levels))
    part = ground.values[:, top:bottom, left:right]
    if scale == 1:
        return replace(ground, values=part)
    return replace(
        ground, values=np.stack([_magnified(channel, values, scale) for channel in part])
    )


def _magnified(plane: Floats, values: Floats, scale: float) -> Floats:
    """Returns [h, w] at the size of `values`, `scale` times as large."""
    height, width = values.shape[1:]
    source = 0, 0, min(width / scale, plane.shape[1]), min(height / scale, plane.shape[0])
    image = Image.fromarray(np.ascontiguousarray(plane))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR, source))


def box_of(raster: Raster, found: Found) -> Box:
    """Returns an item's place in pixels of the upright original: x, y, width and height."""
    view = found.view
    top, bottom, left, right = found.segment.box
    width, height = raster.size
    x = min(round((view.left + left * view.factor) * raster.scale), width - 1)
    y = min(round((view.top + top * view.factor) * raster.scale), height - 1)
    return (
        x,
        y,
        max(1, min(round((right - left) * view.factor * raster.scale), width - x)),
        max(1, min(round((bottom - top) * view.factor * raster.scale), height - y)),
    )
