"""The report's pictures: SVG and PNG that are put inline into a page, light or dark.

Plots are drawn in placeholder colours, which become the page's CSS variables. All functions draw
the same bytes for the same input.
"""

import io
import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, Literal

import matplotlib
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from vitrine_training.evaluate import CALIBRATION_BINS, ReliabilityBin

INK, QUIET, LINE, CARD, BLUE, ORANGE, ACCENT, RED = (f"#00000{number}" for number in range(1, 9))
_VARIABLES = {
    INK: "var(--ink)",
    QUIET: "var(--quiet)",
    LINE: "var(--line)",
    CARD: "var(--card)",
    BLUE: "var(--blue)",
    ORANGE: "var(--orange)",
    ACCENT: "var(--accent)",
    RED: "var(--red)",
}
"""Nobody can tell the placeholders apart, but a search for them can."""

FOR, AGAINST = (214, 110, 36), (47, 116, 181)
"""RGB of weights above and below zero: mid-tones, which read on white and on black."""

_TONES = 24
"""Opacities that weights are rounded to, so that their pictures pack well."""

_WIDTH = 5.6
"""Of a plot, in inches of 72 units; a phone shows a unit as about a pixel."""


_MIDDLE: Literal["center_baseline"] = "center_baseline"


def curves(history: Sequence[dict[str, Any]], measure: str, kept_epoch: int) -> str:
    """Returns an SVG of a measure, `loss` or `accuracy`, on training and validation images.

    `history` is the model card's; the epoch whose weights were published is marked.
    """
    numbers = [epoch["number"] for epoch in history]

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        axes.axvline(kept_epoch, color=QUIET, linewidth=1, linestyle=(0, (1, 2)))
        for split, color, line in (("train", BLUE, (0, (5, 2))), ("validation", ORANGE, "-")):
            values = [epoch[f"{split}_{measure}"] for epoch in history]
            axes.plot(numbers, values, color=color, linestyle=line)
            axes.plot(
                kept_epoch, values[numbers.index(kept_epoch)], "o", color=color, clip_on=False
            )
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=10, min_n_ticks=1))
        margin = 0.2 + 0.02 * len(numbers)
        axes.set_xlim(numbers[0] - margin, numbers[-1] + margin)
        _style(axes, "epoch", "")

    return _svg(draw, 3.6, f"curves-{measure}", f"{measure.capitalize()} by epoch")


def confusion(counts: npt.NDArray[np.integer], labels: Sequence[str]) -> str:
    """Returns an SVG of a confusion matrix [classes, classes], true classes in rows.

    A cell is as opaque as the square root of its share of the row, so that rare mistakes show.
    """
    rows = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    opacity = np.sqrt(counts / rows)

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for (row, column), count in np.ndenumerate(counts):
            color, strength = ACCENT if row == column else RED, float(opacity[row, column])
            square = Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, linewidth=0)
            square.set(facecolor=color, alpha=strength)
            axes.add_patch(square)
            ink = CARD if strength > 0.62 else INK if count else QUIET
            axes.text(column, row, str(count), color=ink, fontsize=9, ha="center", va=_MIDDLE)
        axes.set(xlim=(-0.5, len(labels) - 0.5), ylim=(len(labels) - 0.5, -0.5), aspect="equal")
        axes.set_xticks(range(len(labels)), labels, parse_math=False)
        axes.set_yticks(range(len(labels)), labels, parse_math=False)
        for text in axes.get_xticklabels():
            text.set(rotation=45, ha="right", rotation_mode="anchor")
        _style(axes, "answered", "true class", grid=False)
        axes.tick_params(length=0)

    return _svg(draw, 5.5, "confusion", "Confusion matrix")


def reliability(bins: Sequence[ReliabilityBin], name: str) -> str:
    """Returns an SVG of the accuracy at each degree of confidence, above the number of images.

    `name` tells the plots of a page apart. Whiskers are 95 % intervals of `binomial_interval`.
    """

    def draw(figure: Figure) -> None:
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=(7, 2))
        above.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=(0, (1, 2)))
        middles = [(_bin_number(one) + 0.5) / CALIBRATION_BINS for one in bins]
        width = 0.86 / CALIBRATION_BINS
        for one, middle in zip(bins, middles, strict=True):
            above.bar(middle, one.accuracy, width, color=BLUE, alpha=0.22)
            low, high = binomial_interval(one.accuracy, one.count)
            above.plot([one.confidence] * 2, [low, high], color=BLUE, linewidth=1.2)
            above.plot(one.confidence, one.accuracy, "o", color=BLUE, markersize=4, clip_on=False)
            _count(below, middle, one.count)
        below.bar(middles, [one.count for one in bins], width, color=QUIET, alpha=0.5)
        below.margins(y=0.35)  # room for the counts
        below.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=3))
        above.set(xlim=(0, 1), ylim=(0, 1.02))
        _style(above, "", "accuracy")
        _style(below, "confidence", "images")
        figure.align_ylabels()

    return _svg(draw, 5.2, f"reliability-{name}", f"Reliability diagram, {name}")


def _count(axes: Axes, x: float, count: int) -> None:
    """Writes a count above the bar that it is the height of."""
    axes.annotate(
        str(count),
        (x, count),
        (0, 2),
        textcoords="offset points",
        color=INK,
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


def _style(axes: Axes, x: str, y: str, *, grid: bool = True) -> None:
    axes.set_axisbelow(True)
    axes.set_xlabel(x, color=QUIET, fontsize=10)
    axes.set_ylabel(y, color=QUIET, fontsize=10)
    axes.tick_params(colors=QUIET, labelcolor=INK, labelsize=9.5, length=3)
    axes.tick_params(axis="y", length=0)
    axes.patch.set_visible(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if grid:
        axes.grid(axis="y", color=LINE, linewidth=0.8)
        axes.spines["bottom"].set(visible=True, color=QUIET)


def _svg(draw: Callable[[Figure], None], height: float, name: str, title: str) -> str:
    """Text stays text, in the page's font; ids differ from those of other plots by `name`."""
    settings: dict[Any, Any] = {"svg.hashsalt": name, "svg.fonttype": "none"}
    file = io.StringIO()
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(_WIDTH, height), layout="constrained")
        figure.patch.set_visible(False)
        draw(figure)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing)
    drawn = file.getvalue()
    body = drawn[drawn.index(">", drawn.index("<svg")) + 1 :].strip()
    body = re.sub(r"<!--.*?-->\n?", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub("#00000[1-8]", lambda found: _VARIABLES[found[0]], body)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {72 * _WIDTH:g} {72 * height:g}" role="img" aria-label="{escape(title)}">'
        f"{body}"
    )


def weight_pictures(weights: npt.NDArray[np.floating], *, alike: bool) -> list[npt.NDArray[Any]]:
    """Returns the pictures of weights [n, height, width] as RGBA, uint8 [height, width, 4].

    Orange is above zero (for), blue below (against). Opacity is the size, and full for the largest
    hundredth of all weights, or of each picture's where they are not `alike`.
    """
    size = np.abs(weights)
    largest = np.quantile(size, 0.99, axis=None if alike else (1, 2), keepdims=True)
    tones = np.round(_TONES * np.minimum(size / np.maximum(largest, 1e-12), 1)) / _TONES
    colors = np.where((weights > 0)[..., np.newaxis], np.array(FOR), np.array(AGAINST))
    return list(np.concatenate([colors, 255 * tones[..., np.newaxis]], axis=-1).astype(np.uint8))


def mosaic(pictures: Sequence[npt.NDArray[Any]], columns: int) -> npt.NDArray[Any]:
    """Puts pictures of one shape side by side, `columns` a row, with a clear pixel around each."""
    padded = [np.pad(picture, ((1, 1), (1, 1), (0, 0))) for picture in pictures]
    padded += [np.zeros_like(padded[0])] * (-len(padded) % columns)
    starts = range(0, len(padded), columns)
    return np.vstack([np.hstack(padded[start : start + columns]) for start in starts])


def png(picture: npt.NDArray[Any]) -> str:
    """Returns a `data:` address of uint8 [height, width] or, with opacity, [height, width, 4]."""
    pixels = picture if picture.ndim == 3 else picture[..., np.newaxis]
    packed = tf.io.encode_base64(tf.io.encode_png(pixels, compression=9), pad=True).numpy()
    return "data:image/png;base64," + packed.decode().translate(str.maketrans("-_", "+/"))
