"""Segmentation: which pixels of a picture are its item, and which are something else.

Pixels that differ from the ground make regions. The region that is large, central and distinct is
the item; what is near it and of some size belongs to it, as the straps of a sandal do. A region
that is a panel is looked into in the same way.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from vitrine_client.images.background import (
    Background,
    Contrast,
    border,
    contrast,
    deviation,
    estimate,
    quantile,
    smoothed,
    smoothing_for,
)
from vitrine_client.images.flooding import flooded, slope
from vitrine_client.images.panels import Window, panel_inside
from vitrine_client.images.raster import Floats
from vitrine_client.images.regions import Mask, Regions, dilated, eroded

_FAINTEST = 7.0
"""Levels of contrast that can be seen; weaker than that is compression."""

_SIGMAS = 5.0
"""Deviations of the noise that an item stands out by, where it is strong enough to."""

_TRIM, _TRIM_SMOOTHED = 0.1, 0.2
"""Share of an item's contrast at which it ends; weaker than that is shadow."""

_SMALLEST = 0.001
"""Share of a picture that the smallest item covers; what is smaller is dust."""

_CORNER = 0.25
"""Share of the longer side that a region in a corner has at least; smaller ones are ground."""

_TRIES = 6
_DEPTH = 4
"""Panels in panels that are looked into."""

_RIVAL = 0.35
"""Score of a region that is as likely the item as the likeliest, times that one's."""

_OTHER = 0.12
"""Size of another item, times that of the item; what is smaller is a mark."""

_MOST_ITEMS = 15
"""Items from which on small ones are the grain of something."""

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

    `contrast` is the item's own, in levels, and `sigma` what its noise was smoothed by, in pixels;
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


def candidates(
    values: Floats, depth: int = 0, *, backdrop: Floats | None = None
) -> Iterator[Segment]:
    """Yields what may be the item of a picture, float32 [channels, h, w], likeliest first.

    Its ground is looked for, but behind a cut-out, where it is the `backdrop`, [channels].
    """
    height, width = values.shape[1:]
    ground = _ground_of(values, backdrop)
    seen, sigma = visible(values, ground)
    strongest = quantile(seen.distance[::2, ::2], 0.99)
    least = 3.0 if seen.noise < 8 else 2.5
    faint = max(min(_SIGMAS * seen.noise, 0.45 * strongest), least * seen.noise, _FAINTEST)
    regions = Regions.of(seen.distance > faint)
    if _has_rules(regions):
        seen = replace(seen, distance=_without_rules(seen.distance, faint))
        regions = Regions.of(seen.distance > faint)
    if not len(regions):
        return
    scores, sizes = _scores(regions, seen.distance)
    rivals = scores > _RIVAL * scores.max()
    if np.count_nonzero(rivals) > _MOST_ITEMS and sizes[rivals].max() < 0.02 * height * width:
        return
    for index in np.argsort(-scores)[:_TRIES].tolist():
        top, bottom, left, right = regions.box(index)
        longer = max(bottom - top, right - left)
        if sizes[index] < _SMALLEST * height * width or longer < 5:
            continue
        in_corner = (top == 0 or bottom == height) and (left == 0 or right == width)
        if in_corner and longer < _CORNER * max(height, width):
            continue
        inside = panel_inside(regions, index, seen.distance) if depth < _DEPTH else None
        if inside:
            found = list(_in_panel(values, inside, depth))
            yield from (one for one in found if not _is_part(one, inside, values.shape[1:]))
            if not found:  # a panel with nothing in it is no item either
                continue
        segment = gathered(seen, ground, regions.mask(np.arange(len(regions)) == index), sigma)
        if segment.contrast >= min(4.5 * seen.noise, 60):
            yield _with_neighbours(segment, regions, index, seen.distance)


def _ground_of(values: Floats, backdrop: Floats | None) -> Background:
    if backdrop is None:
        return flooded(values, *estimate(values))
    return Background(np.broadcast_to(backdrop[:, None, None], values.shape), 0.0, even=True)


def _with_neighbours(segment: Segment, regions: Regions, index: int, distance: Floats) -> Segment:
    """Returns a segment that knows of the other items and of the marks that lie apart from it."""
    if len(regions) == 1:
        return segment
    top, bottom, left, right = segment.box
    gap_y = np.maximum(top - regions.bottom, regions.top - bottom)
    gap_x = np.maximum(left - regions.right, regions.left - right)
    means = regions.sums(distance) / regions.area
    apart = (np.maximum(gap_x, gap_y) > max(1, 0.06 * segment.side)) & (
        means >= 0.25 * means[index]
    )
    scores, sizes = _scores(regions, distance)
    items = apart & (sizes >= _OTHER * sizes[index]) & (scores >= 0.2 * sizes)
    return replace(
        segment,
        others=int(np.count_nonzero(items)),
        strays=segment.strays + int(np.count_nonzero(apart & ~items)),
    )


def _has_rules(regions: Regions) -> bool:
    """Returns whether lines go across the picture, as on ruled paper."""
    height, width = regions.shape
    tall, wide = regions.bottom - regions.top, regions.right - regions.left
    across = (wide >= 0.9 * width) | (tall >= 0.9 * height)
    return bool((across & (regions.area < 0.35 * tall * wide)).any())


def _without_rules(distance: Floats, faint: float) -> Floats:
    mask = distance > faint
    return np.where(dilated(dilated(eroded(mask)) & mask) & mask, distance, 0)


def _is_part(found: Segment, panel: Window, shape: tuple[int, ...]) -> bool:
    """Returns whether a segment in a panel is rather a part of an item that has straight sides."""
    top, bottom, left, right = panel
    height, width = bottom - top, right - left
    large = height * width >= 0.5 * shape[0] * shape[1]
    return not large and (found.cut_off > 0.3 or found.side < 0.35 * min(height, width))


def _in_panel(values: Floats, inside: Window, depth: int) -> Iterator[Segment]:
    top, bottom, left, right = inside
    for found in candidates(values[:, top:bottom, left:right], depth + 1):
        if found.side >= 0.12 * min(bottom - top, right - left):
            a, b, c, d = found.window
            yield replace(found, window=(a + top, b + top, c + left, d + left))


def visible(values: Floats, ground: Background) -> tuple[Contrast, float]:
    """Returns the contrast of a picture with its ground, its distance smoothed against noise, and
    by how much, sigma in pixels."""
    seen = contrast(values, ground)
    sigma = smoothing_for(seen.noise)
    if not sigma:
        return seen, sigma
    distance = contrast(smoothed(values, sigma), ground).distance
    return Contrast(seen.tone, distance, deviation(border(distance))), sigma


def _scores(regions: Regions, distance: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns how likely each region is the item, [n], and its size in pixels."""
    height, width = distance.shape
    tall, wide = regions.bottom - regions.top, regions.right - regions.left
    means = regions.sums(distance) / regions.area
    large = regions.area >= 0.002 * distance.size
    strongest = means[large].max() if large.any() else means.max()
    sizes = np.sqrt(regions.area * (tall * wide).astype(np.float64))
    strength = (means / (0.25 * strongest)).clip(0.1, 1)
    off_x = np.abs((regions.left + regions.right) / (2 * width) - 0.5)
    off_y = np.abs((regions.top + regions.bottom) / (2 * height) - 0.5)
    central = 1 - 1.5 * np.maximum(off_x, off_y)
    at_rows = (regions.top == 0).astype(int) + (regions.bottom == height)
    at_columns = (regions.left == 0).astype(int) + (regions.right == width)
    inner = np.array([1, 0.8, 0.5, 0.25, 0.25])[at_rows + at_columns]
    bar = (wide >= 0.9 * width) & (tall < 0.3 * height) & (at_rows > 0)
    bar |= (tall >= 0.9 * height) & (wide < 0.3 * width) & (at_columns > 0)
    button = (wide >= 2.5 * tall) & (regions.area >= 0.88 * tall * wide)
    likely = np.where(bar, 0.05, np.where(button, 0.3, 1.0))
    return sizes * strength * central * inner * likely, sizes


def gathered(seen: Contrast, ground: Background, seed: Mask, sigma: float) -> Segment:
    """Returns the item that some pixels are of, with its other parts and without stray marks."""
    height, width = seed.shape
    own = quantile(seen.distance[seed], 0.9)
    trim = _TRIM_SMOOTHED if sigma else _TRIM
    mask = seen.distance > min(max(trim * own, _SIGMAS * seen.noise, 5.0), 0.5 * own)
    drawn = mask
    mask, lines = _without_hairs(mask, seed)
    regions = Regions.of(mask)
    main = int(np.argmax(regions.sums(seed)))
    kept = np.arange(len(regions)) == main
    means = regions.sums(seen.distance) / regions.area
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
    return Segment(
        window=(0, height, 0, width),
        box=(top, bottom, left, right),
        mask=regions.mask(kept),
        ground=ground,
        contrast=own,
        sigma=sigma,
        strays=int(_beyond_box(drawn & ~mask, (top, bottom, left, right))),
        lines=lines,
    )


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
    regions = Regions.of(inside & (seen.distance > max(_TRIM * own, 3 * seen.noise, _FAINTEST)))
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
    """Returns a mask without what is thinner than half a pixel of the instance, and whether it was
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
    steep = slope(smoothed(values, segment.sigma) if segment.sigma else values)[rim]
    return bool(np.quantile(steep, 0.95) * segment.side < _SOFT * segment.contrast)
