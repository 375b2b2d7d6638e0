"""Frames: even lines round a whole picture, thinner than its working copy shows them.

Thicker ones are panels, which `segmentation` looks into.
"""

import numpy as np

from vitrine_client.images.finding.background import quantile
from vitrine_client.images.raster import Floats, Part, Raster

_NESTED = 3
"""Frames in frames that are peeled off."""

_ALIKE = 12.0
"""Levels by which the pixels of a frame differ from each other, and from those inside, at most
and at least."""

_EVEN = 0.98
"""Share of a frame's line that has its level."""

_ACROSS = 0.9
"""Share of the line inside it that has another."""


def inside_frame(raster: Raster, factor: int) -> Part:
    """Returns the part of a picture inside its frames, in decoded pixels; `factor` is the reduction
    of its working copy."""
    part = (0, 0, *raster.decoded)
    for _ in range(_NESTED):
        inner = _peeled(raster, part, 3 * factor + 2)
        if inner is None:
            break
        part = inner
    return part


def _peeled(raster: Raster, part: Part, depth: int) -> Part | None:
    """Returns a part without its outermost frame, None where it has none."""
    left, top, right, bottom = part
    if min(right - left, bottom - top) < 4 * depth:
        return None
    level, widths = None, []
    # One after the other: most pictures have no frame, and the first side tells.
    for strip, turned, backwards in (
        ((left, top, right, top + depth), False, False),
        ((left, bottom - depth, right, bottom), False, True),
        ((left, top, left + depth, bottom), True, False),
        ((right - depth, top, right, bottom), True, True),
    ):
        lines = raster.values(1, strip, 1)[0]
        lines = lines.T if turned else lines
        lines = lines[::-1] if backwards else lines
        level = quantile(lines[0], 0.5) if level is None else level
        widths.append(_width(lines, level))
        if not widths[-1]:
            return None
    above, below, before, behind = widths
    return left + before, top + above, right - behind, bottom - below


def _width(lines: Floats, level: float) -> int:
    """Returns how many of the lines, [depth, n], from the outermost on, are of a frame."""
    depth = len(lines)
    framed = (np.abs(lines - level) <= _ALIKE).mean(axis=1) >= _EVEN
    if not framed[0] or framed.all():
        return 0
    width = int(framed.argmin())
    inside = lines[min(width + 1, depth - 1), depth:-depth]
    if (np.abs(inside - level) > _ALIKE).mean() < _ACROSS:
        return 0
    mixed = float(np.median(np.abs(lines[width, depth:-depth] - inside))) > _ALIKE
    return width + mixed
