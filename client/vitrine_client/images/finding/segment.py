"""Segment: the pixels of an item, gathered from some that are certainly its own.

Pixels near them, in regions of some size, belong to the item, as the straps of a sandal do; fainter
ones are shadow, and lines thinner than a pixel of the instance are hairs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrine_client.images.finding.background import (
    Background,
    Contrast,
    border,
    contrast,
    deviation,
    quantile,
    smoothed,
    smoothing_for,
)
from vitrine_client.images.finding.flooding import slope
from vitrine_client.images.finding.panels import Window
from vitrine_client.images.finding.regions import Mask, Regions, dilated, eroded
from vitrine_client.images.raster import Floats

FAINTEST = 7.0
"""Levels of contrast that can be seen; weaker than that is compression."""

SIGMAS = 5.0
"""Deviations of the noise that an item stands out by, where it is strong enough to."""

_TRIM, _TRIM_SMOOTHED = 0.1, 0.2
"""Share of an item's contrast at which it ends; weaker than that is shadow."""

_THIN_FROM = 84
"""Pixels of an item's longer side from which on hairs can be told from straps."""

_HAIR = 5
"""Pixels that a hair has beyond an item."""

_SOFT = 7.0
"""Times an item's contrast over its longer side: a rim that changes less is light or shadow."""


@dataclass(frozen=True)
class Segment:
    """Pixels of an item: their `mask` and its bounding `box` within a `window` of the picture,
    whose `ground` is known.

    `contrast` is the item's own, in levels, `sigma` the width in pixels that smoothed its noise;
    `strays` marks were left out, and `others` of the picture's regions are items as well. `lines`
    says that the item is drawn by its outline.
    """

    window: Window
    box: Window
    mask: Mask
    ground: Background
    contrast: float
    sigma: float
    strays: int
    others: int = 0
    lines: bool = False

    @property
    def cut_off(self) -> float:
        """How much of the item lies at an edge of its window, over its longer side."""
        mask = self.mask
        sides = (mask[0], mask[-1], mask[:, 0], mask[:, -1])
        return max(int(np.count_nonzero(side)) for side in sides) / max(self.side, 1)

    @property
    def side(self) -> int:
        """The longer side of the box."""
        top, bottom, left, right = self.box
        return max(bottom - top, right - left)


def visible(values: Floats, ground: Background) -> tuple[Contrast, float]:
    """Returns the contrast of a picture with its ground, its distance smoothed against noise, and
    by how much, sigma in pixels."""
    seen = contrast(values, ground)
    sigma = smoothing_for(seen.noise)
    if not sigma:
        return seen, sigma
    distance = contrast(smoothed(values, sigma), ground).distance
    return Contrast(seen.tone, distance, deviation(border(distance))), sigma


def gathered(seen: Contrast, ground: Background, seed: Mask, sigma: float) -> Segment:
    """Returns the item that some pixels are of, with its other parts and without stray marks."""
    height, width = seed.shape
    own = quantile(seen.distance[seed], 0.9)
    trim = _TRIM_SMOOTHED if sigma else _TRIM
    mask = seen.distance > min(max(trim * own, SIGMAS * seen.noise, 5.0), 0.5 * own)
    drawn = mask
    mask, lines = _without_hairs(mask, seed)
    regions = Regions.of(mask)
    kept = _joined(regions, seed, seen.distance, lines=lines)
    box = _bounds(regions, kept)
    return Segment(
        window=(0, height, 0, width),
        box=box,
        mask=regions.mask(kept),
        ground=ground,
        contrast=own,
        sigma=sigma,
        strays=int(_beyond_box(drawn & ~mask, box)),
        lines=lines,
    )


def _joined(regions: Regions, seed: Mask, distance: Floats, *, lines: bool) -> NDArray[np.bool_]:
    """Returns which regions are parts of the item that some pixels are of."""
    if len(regions) == 1:
        return np.ones(1, bool)
    main = int(np.argmax(regions.sums(seed)))
    kept: NDArray[np.bool_] = np.arange(len(regions)) == main
    means = regions.sums(distance) / regions.area
    alike = means >= 0.4 * means[main]
    for _ in range(4 if lines else 1):
        box = _bounds(regions, kept)
        side = max(box[1] - box[0], box[3] - box[2])
        near = dilated(regions.mask(kept), max(1, round((0.2 if lines else 0.04) * side)))
        least = 0.002 if lines else 0.012
        joined = (regions.sums(near) > 0) & alike & (regions.area >= least * regions.area[main])
        if not (joined & ~kept).any():
            break
        kept |= joined
    top, bottom, left, right = _bounds(regions, kept)
    within = (regions.top >= top) & (regions.bottom <= bottom)
    within &= (regions.left >= left) & (regions.right <= right)
    kept |= within & (regions.area >= 0.003 * regions.area[main])
    return kept


def _beyond_box(hairs: Mask, box: Window) -> bool:
    """Returns whether a hair goes on beyond the box of the item that it crosses."""
    top, bottom, left, right = box
    outside = hairs.copy()
    outside[max(top - 2, 0) : bottom + 2, max(left - 2, 0) : right + 2] = False
    return bool(np.count_nonzero(outside) >= _HAIR)


def boxed(values: Floats, ground: Background, box: Window) -> Segment | None:
    """Returns all that can be seen in a box of a picture as its item, None where that is
    nothing."""
    seen, sigma = visible(values, ground)
    inside = np.zeros(seen.distance.shape, bool)
    top, bottom, left, right = box
    inside[top:bottom, left:right] = True
    own = quantile(seen.distance[inside], 0.95)
    regions = Regions.of(inside & (seen.distance > max(_TRIM * own, 3 * seen.noise, FAINTEST)))
    if not len(regions):
        return None
    kept = regions.area >= 0.01 * regions.area.max()
    window = 0, values.shape[1], 0, values.shape[2]
    mask = regions.mask(kept)
    return Segment(window, _bounds(regions, kept), mask, ground, own, sigma, strays=0)


def _bounds(regions: Regions, kept: NDArray[np.bool_]) -> Window:
    return (
        int(regions.top[kept].min()),
        int(regions.bottom[kept].max()),
        int(regions.left[kept].min()),
        int(regions.right[kept].max()),
    )


def _without_hairs(mask: Mask, seed: Mask) -> tuple[Mask, bool]:
    """Returns a mask without parts thinner than half a pixel of the instance, and whether it was
    left as it is because the item itself is drawn by such lines."""
    rows, columns = np.flatnonzero(seed.any(1)), np.flatnonzero(seed.any(0))
    side = max(rows[-1] - rows[0], columns[-1] - columns[0])
    opened = dilated(eroded(mask)) & mask
    before, after = (int(np.count_nonzero(one & seed)) for one in (mask, opened))
    left = after / max(before, 1)
    if side < _THIN_FROM:
        return mask, bool(side > 30 and left < 0.15)
    return (opened, False) if left >= 0.6 else (mask, left < 0.3)


def is_soft(values: Floats, segment: Segment) -> bool:
    """Returns whether a segment has no edge anywhere, as light and shadow have none."""
    if segment.side < 20:
        return False
    rim = segment.mask & ~eroded(segment.mask)
    if not rim.any():  # it is all that was looked at
        return True
    steep = slope(smoothed(values, segment.sigma) if segment.sigma else values)[rim]
    return bool(np.quantile(steep, 0.95) * segment.side < _SOFT * segment.contrast)
