"""Plots of reports as inline SVG, in the colours of the house style, in light and dark.

They are drawn in placeholder colours, which become the variables of `theme.css`. The same drawing
gives the same bytes. Orange and blue are no colours of plots: they mean for and against. Needs
matplotlib, which `vitrine-client[loadtest]` and `vitrine-training` bring along.
"""

import io
import re
from collections.abc import Callable
from html import escape
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

INK, QUIET, LINE, ACCENT, VIOLET, GOLD, GREEN, RED = (f"#00000{number}" for number in range(1, 9))
_VARIABLES = {
    INK: "var(--ink)",
    QUIET: "var(--quiet)",
    LINE: "var(--line)",
    ACCENT: "var(--accent)",
    VIOLET: "var(--violet)",
    GOLD: "var(--gold)",
    GREEN: "var(--green)",
    RED: "var(--red)",
}
"""Nobody can tell the placeholders apart, but a search for them can."""

AREA = (42, 147, 141)
"""RGB of the accent where pixels cannot be a variable: a mid-tone, which reads on both papers."""

WIDTH = 5.6
"""Of a plot, in inches of 72 units; a phone shows a unit as about a pixel."""

DASHES, DOTS = (0, (5, 2)), (0, (1, 2))
"""Line styles of matplotlib: dashed for a line of comparison, dotted for marks."""


def inline(draw: Callable[[Figure], None], height: float, name: str, alt: str) -> str:
    """Returns the drawing of `draw` on a figure of `height` inches; `alt` describes it.

    Text stays text, in the page's font; ids differ from those of other plots by `name`.
    """
    settings: dict[Any, Any] = {"svg.hashsalt": name, "svg.fonttype": "none"}
    file = io.StringIO()
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        figure.patch.set_visible(False)
        draw(figure)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing)
    text = file.getvalue()
    body = text[text.index(">", text.index("<svg")) + 1 :].strip()
    body = re.sub(r"<!--.*?-->\n?", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub("#00000[1-8]", lambda found: _VARIABLES[found[0]], body)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {72 * WIDTH:g} {72 * height:g}" role="img" aria-label="{escape(alt)}">{body}'
    )


def style(axes: Axes, x: str, y: str) -> None:
    """Names the axes, and leaves of their frame the line below and a grid of levels."""
    axes.set_axisbelow(True)
    axes.set_xlabel(x, color=QUIET, fontsize=10)
    axes.set_ylabel(y, color=QUIET, fontsize=10)
    axes.tick_params(which="both", colors=QUIET, labelcolor=INK, labelsize=9.5, length=3)
    axes.tick_params(which="both", axis="y", length=0)
    axes.patch.set_visible(False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    axes.grid(axis="y", color=LINE, linewidth=0.8)
    axes.spines["bottom"].set(visible=True, color=QUIET)


def css(colour: str) -> str:
    """Returns the CSS that a placeholder colour stands for."""
    return _VARIABLES[colour]
