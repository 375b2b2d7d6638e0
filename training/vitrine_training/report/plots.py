"""The report's pictures: SVG and PNG that are put inline into a page, light or dark.

All functions draw the same bytes for the same input.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from vitrine_client.look import AGAINST, FOR, svg
from vitrine_training.evaluation.metrics import CALIBRATION_BINS, ReliabilityBin

_TONES = 24
"""Opacities that weights are rounded to, so that their pictures pack well."""

_SEAM = (96, 96, 96, 255)
"""RGBA between the pictures of a mosaic."""


def curves(history: Sequence[dict[str, Any]], measure: str, kept_epoch: int) -> str:
    """Returns an SVG of a measure, `loss` or `accuracy`, on training and validation images.

    `history` is the model card's; the epoch whose weights were published is marked.
    """
    numbers = [epoch["number"] for epoch in history]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axvline(kept_epoch, color=svg.QUIET, linewidth=1, linestyle=svg.DOTS)
        lines = (("train", svg.VIOLET, svg.DASHES), ("validation", svg.ACCENT, "-"))
        for split, color, line in lines:
            values = [epoch[f"{split}_{measure}"] for epoch in history]
            axes.plot(numbers, values, color=color, linestyle=line)
            axes.plot(
                kept_epoch, values[numbers.index(kept_epoch)], "o", color=color, clip_on=False
            )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
        margin = 0.2 + 0.02 * len(numbers)
        axes.set_xlim(numbers[0] - margin, numbers[-1] + margin)
        svg.style(axes, "epoch", "")

    return svg.inline(draw, 3.6, f"curves-{measure}", f"{measure.capitalize()} by epoch")


def reliability(bins: Sequence[ReliabilityBin], name: str) -> str:
    """Returns an SVG of the accuracy at each degree of confidence, above the number of images.

    `name` tells the plots of a page apart. Whiskers are 95 % intervals of `binomial_interval`.
    """

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(7, 2))
        above.plot([0, 1], [0, 1], color=svg.QUIET, linewidth=1, linestyle=svg.DOTS)
        middles = [(_bin_number(one) + 0.5) / CALIBRATION_BINS for one in bins]
        width = 0.86 / CALIBRATION_BINS
        for one, middle in zip(bins, middles, strict=True):
            above.bar(middle, one.accuracy, width, color=svg.ACCENT, alpha=0.22)
            low, high = binomial_interval(one.accuracy, one.count)
            above.plot([one.confidence] * 2, [low, high], color=svg.ACCENT, linewidth=1.2)
            dot = {"color": svg.ACCENT, "markersize": 4, "clip_on": False}
            above.plot(one.confidence, one.accuracy, "o", **dot)
            _count(below, middle, one.count)
        below.bar(middles, [one.count for one in bins], width, color=svg.QUIET, alpha=0.5)
        below.margins(y=0.35)  # room for the counts
        below.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3))
        above.set(xlim=(0, 1), ylim=(0, 1.02))
        svg.style(above, "", "accuracy")
        svg.style(below, "confidence", "images")
        figure.align_ylabels()

    return svg.inline(draw, 5.2, f"reliability-{name}", f"Reliability diagram, {name}")


def _count(axes: Axes, x: float, count: int) -> None:
    """Writes a count above the bar that it is the height of."""
    axes.annotate(
        str(count),
        (x, count),
        (0, 2),
        textcoords="offset points",
        color=svg.INK,
        fontsize=8,
        ha="center",
    )


def _bin_number(one: ReliabilityBin) -> int:
    return min(int(one.confidence * CALIBRATION_BINS), CALIBRATION_BINS - 1)


def binomial_interval(share: float, rows: int) -> tuple[float, float]:
    """Returns the 95 % interval of a share that was seen in `rows` independent rows.

    The score interval of Wilson (1927), which stays within 0..1 and holds for few rows too.
    """
    z = 1.959964
    middle = (share + z**2 / (2 * rows)) / (1 + z**2 / rows)
    half = z * np.sqrt(share * (1 - share) / rows + z**2 / (4 * rows**2)) / (1 + z**2 / rows)
    return float(middle - half), float(middle + half)


def weight_pictures(weights: npt.NDArray[np.floating], *, alike: bool) -> list[npt.NDArray[Any]]:
    """Returns the pictures of weights [n, height, width] as RGBA, uint8 [height, width, 4].

    They are for a black ground: orange is above zero (for), blue below (against). Opacity is the
    size, and full for the largest hundredth of all weights, or of each picture's where they are not
    `alike`.
    """
    size = np.abs(weights)
    largest = np.quantile(size, 0.99, axis=None if alike else (1, 2), keepdims=True)
    tones = np.round(_TONES * np.minimum(size / np.maximum(largest, 1e-12), 1)) / _TONES
    colors = np.where((weights > 0)[..., np.newaxis], np.array(FOR), np.array(AGAINST))
    return list(np.concatenate([colors, 255 * tones[..., np.newaxis]], axis=-1).astype(np.uint8))


def mosaic(pictures: Sequence[npt.NDArray[Any]], columns: int) -> npt.NDArray[Any]:
    """Puts pictures of one shape side by side, `columns` a row, with a grey seam around each."""
    height, width, channels = pictures[0].shape
    rows = -(-len(pictures) // columns)
    tiles = np.zeros((rows, columns, height + 2, width + 2, channels), np.uint8)
    tiles[:] = _SEAM
    tiles[:, :, 1:-1, 1:-1] = 0
    for place, picture in enumerate(pictures):
        tiles[divmod(place, columns)][1:-1, 1:-1] = picture
    return tiles.swapaxes(1, 2).reshape(rows * (height + 2), columns * (width + 2), channels)


def png(picture: npt.NDArray[Any]) -> str:
    """Returns a `data:` address of uint8 [height, width] or, with opacity, [height, width, 4]."""
    pixels = picture if picture.ndim == 3 else picture[..., np.newaxis]
    packed = tf.io.encode_base64(tf.io.encode_png(pixels, compression=9), pad=True).numpy()
    return "data:image/png;base64," + packed.decode().translate(str.maketrans("-_", "+/"))
