"""Flood fill: calm pixels that reach the border without an edge are ground, of any level.

Shadows and pools of light have soft edges, and items sharp ones. The ground under an item is
filled in from its surroundings.
"""

import numpy as np
from PIL import Image

from vitrine_client.images.finding.background import (
    Background,
    deviation,
    distance,
    quantile,
    smoothed,
    smoothing_for,
)
from vitrine_client.images.finding.regions import Mask, Regions, dilated, eroded
from vitrine_client.images.raster import Floats

_EDGE = 5.8
"""Times the strongest contrast, over the pixels of the longer side: a pixel's change from which on
it lies on an edge."""

_SMALLEST = 32
"""Pixels of the longer side of a picture that has soft edges."""

_REACH = 0.5
"""Share of the strongest contrast up to which the ground may differ from its model."""

_ROUNDS = 5
_LEAST_SHARE = 0.03
"""Share of the ground that has to differ from its model for a flood to be worth it."""

_LEAST_AREA = 0.01
"""Share of the picture that a region of ground has at least."""

_DIVIDED = 0.75
"""Share of the picture below which its model is that of a part only, such as a shadow's."""

_LONG_SIDE = 0.2
_LARGE_PART = 0.15
"""Shares of the border and of the picture that a part has which is ground of another level."""


def slope(values: Floats) -> Floats:
    """Returns the change from pixel to pixel, [h, w], in the direction that has more of it."""
    steep = np.zeros(values.shape[1:], np.float32)
    if min(steep.shape) < 3:
        return steep
    inner = steep[1:-1, 1:-1]
    inner[:] = distance(values[:, 2:, 1:-1], values[:, :-2, 1:-1])
    across = distance(values[:, 1:-1, 2:], values[:, 1:-1, :-2])
    np.maximum(inner, across, out=inner)
    inner /= 2
    steep[0], steep[-1], steep[:, 0], steep[:, -1] = steep[1], steep[-2], steep[:, 1], steep[:, -2]
    return steep


def flooded(values: Floats, ground: Background, grain: float, explained: float) -> Background:
    """Returns the ground of a picture, float32 [channels, h, w], with its soft changes; as it is
    where there are none."""
    off = distance(values, ground.values)
    near = max(3 * ground.noise, 4.0)
    strength = quantile(off[::3, ::3], 0.98)
    if strength < 2 * near or max(off.shape) < _SMALLEST:
        return ground
    sigma = smoothing_for(max(ground.noise, grain))
    smooth = smoothed(values, sigma) if sigma else values
    steep = slope(smooth)
    edge = _EDGE * strength / max(off.shape)
    level = steep < max(edge, min(2.5 * quantile(steep[::2, ::2], 0.5), 3 * edge))
    other = _other_grounds(level) if explained < _DIVIDED else np.zeros_like(level)
    before = 0
    for _ in range(_ROUNDS):
        calm = level & (off < _REACH * strength) | other
        if np.count_nonzero(calm & (off > near)) < _LEAST_AREA * calm.size:
            break
        free = _reached(calm, off <= near, other)
        count = int(np.count_nonzero(free))
        if count < 1.01 * before or count == 0:
            break
        if np.count_nonzero(off[free] > near) < _LEAST_SHARE * count:
            break
        before = count
        filled = _filled(smooth, free)
        off = distance(smooth, filled)
        noise = max(grain, deviation(distance(values, filled)[free]))
        ground = Background(filled, noise, even=False)
    return ground


def _reached(calm: Mask, modelled: Mask, other: Mask) -> Mask:
    """Returns the calm pixels that reach the border and, by soft edges, the modelled ones."""
    height, width = calm.shape
    regions = Regions.of(eroded(calm), corners=False)  # which closes gaps in an item's edge
    at_border = (regions.top == 0) | (regions.left == 0)
    at_border |= (regions.bottom == height) | (regions.right == width)
    kept = at_border & (regions.area >= _LEAST_AREA * calm.size)
    linked = regions.sums(modelled) >= 0.02 * regions.area
    kept &= linked | (regions.sums(other) > 0)
    return dilated(regions.mask(kept), 2) & calm


def _other_grounds(level: Mask) -> Mask:
    """Returns the calm regions that have a good part of the border each."""
    regions = Regions.of(eroded(level), corners=False)
    ring = np.zeros(level.shape, bool)
    ring[1], ring[-2], ring[:, 1], ring[:, -2] = True, True, True, True
    large = regions.sums(ring) >= _LONG_SIDE * np.count_nonzero(ring)
    large &= regions.area >= _LARGE_PART * level.size
    return dilated(regions.mask(large), 2) & level


def _filled(values: Floats, known: Mask) -> Floats:
    """Returns [channels, h, w] with unknown pixels filled in smoothly.

    Push-pull interpolation (Gortler et al., 1996): averages of known pixels, coarser and
    coarser, and back.
    """
    weights = known.astype(np.float32)
    levels = [(values * weights, weights)]
    while max(levels[-1][1].shape) > 1:
        sums, counts = (_halved(one) for one in levels[-1])
        levels.append((sums / np.maximum(counts, 1), (counts > 0).astype(np.float32)))
    filled = levels[-1][0]
    for finer, weights in levels[-2::-1]:
        height, width = weights.shape
        larger = [
            np.asarray(
                Image.fromarray(channel).resize(
                    (2 * channel.shape[1], 2 * channel.shape[0]), Image.Resampling.BILINEAR
                )
            )
            for channel in filled
        ]
        filled = np.where(weights > 0, finer, np.stack(larger)[:, :height, :width])
    return filled


def _halved(values: Floats) -> Floats:
    """Returns the sums of blocks of four, [..., ceil(h / 2), ceil(w / 2)]."""
    height, width = values.shape[-2:]
    if height % 2 or width % 2:
        margins = [(0, 0)] * (values.ndim - 2) + [(0, height % 2), (0, width % 2)]
        values = np.pad(values, margins)
    tall = values[..., ::2, :] + values[..., 1::2, :]
    halves: Floats = tall[..., ::2] + tall[..., 1::2]
    return halves
