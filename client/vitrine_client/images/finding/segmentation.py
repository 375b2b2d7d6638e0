"""Segmentation: which pixels of a picture are its item, and which are something else.

Pixels that differ from the ground make regions. The region that is large, central and distinct is
the item; regions near it and of some size belong to it, as the straps of a sandal do. A region
that is a panel is looked into in the same way.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vitrine_client.images.finding.background import Background, Contrast, grain_of, quantile
from vitrine_client.images.finding.ground import ground_of
from vitrine_client.images.finding.panels import Window, panel_of
from vitrine_client.images.finding.rectangles import area, overlap, rectangles
from vitrine_client.images.finding.regions import Regions, dilated, eroded
from vitrine_client.images.finding.segment import FAINTEST, SIGMAS, Segment, gathered, visible
from vitrine_client.images.finding.strokes import strokes
from vitrine_client.images.raster import Floats

_SMALLEST = 0.001
"""Share of a picture that the smallest item covers; smaller regions are dust."""

_CORNER = 0.25
"""Share of the longer side that a region in a corner has at least; smaller ones are ground."""

_TRIES = 6
_DEPTH = 4
"""Panels in panels that are looked into."""

_LARGE = 0.4
"""Share of a picture from which on a rectangle is looked into before anything else."""

_MOST_PANELS = 12
"""Panels of a picture that are looked into, in all: of 10,100 pictures, 100 of each kind that
`training` draws, none needed more than 4."""

_STRAIGHT = 0.6
"""Share of a side of its bounding box that a region covers where it has that side of a panel."""

_BAND = 4.0
"""Times its width that a stripe is long, at least, where it goes from side to side of a panel."""

_SAME = 0.75
"""Share of both that a rectangle and a region have in common where the region is a panel."""

_RIVAL = 0.35
"""Score of a region that is as likely the item as the likeliest, times that one's."""

_OTHER = 0.12
"""Size of another item, times that of the item; smaller ones are marks."""

_MOST_ITEMS = 15
"""Items from which on small ones are the grain of something."""


def candidates(values: Floats, *, backdrop: Floats | None = None) -> Iterator[Segment]:
    """Yields the possible items of a picture, float32 [channels, h, w], likeliest first.

    Its ground is looked for, but behind a cut-out, where it is the `backdrop`, [channels].
    """
    return _candidates(values, 0, iter(range(_MOST_PANELS)), backdrop)


def _candidates(
    values: Floats, depth: int, budget: Iterator[int], backdrop: Floats | None = None
) -> Iterator[Segment]:
    """Yields the possible items of a picture or of a panel, which is so deep in others; one of the
    `budget` goes for each panel that is searched."""
    height, width = values.shape[1:]
    ground = _ground_of(values, backdrop)
    seen, sigma = visible(values, ground)
    seen, regions, drawn = _regions(values, seen)
    scores, sizes = _scores(regions, seen.distance)
    looked = depth < _DEPTH and not _is_alone(regions, sizes)
    insides = rectangles(values, grain_of(values[0])) if looked and backdrop is None else []
    small = [inside for inside in insides if area(inside) < _LARGE * height * width]
    for inside in insides[: len(insides) - len(small)]:  # the largest come first
        yield from _items(values, inside, _in_panel(values, inside, depth, budget))
    if _is_grain(scores, sizes, seen.distance):
        return
    for index in np.argsort(-scores)[:_TRIES].tolist():
        box = regions.box(index)
        if sizes[index] < _SMALLEST * height * width or _is_corner(box, (height, width)):
            continue
        panel = panel_of(regions, index, seen.distance) if looked else None
        if backdrop is not None and not _is_whole(box, (height, width)):
            panel = None  # what was cut out is the item, however straight its sides are
        alike = (inside for inside in small if overlap(inside, box) >= _SAME)
        for inside in (panel.inside,) if panel else alike:
            found = list(_in_panel(values, inside, depth, budget))
            yield from _items(values, inside, found)
        if panel and panel.all and not found:  # nothing in it, which is no item either
            continue
        segment = gathered(seen, ground, regions.only(index), sigma)
        if segment.contrast >= min(4.5 * seen.noise, 60):
            yield _with_neighbours(segment, regions, index, seen.distance, drawn)


def _regions(values: Floats, seen: Contrast) -> tuple[Contrast, Regions, bool]:
    """Returns the foreground without the lines of ruled paper and without strokes,
    its regions, and whether there were strokes."""
    strongest = quantile(seen.distance[::2, ::2], 0.99)
    least = 3.0 if seen.noise < 8 else 2.5
    faint = max(min(SIGMAS * seen.noise, 0.45 * strongest), least * seen.noise, FAINTEST)
    regions = Regions.of(seen.distance > faint)
    if _has_rules(regions):
        seen = replace(seen, distance=_without_rules(seen.distance, faint))
        regions = Regions.of(seen.distance > faint)
    drawn = strokes(values, seen.distance > faint)
    if drawn is None:
        return seen, regions, False
    seen = replace(seen, distance=np.where(drawn, 0, seen.distance))
    return seen, Regions.of(seen.distance > faint), True


def _is_alone(regions: Regions, sizes: NDArray[np.float64]) -> bool:
    """Returns whether there is one region only, and it has not the sides of a panel."""
    large = np.flatnonzero(sizes >= _SMALLEST * regions.shape[0] * regions.shape[1])
    if len(large) != 1:
        return False
    top, bottom, left, right = regions.box(int(large[0]))
    mask = regions.only(int(large[0]))[top:bottom, left:right]
    sides = (mask[:3].any(0), mask[-3:].any(0), mask[:, :3].any(1), mask[:, -3:].any(1))
    return sum(bool(side.mean() >= _STRAIGHT) for side in sides) < 3


def _is_grain(scores: NDArray[np.float64], sizes: NDArray[np.float64], distance: Floats) -> bool:
    """Returns whether all that can be seen is small, and as likely the item as much else."""
    rivals = scores > _RIVAL * scores.max(initial=0)
    return bool(
        np.count_nonzero(rivals) > _MOST_ITEMS and sizes[rivals].max() < 0.02 * distance.size
    )


def _is_whole(box: Window, shape: tuple[int, int]) -> bool:
    """Returns whether a region is about all of the picture."""
    top, bottom, left, right = box
    return bottom - top >= 0.95 * shape[0] and right - left >= 0.95 * shape[1]


def _is_corner(box: Window, shape: tuple[int, int]) -> bool:
    """Returns whether a region is a piece of ground in a corner of the picture, or too small."""
    top, bottom, left, right = box
    longer = max(bottom - top, right - left)
    in_corner = (top == 0 or bottom == shape[0]) and (left == 0 or right == shape[1])
    return longer < 5 or (in_corner and longer < _CORNER * max(shape))


def _ground_of(values: Floats, backdrop: Floats | None) -> Background:
    if backdrop is None:
        return ground_of(values)
    return Background(np.broadcast_to(backdrop[:, None, None], values.shape), 0.0, even=True)


def _with_neighbours(
    segment: Segment, regions: Regions, index: int, distance: Floats, drawn: bool
) -> Segment:
    """Returns a segment that knows of the other items and of the marks that lie apart from it, and
    of strokes where something is `drawn`."""
    if len(regions) == 1:
        return replace(segment, strays=segment.strays + drawn)
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
        strays=segment.strays + drawn + int(np.count_nonzero(apart & ~items)),
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


def _items(values: Floats, panel: Window, found: Iterable[Segment]) -> Iterator[Segment]:
    """Yields the items of a panel, except parts of an item with straight sides."""
    top, bottom, left, right = panel
    large = area(panel) >= 0.5 * values[0].size
    for one in found:
        if _is_band(one):
            continue
        if large or (one.cut_off <= 0.3 and one.side >= 0.35 * min(bottom - top, right - left)):
            yield one


def _is_band(found: Segment) -> bool:
    """Returns whether a segment is a stripe through the searched part, from side to side."""
    top, bottom, left, right = found.box
    height, width = found.mask.shape
    at_rows, at_columns = (top == 0) + (bottom == height), (left == 0) + (right == width)
    if at_rows + at_columns > 2:
        return True
    tall, wide = bottom - top, right - left
    return (at_rows == 2 and tall > _BAND * wide) or (at_columns == 2 and wide > _BAND * tall)


def _in_panel(
    values: Floats, panel: Window, depth: int, budget: Iterator[int]
) -> Iterator[Segment]:
    """Yields the possible items of a panel, none where the budget is spent."""
    if next(budget, None) is None:
        return
    top, bottom, left, right = panel
    for found in _candidates(values[:, top:bottom, left:right], depth + 1, budget):
        if found.side >= 0.12 * min(bottom - top, right - left):
            a, b, c, d = found.window
            yield replace(found, window=(a + top, b + top, c + left, d + left))


def _scores(regions: Regions, distance: Floats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns how likely each region is the item, [n], and its size in pixels."""
    height, width = distance.shape
    tall, wide = regions.bottom - regions.top, regions.right - regions.left
    means = regions.sums(distance) / regions.area
    large = regions.area >= 0.002 * distance.size
    strongest = means[large].max() if large.any() else means.max(initial=0)
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
