"""Fitting: an item's contrast, scaled to fill 28x28 pixels as the rows of Fashion-MNIST do.

Their authors cut the item out, fitted its longer side to 28 pixels, negated it and stretched its
levels (Xiao, Rasul and Vollgraf, 2017).
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrine_client.images.background import Contrast, quantile
from vitrine_client.images.raster import Floats
from vitrine_client.images.regions import Mask, dilated, eroded, holes_filled
from vitrine_client.images.segmentation import Segment

SIDE = 28
"""Height and width of an instance."""

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

_COLOUR_ONLY = 0.35
"""Share of the distance from the ground that tone has at least; else an item is seen by its
colour."""


def instance_of(seen: Contrast, segment: Segment) -> NDArray[np.uint8]:
    """Returns the item of a picture as models take it, uint8 [28, 28], white on black."""
    top, bottom, left, right = segment.box
    rows, columns = slice(top, bottom), slice(left, right)
    mask, distance = segment.mask[rows, columns], seen.distance[rows, columns]
    tone = seen.tone[rows, columns]
    if (tone * np.abs(tone))[mask].sum() < 0:  # darker than the ground
        tone = -tone
    if np.abs(tone[mask]).mean() < _COLOUR_ONLY * distance[mask].mean():
        tone = distance
    if is_outline(segment):
        return fitted(_silhouette(segment).astype(np.float32), _SILHOUETTE)
    return fitted(np.where(dilated(mask), tone, 0).clip(0), 255)


def is_outline(segment: Segment) -> bool:
    """Returns whether only the outline of an item is drawn."""
    drawn, whole = (np.count_nonzero(one) for one in (segment.mask, _silhouette(segment)))
    return bool(drawn < _OUTLINE * whole)


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


def fitted(levels: Floats, most: int) -> NDArray[np.uint8]:
    """Returns levels, 0 and more, [h, w], scaled to 28x28 and to `most`, in the middle."""
    instance = np.zeros((SIDE, SIDE), np.uint8)
    scale = SIDE / max(levels.shape)
    height, width = (max(1, round(side * scale)) for side in levels.shape)
    image = Image.fromarray(np.ascontiguousarray(levels, np.float32))
    small = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS)).clip(0)
    top, left = (SIDE + 1 - height) // 2, (SIDE + 1 - width) // 2  # an odd margin, as they had it
    strongest = max(float(small.max()), 1e-6)
    usual = quantile(small[small > _SEEN * strongest], 0.7)
    if 0 < usual < _PALE * strongest:
        strongest = usual / _FILLED
        small = small.clip(max=strongest)
    instance[top : top + height, left : left + width] = np.rint(small * (most / strongest))
    return instance
