"""Picture of the comparison: bars for each peer."""

from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.gateway.figures import IN_FLIGHT, Rounds, median

_BLUES = ("#b7d3ea", "#6aa3d0", "#2f74b5")
_ORANGES = ("#f2c39b", "#d66e24")


def draw(rounds: Rounds, titles: Mapping[str, str], path: Path) -> None:
    """Writes an SVG: requests/s with 1, 16 and 64 in flight, and images/s in batches; the same
    bytes for the same figures."""
    peers = sorted(rounds, key=lambda peer: median(rounds, peer, "rate_64"))
    with mpl.rc_context({"svg.hashsalt": "vitrine", "font.size": 9}):
        figure = Figure(figsize=(10, 1 + 0.55 * len(peers)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        singles = {f"{number} in flight": f"rate_{number}" for number in IN_FLIGHT}
        _bars(left, rounds, peers, singles, _BLUES)
        left.set_title("requests/s, one picture each", loc="left")
        left.set_yticks(range(len(peers)), [titles[peer] for peer in peers])
        batches = {"forms of 32 PNGs": "images", "npy of 32": "images_npy"}
        _bars(right, rounds, peers, batches, _ORANGES)
        right.set_title("images/s, batches of 32", loc="left")
        figure.savefig(path, format="svg", metadata={"Date": None})


def _bars(
    axes: Axes,
    rounds: Rounds,
    peers: list[str],
    figures: Mapping[str, str],
    colours: tuple[str, ...],
) -> None:
    height = 0.8 / len(figures)
    places = np.arange(len(peers))
    for number, (name, figure) in enumerate(figures.items()):
        values = [np.nan_to_num(median(rounds, peer, figure)) for peer in peers]
        offset = ((len(figures) - 1) / 2 - number) * height
        bars = axes.barh(places + offset, values, height, label=name, color=colours[number])
        labels = [f"{value:,.0f}" if value else "" for value in values]
        axes.bar_label(bars, labels, padding=2, fontsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.margins(x=0.12)
    axes.legend(frameon=False, loc="lower right")
