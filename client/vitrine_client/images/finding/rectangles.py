"""Rectangle detection: areas within four straight edges, a photo on a page or the floor of a box.

An edge is where levels jump, whatever lies on either side of it: the sides of a panel are often of
several tones, and so are its surroundings.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from vitrine_client.images.finding.background import distance, quantile
from vitrine_client.images.finding.panels import Window
from vitrine_client.images.finding.regions import Integers, Mask
from vitrine_client.images.raster import Floats

_JUMP, _GRAINS, _USUAL = 8.0, 6.0, 3.0
"""Levels that an edge jumps by over two pixels, at least; as many deviations of the grain; and
times the median of all jumps, which is high in a texture."""

_GAP = 2
"""Half the pixels that may be missing of an edge in a row, and half a pixel less."""

_LEAST_SIDE = 0.2
"""Share of the picture's height and width that an edge has at least."""

_LEAST_PIXELS = 14
"""Pixels of a rectangle's height and width, at least."""

_MOST_LINES = 16
"""Lines of a direction that are looked at: the longest, and of those the strongest."""

_COVERED = 0.96
"""Share of each side that an edge covers, at least: less would join the edge of a paper to that of
the photo on it."""

_BEYOND = 6
_RUNS_ON = 0.7
_MOST_CROSSED = 5
"""An edge runs on beyond a corner where it covers such a share of so many pixels there; of the
eight ends of a rectangle's sides so many may. All do where paper is ruled in squares."""

_NARROWEST = 3.0
"""Times its height that a rectangle is wide at most, and the other way round."""

_ALIKE = 0.85
"""Share of both that two rectangles have in common which are the same: a frame has two edges."""

_MOST = 4
"""Rectangles that are found."""


class _Lines(NamedTuple):
    """Edges of a direction: their `places` in pixels, [n], and for each how many of the pixels
    before each position along it are edge, [n, length + 1]."""

    places: Integers
    covered: Integers

    def pairs(self) -> tuple[Integers, Integers]:
        """Returns which two lines, [m] and [m], are far enough apart, the first one before."""
        apart = self.places - self.places[:, None]
        first, second = np.nonzero(apart >= _LEAST_PIXELS)
        return first, second

    def share(self, chosen: Integers, start: Integers, end: Integers) -> NDArray[np.float64]:
        """Returns how much of each chosen line is edge between two positions along it."""
        most = self.covered.shape[1] - 1
        start, end = start.clip(0, most), end.clip(0, most)
        edge = self.covered[chosen, end] - self.covered[chosen, start]
        share: NDArray[np.float64] = edge / np.maximum(end - start, 1)
        return share

    def runs_on(self, chosen: Integers, start: Integers, end: Integers) -> Integers:
        """Returns at how many of its two ends each chosen line runs on."""
        before = self.share(chosen, start - _BEYOND, start - 1) > _RUNS_ON
        behind = self.share(chosen, end + 2, end + 1 + _BEYOND) > _RUNS_ON
        return before.astype(np.intp) + behind


def rectangles(values: Floats, grain: float) -> list[Window]:
    """Returns the insides of the rectangles in a picture, float32 [channels, h, w], the largest
    first; `grain` is the deviation of its noise, in levels."""
    least = max(_JUMP, _GRAINS * grain)
    level, upright = _lines(values, least), _lines(values.swapaxes(1, 2), least)
    # Two level edges in a row of what follows, two upright ones in a column.
    above, below = (lines[:, None] for lines in level.pairs())
    before, behind = upright.pairs()
    top, bottom = level.places[above], level.places[below]
    left, right = upright.places[before], upright.places[behind]
    tall, wide = bottom - top, right - left
    found = (tall <= _NARROWEST * wide) & (wide <= _NARROWEST * tall)
    for lines, side, start, end in (
        (level, above, left, right),
        (level, below, left, right),
        (upright, before, top, bottom),
        (upright, behind, top, bottom),
    ):
        found &= lines.share(side, start + 1, end) >= _COVERED
    rows, columns = np.nonzero(found)
    above, below, top, bottom = (one[rows, 0] for one in (above, below, top, bottom))
    before, behind, left, right = (one[columns] for one in (before, behind, left, right))
    crossed = (
        level.runs_on(above, left, right)
        + level.runs_on(below, left, right)
        + upright.runs_on(before, top, bottom)
        + upright.runs_on(behind, top, bottom)
    )
    windows = np.stack([top + 2, bottom - 1, left + 2, right - 1])
    return _distinct(windows[:, crossed <= _MOST_CROSSED])


def _distinct(windows: Integers) -> list[Window]:
    """Returns the largest of windows, [4, n]; of those that are about the same the innermost."""
    kept: list[Window] = []
    while windows.size and len(kept) < _MOST:
        areas = area(windows)
        alike = overlap(windows, windows[:, areas.argmax()]) >= _ALIKE
        inner = windows[:, alike][:, areas[alike].argmin()]
        top, bottom, left, right = inner.tolist()
        kept.append((top, bottom, left, right))
        windows = windows[:, ~alike & (overlap(windows, inner) < _ALIKE)]
    return kept


def area(windows: Integers | Window) -> NDArray[np.intp]:
    """Returns how many pixels each window, [4, ...], has."""
    top, bottom, left, right = windows
    return np.asarray((bottom - top) * (right - left))


def overlap(windows: Integers | Window, other: Integers | Window) -> NDArray[np.float64]:
    """Returns the intersection of each window, [4, ...], with another, over their union."""
    top, bottom, left, right = windows
    above, below, before, behind = other
    tall = np.minimum(bottom, below) - np.maximum(top, above)
    wide = np.minimum(right, behind) - np.maximum(left, before)
    common = np.maximum(tall, 0) * np.maximum(wide, 0)
    share: NDArray[np.float64] = common / (area(windows) + area(other) - common)
    return share


def _lines(values: Floats, least: float) -> _Lines:
    """Returns the level edges of [channels, h, w] that jump by so many levels at least."""
    _, height, width = values.shape
    jumps = np.zeros((height, width), np.float32)
    jumps[1:-1] = distance(values[:, 2:], values[:, :-2])
    edge = _closed(jumps > max(least, _USUAL * quantile(jumps[::2, ::2], 0.5)))
    longest = _longest_runs(edge)
    places: list[int] = []
    for row in np.lexsort((-jumps.sum(1), -longest)).tolist():
        if longest[row] < _LEAST_SIDE * width or len(places) == _MOST_LINES:
            break
        if all(abs(row - other) > 1 for other in places):
            places.append(row)
    chosen = np.array(sorted(places), np.intp)
    near = edge.copy()  # an edge that is not quite level goes from row to row
    near[1:] |= edge[:-1]
    near[:-1] |= edge[1:]
    covered = np.zeros((len(chosen), width + 1), np.intp)
    covered[:, 1:] = np.cumsum(near[chosen], axis=1)
    return _Lines(chosen, covered)


def _longest_runs(edge: Mask) -> Integers:
    """Returns the length of the longest run of set pixels in each row."""
    height, width = edge.shape
    padded = np.zeros((height, width + 2), np.int8)
    padded[:, 1:-1] = edge
    bounds = np.flatnonzero(np.diff(padded.ravel()))
    longest = np.zeros(height, np.intp)
    np.maximum.at(longest, bounds[::2] // (width + 2), bounds[1::2] - bounds[::2])
    return longest


def _closed(edge: Mask) -> Mask:
    """Returns rows without their small gaps."""
    grown = edge.copy()
    for step in range(1, _GAP + 1):
        grown[:, step:] |= edge[:, :-step]
        grown[:, :-step] |= edge[:, step:]
    kept = grown.copy()
    for step in range(1, _GAP + 1):
        kept[:, step:] &= grown[:, :-step]
        kept[:, :-step] &= grown[:, step:]
    return kept
