"""Cropping: an item's contrast, scaled to fill 28x28 pixels as the rows of Fashion-MNIST do.

Their authors cut the item out, fitted its longer side to 28 pixels, negated it and stretched its
levels (Xiao, Rasul and Vollgraf, 2017).
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrine_client.images.finding.background import Contrast, quantile
from vitrine_client.images.finding.regions import Mask, dilated, eroded, holes_filled
from vitrine_client.images.finding.segment import Segment
from vitrine_client.images.raster import Floats
from vitrine_client.images.rows import SIDE

_SILHOUETTE = 200
"""Level of an item of which only the outline is drawn; the rows' items have 150 to 200 inside."""

_OUTLINE = 0.5
"""Share of its silhouette that an outline covers, at most."""

_PALE = 0.2
"""Usual level of an item, times that of its outline, below which the outline does not count: of
100 rows of Fashion-MNIST one is so pale."""

_FILLED = 0.7
"""Level that such an item gets."""

_SEEN = 0.04
_FADED = 0.1
_ODD = 0.25

Extents = tuple[float, float, float, float]
"""Top, bottom, left and right, in pixels and their fractions."""

_COLOUR_ONLY = 0.35
"""Share of the distance from the ground that tone has at least; else an item is seen by its
colour."""


def instance_of(seen: Contrast, segment: Segment, *, outline: bool) -> NDArray[np.uint8]:
    """Returns the item of a picture as models take it, uint8 [28, 28], white on black; filled in
    where it is an `outline`."""
    mask = segment.mask
    tone = seen.tone
    if (tone * np.abs(tone))[mask].sum() < 0:  # darker than the ground
        tone = -tone
    if np.abs(tone[mask]).mean() < _COLOUR_ONLY * seen.distance[mask].mean():
        tone = seen.distance
    if outline:
        top, bottom, left, right = segment.box
        levels = np.zeros(mask.shape, np.float32)
        levels[top:bottom, left:right] = _silhouette(segment)
        return fitted(levels, (top, bottom, left, right), _SILHOUETTE)
    levels = np.where(dilated(mask), tone, 0).clip(0)
    return fitted(levels, _extents(levels, segment), 255)


def _extents(levels: Floats, segment: Segment) -> Extents:
    """Returns where an item's levels end, between the pixels: they fade there."""
    top, bottom, left, right = segment.box
    rows, columns = levels.max(axis=1), levels.max(axis=0)
    return (
        top - _beyond(rows, top, -1),
        bottom + _beyond(rows, bottom - 1, 1),
        left - _beyond(columns, left, -1),
        right + _beyond(columns, right - 1, 1),
    )


def _beyond(profile: Floats, edge: int, step: int) -> float:
    """Returns how far into the next pixel, 0..1, an item goes on."""
    if not 0 <= edge + step < len(profile):
        return 0.0
    inside, outside = float(profile[edge]), float(profile[edge + step])
    faintest = _FADED * float(profile.max())
    if not outside < faintest < inside:
        return 0.0 if inside <= faintest else 1.0
    return 1 - (faintest - outside) / (inside - outside)


def is_outline(segment: Segment) -> bool:
    """Returns whether only the outline of an item is drawn."""
    top, bottom, left, right = segment.box
    drawn = np.count_nonzero(segment.mask)
    if drawn >= _OUTLINE * (bottom - top) * (right - left):  # more than any silhouette has
        return False
    return bool(drawn < _OUTLINE * np.count_nonzero(_silhouette(segment)))


def _silhouette(segment: Segment) -> Mask:
    """Returns an item with all that it encloses, cut out, bool [h, w]; lines may have gaps."""
    top, bottom, left, right = segment.box
    mask = segment.mask[top:bottom, left:right]
    if not segment.lines:
        closed = dilated(np.pad(mask, 3), 2)
        return eroded(holes_filled(closed), 2)[3:-3, 3:-3]
    return _spanned(mask) & _spanned(mask.T).T


def _spanned(mask: Mask) -> Mask:
    """Returns each row from its first set pixel to its last."""
    return np.logical_or.accumulate(mask, 1) & np.logical_or.accumulate(mask[:, ::-1], 1)[:, ::-1]


def _around(levels: Floats, left: int, top: int, side: int) -> Floats:
    """Returns a square of levels, [h, w], 0 where it reaches beyond them."""
    square = np.zeros((side, side), np.float32)
    above, before = max(top, 0), max(left, 0)
    part = levels[above : top + side, before : left + side]
    square[above - top :, before - left :][: part.shape[0], : part.shape[1]] = part
    return square


def fitted(levels: Floats, extents: Extents, most: int) -> NDArray[np.uint8]:
    """Returns levels, 0 and more, [h, w], scaled so that the extents of the item fill 28x28, and to
    `most`, in the middle."""
    top, bottom, left, right = extents
    longer = max(bottom - top, right - left)
    # Of an odd margin they put the larger part above, and to the left: a quarter on average.
    lower = _ODD * longer / SIDE
    y = (top + bottom - longer) / 2 - (lower if bottom - top < longer else 0)
    x = (left + right - longer) / 2 - (lower if right - left < longer else 0)
    around = _around(levels, int(np.floor(x)) - 1, int(np.floor(y)) - 1, int(longer) + 4)
    x, y = x - np.floor(x) + 1, y - np.floor(y) + 1
    image = Image.fromarray(around)
    window = x, y, x + longer, y + longer
    small = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.LANCZOS, window)).clip(0)
    strongest = max(float(small.max()), 1e-6)
    usual = quantile(small[small > _SEEN * strongest], 0.7)
    if 0 < usual < _PALE * strongest:
        strongest = usual / _FILLED
        small = small.clip(max=strongest)
    return np.rint(small * (most / strongest)).astype(np.uint8)
