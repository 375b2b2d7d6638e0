"""Background estimation: the ground that an item lies on, from the border of a picture.

Most of a border is ground. Three models are fitted to it, and the one wins that explains most of
the picture: one level, for pages, screens and frames; a smooth surface, for light from one side;
and a patch between the four sides, for a wall above a table. `flooding` then takes soft shadows
and pools of light away.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from vitrine_client.images.raster import Floats

_DARKEST = 24.0
"""Levels below it are not scaled up to make light even: they are noise."""

_EXPLAINED = 6.0
"""Levels that a pixel may be away from its model, if there is no grain."""

_SPECKLED = 0.03
"""Share of lone extreme pixels from which on a picture is a screen of dots, as printers make."""

_DOTS = 12.0
"""Deviation of the noise that such a screen is taken for."""

Ring = NDArray[np.float32]
"""The border of a picture, [channels, n]."""


@dataclass(frozen=True)
class Background:
    """The ground under a picture as if nothing lay on it, float32 [channels, h, w], and the
    deviation of its noise, in levels. It is `even` where it is one level.

    Where its texture has more of one colour than of others, `weights`, [channels, channels], makes
    less of differences in that colour. Of stripes and checks `levels`, [2, channels], are the two
    colours, of which each pixel has the one that it is nearer to.
    """

    values: Floats
    noise: float
    even: bool
    weights: NDArray[np.float32] | None = None
    levels: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Contrast:
    """Differences from the ground, in levels, float32 [h, w]: `tone`, below zero where darker,
    and `distance`, 0 and more, with colour in it. `noise` is the deviation of `distance` where
    there is nothing."""

    tone: Floats
    distance: Floats
    noise: float


def border(values: Floats, inset: int = 0) -> Ring:
    """Returns the outermost pixels of [..., h, w], each once, as [..., n]; those that are `inset`
    pixels further in."""
    bottom, right = values.shape[-2] - 1 - inset, values.shape[-1] - 1 - inset
    inner = slice(inset + 1, bottom)
    across = slice(inset, right + 1)
    return np.concatenate(
        [
            values[..., inset, across],
            values[..., bottom, across],
            values[..., inner, inset],
            values[..., inner, right],
        ],
        axis=-1,
    )


def distance(values: Floats, other: Floats) -> Floats:
    """Returns how far pixels, [channels, ...], are from others, [...]."""
    if len(values) == 1:
        only: Floats = np.abs(values[0] - other[0])
        return only
    squares: Floats = values[0] - other[0]
    np.square(squares, out=squares)
    for channel, its in zip(values[1:], other[1:], strict=True):  # one by one, in less memory
        difference = channel - its
        squares += np.square(difference, out=difference)
    np.sqrt(squares, out=squares)
    return squares


def deviation(errors: Floats) -> float:
    """Returns the standard deviation behind errors, 0 and more, of a normal distribution with
    outliers: 1.4826 times the median of those that are near."""
    if not errors.size:
        return 0.0
    near = errors[errors <= max(3 * quantile(errors, 0.5), 4.0)]
    return 1.4826 * quantile(near, 0.5)


def quantile(values: Floats, share: float) -> float:
    """Returns the value that a share of others lies below; NumPy's interpolates, and takes five
    times as long."""
    flat = values.ravel()
    if not flat.size:
        return 0.0
    rank = min(int(share * flat.size), flat.size - 1)
    return float(np.partition(flat, rank)[rank])


def estimate(values: Floats) -> tuple[Background, float, float]:
    """Returns the ground of a picture, float32 [channels, h, w], the deviation of its grain, and
    the share of the picture that is explained."""
    grain = grain_of(values[0])
    level, noise, share = level_of(border(values))
    flat = np.broadcast_to(level[:, None, None], values.shape)
    reach = max(_EXPLAINED, 3 * grain)
    if share > 0.97 and noise < 1.5 * grain + 2:
        return Background(flat, noise, even=True), grain, 1.0
    models = (flat, _surface(values), _patch(values))
    apart = [distance(values, model) for model in models]
    # The simpler model wins where both are about as good.
    explained = [
        float(np.mean(one <= reach)) + bonus
        for one, bonus in zip(apart, (0.04, 0, -0.05), strict=True)
    ]
    best = int(np.argmax(explained))
    # The patch goes through the border itself, so its noise shows further in.
    inset = max(1, min(values.shape[1:]) // 24) if best == 2 and min(values.shape[1:]) > 8 else 0
    noise = max(grain, deviation(border(apart[best], inset)))
    return Background(models[best], noise, even=best == 0), grain, explained[best]


def contrast(values: Floats, ground: Background) -> Contrast:
    """Returns how a picture differs from its ground; unevenly lit items as if lit evenly."""
    under = ground.values[0] if ground.levels is None else ground.levels[:, 0].mean()
    tone: Floats = values[0] - under  # stripes would show on the item
    if ground.weights is None:
        apart = distance(values, ground.values)
    else:
        weighted = np.tensordot(ground.weights, values - ground.values, 1)
        apart = distance(weighted, np.zeros_like(weighted))
    if not ground.even:
        light = ground.values[0]
        scale = light.mean() / np.maximum(light, _DARKEST)
        tone *= scale
        apart *= scale
    return Contrast(tone, apart, ground.noise)


def grain_of(tone: Floats) -> float:
    """Returns the deviation of the noise from pixel to pixel, by second differences."""
    if min(tone.shape) < 3:
        return 0.0
    rows = tone[1:-1:2]  # every second one is enough
    middle = 2 * rows[:, 1:-1]
    across = np.abs(rows[:, 2:] + rows[:, :-2] - middle)
    down = np.abs(tone[2::2, 1:-1] + tone[:-2:2, 1:-1] - middle)
    if np.count_nonzero(np.minimum(across, down) > 60) > _SPECKLED * middle.size:
        return _DOTS
    return 1.4826 * quantile(across, 0.5) / 6**0.5


def level_of(ring: Ring) -> tuple[NDArray[np.float32], float, float]:
    """Returns the commonest colour, [channels], its noise, and the share of the border that is of
    it."""
    tones = ring[0]
    counts = np.bincount((tones.clip(0, 255) / 4).astype(np.intp), minlength=64)
    level = 4 * (float(np.argmax(np.convolve(counts, [1, 2, 3, 2, 1], "same"))) + 0.5)
    noise = 2.0
    for _ in range(4):
        near = np.abs(tones - level) <= max(3 * noise, 5)
        level = quantile(tones[near], 0.5)
        noise = 1.4826 * quantile(np.abs(tones[near] - level), 0.5)
    colour = np.median(ring[:, near], axis=1).astype(np.float32)
    errors = distance(ring, colour[:, None])
    noise = 1.4826 * quantile(errors[near], 0.5)
    return colour, noise, float(np.mean(errors <= max(3 * noise, 4)))


def _surface(values: Floats) -> Floats:
    """Returns a + bx + cy + d(x^2 + y^2), [channels, h, w], through the border.

    For light from one side and a lens that darkens corners: least squares, four times without the
    outliers.
    """
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in values.shape[1:])
    grid = np.broadcast_to(x, values.shape[1:]), np.broadcast_to(y[:, None], values.shape[1:])
    at_x, at_y = (border(one) for one in grid)
    terms = np.stack([np.ones_like(at_x), at_x, at_y, at_x**2 + at_y**2], 1).astype(np.float64)
    levels = border(values).astype(np.float64).T
    fit = np.zeros((4, levels.shape[1]))
    fit[0] = np.median(levels, axis=0)
    for _ in range(4):
        errors = np.sqrt(((levels - terms @ fit) ** 2).sum(axis=1))
        kept = errors <= max(3 * 1.4826 * quantile(errors, 0.5), 2)  # at least half
        weighted = terms.T * kept
        # Normal equations, ten times faster than `lstsq`; the ridge is for pictures of few pixels.
        fit = np.linalg.solve(weighted @ terms + 1e-6 * np.eye(4), weighted @ levels)
    a, b, c, d = fit.astype(np.float32)[:, :, None, None]
    column = y[:, None]
    surface: Floats = (a + b * x + d * x**2) + (c * column + d * column**2)
    return surface


def _patch(values: Floats) -> Floats:
    """Returns the Coons patch, [channels, h, w], through the four sides of the border.

    https://en.wikipedia.org/wiki/Coons_patch: exact for the sum of a
    function of the row and a function of the column.
    """
    height, width = values.shape[1:]
    top, bottom = _without_marks(values[:, 0]), _without_marks(values[:, -1])
    left, right = _without_marks(values[:, :, 0]), _without_marks(values[:, :, -1])
    y: Floats = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    x: Floats = np.linspace(0, 1, width, dtype=np.float32)
    across = left[:, :, None] * (1 - x) + right[:, :, None] * x
    down = top[:, None] * (1 - y) + bottom[:, None] * y
    corners = (
        (top[:, 0] + left[:, 0], top[:, -1] + right[:, 0]),
        (bottom[:, 0] + left[:, -1], bottom[:, -1] + right[:, -1]),
    )
    (upper_left, upper_right), (lower_left, lower_right) = (
        [corner[:, None, None] / 2 for corner in row] for row in corners
    )
    upper = upper_left * (1 - x) + upper_right * x
    lower = lower_left * (1 - x) + lower_right * x
    patch: Floats = (across + down - upper * (1 - y) - lower * y).astype(np.float32)
    return patch


def _without_marks(side: Ring) -> Ring:
    """Returns a side of the border, [channels, n], without marks that cover less than a twelfth."""
    reach = max(2, side.shape[1] // 24)
    padded = np.pad(side, ((0, 0), (reach, reach)), "edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1, axis=1)
    medians: Ring = np.median(windows, axis=-1).astype(np.float32)
    return medians


def smoothed(values: Floats, sigma: float) -> Floats:
    """Returns [..., h, w] blurred by a normal kernel of that deviation, in pixels."""
    reach = int(np.ceil(2.5 * sigma))
    kernel = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2).astype(np.float32)
    kernel /= kernel.sum()
    height, width = values.shape[-2:]
    margins = [(0, 0)] * (values.ndim - 2) + [(reach, reach)] * 2
    padded = np.pad(values, margins, "edge")
    tall = kernel[reach] * padded[..., reach : reach + height, :]
    for step in range(1, reach + 1):
        pair = (
            padded[..., reach - step : reach - step + height, :]
            + padded[..., reach + step : reach + step + height, :]
        )
        tall += kernel[reach + step] * pair
    blurred: Floats = kernel[reach] * tall[..., reach : reach + width]
    for step in range(1, reach + 1):
        pair = (
            tall[..., reach - step : reach - step + width]
            + tall[..., reach + step : reach + step + width]
        )
        blurred += kernel[reach + step] * pair
    return blurred


def smoothing_for(noise: float) -> float:
    """Returns how much to smooth against noise of that deviation: sigma in pixels, 0 for none."""
    if noise < 2:
        return 0.0
    return 1.0 if noise < 8 else 1.6
