"""Background of a picture: the surface under its item, with the texture that it may have.

Stripes and checks are grounds of two colours. Grass, wood and cloth are brighter and darker in the
same colours all over, so that an item on them is seen by colours that they never have.
"""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from vitrine_client.images.finding.background import (
    Background,
    Ring,
    border,
    deviation,
    distance,
    estimate,
    level_of,
    quantile,
)
from vitrine_client.images.finding.flooding import flooded
from vitrine_client.images.raster import Floats

_EXPLAINED = 0.85
"""Share of a picture that one colour or light explains where its ground has not two."""

_LESSER, _BOTH = 0.15, 0.85
_TURNS, _LEVELS_APART = 12, 3.0
"""Shares of a border that the lesser of two colours has at least, and both of them together; how
often it goes from one to the other, and how far these are apart, in reaches of each: else it is
light that falls off."""

_NOISIEST = 0.2
"""Deviation of the noise of two colours, over how far they are apart, at most; in noise alone,
which has two as well, it is a quarter and more."""

_TEXTURED = 6.0
"""Deviation of the noise from which on it is that of a texture, whose colours are looked at."""

_ENOUGH = 24
"""Pixels of a border whose colours tell something."""

_FINEST = 3.0
"""Deviation of a texture along a colour, at least: it may be less by chance."""

_AS_RING = 0.6
"""Deviation at the border, times that of the ground, at least, where the one is like the other."""


def ground_of(values: Floats) -> Background:
    """Returns the ground of a picture, float32 [channels, h, w]."""
    ground, grain, explained = estimate(values)
    alternating = _alternating(values, grain) if explained < _EXPLAINED else None
    if alternating is not None:
        return alternating
    return _with_weights(values, flooded(values, ground, grain, explained))


def _alternating(values: Floats, grain: float) -> Background | None:
    """Returns a ground of two colours, None where the border is not of two."""
    ring = border(values)
    level, noise, _ = level_of(ring)
    levels = _two_levels(ring, level, max(3 * noise, 5))
    if levels is None:
        return None
    ground = nearest(values, levels)
    noise = max(grain, deviation(border(distance(values, ground))))
    if noise > _NOISIEST * np.linalg.norm(levels[0] - levels[1]):
        return None
    return Background(ground, noise, even=False, levels=levels)


def _two_levels(ring: Ring, level: NDArray[np.float32], reach: float) -> NDArray[np.float32] | None:
    """Returns the two colours of a border that goes from one to the other and back, None where it
    does not."""
    rest = distance(ring, level[:, None]) > reach
    if not _LESSER <= rest.mean() <= 1 - _LESSER:
        return None
    other, noise, _ = level_of(ring[:, rest])
    its = rest & (distance(ring, other[:, None]) <= max(3 * noise, reach))
    turns = np.count_nonzero(its[1:] != its[:-1])
    apart = np.linalg.norm(level - other) >= _LEVELS_APART * reach
    if not apart or turns < _TURNS or its.mean() < _LESSER or np.mean(its | ~rest) < _BOTH:
        return None
    return np.stack([level, other])


def nearest(values: Floats, levels: NDArray[np.float32]) -> Floats:
    """Returns [channels, h, w] of two levels, [2, channels], in each pixel the nearer one."""
    one, other = levels[:, :, None, None]
    closer: Floats = np.where(distance(values, one) <= distance(values, other), one, other)
    return closer


def _with_weights(values: Floats, ground: Background) -> Background:
    """Returns a ground that knows which colours its texture is made of.

    Differences are scaled down along the principal axes of the texture, as in Mahalanobis'
    distance, so that an item on grass is seen by colours that grass never has.
    """
    if len(values) == 1 or ground.noise < _TEXTURED:
        return ground
    ring = border(values) - border(ground.values)
    nothing = np.zeros_like(ring)
    apart = distance(ring, nothing)
    before = deviation(apart) if apart.size >= _ENOUGH else 0.0
    if before < max(_TEXTURED, _AS_RING * ground.noise):
        return ground
    near = ring[:, apart <= 3 * quantile(apart, 0.5)]
    variances, axes = np.linalg.eigh(np.cov(near))
    deviations = np.maximum(np.sqrt(np.maximum(variances, 0)), _FINEST)
    weights = (axes * (deviations.min() / deviations)) @ axes.T
    weights = weights.astype(np.float32)
    noise = ground.noise * deviation(distance(weights @ ring, nothing)) / before
    return replace(ground, noise=noise, weights=weights)
