"""How the report's pictures become SVG that is put inline into a page, light or dark.

They are drawn in placeholder colours, which become the page's CSS variables. The same drawing gives
the same bytes.
"""

import io
import re
from collections.abc import Callable, Iterable
from html import escape
from typing import Any, Literal

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

INK, QUIET, LINE, BLUE, ORANGE, GREEN, VIOLET, RED = (f"#00000{number}" for number in range(1, 9))
_VARIABLES = {
    INK: "var(--ink)",
    QUIET: "var(--quiet)",
    LINE: "var(--line)",
    BLUE: "var(--blue)",
    ORANGE: "var(--orange)",
    GREEN: "var(--green)",
    VIOLET: "var(--violet)",
    RED: "var(--red)",
}
"""Nobody can tell the placeholders apart, but a search for them can."""

_WIDTH, _HEIGHT = 5.6, 3.5
"""Of a plot, in inches of 72 units; a phone shows a unit as about a pixel."""

Draw = Callable[[Axes], None]


def drawn(draw: Draw, name: str, alt: str, *, x: str, y: str) -> str:
    """Returns what `draw` draws as SVG; `x` and `y` name the axes, `alt` says what is to be seen.

    Text stays text, in the page's font; ids differ from those of other plots by `name`.
    """
    settings: dict[Any, Any] = {"svg.hashsalt": name, "svg.fonttype": "none"}
    file = io.StringIO()
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(_WIDTH, _HEIGHT), layout="constrained")
        figure.patch.set_visible(False)
        axes = figure.add_subplot()
        _style(axes, x, y)
        draw(axes)
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(file, format="svg", metadata=nothing)
    text = file.getvalue()
    body = text[text.index(">", text.index("<svg")) + 1 :].strip()
    body = re.sub(r"<!--.*?-->\n?", "", body, flags=re.DOTALL)
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    body = re.sub("#00000[1-8]", lambda found: _VARIABLES[found[0]], body)
    label = escape(alt)
    return (
        f'<svg viewBox="0 0 {72 * _WIDTH:g} {72 * _HEIGHT:g}" role="img" aria-label="{label}">'
        f"{body}"
    )


def _style(axes: Axes, x: str, y: str) -> None:
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


def log_axis(axes: Axes, which: Literal["x", "y"], values: Iterable[float]) -> None:
    """Makes an axis logarithmic, with room for `values` above zero."""
    known = [value for value in values if value == value]
    low, high = min(known, default=1.0) / 1.15, max(known, default=1.0) * 1.15
    places = ticks(low, high)
    axis = {"x": axes.xaxis, "y": axes.yaxis}[which]
    axes.set(**{f"{which}scale": "log", f"{which}lim": (low, high)})
    axis.set_ticks(places, [number(place) for place in places])
    axis.set_ticks([], minor=True)


def ticks(low: float, high: float) -> list[float]:
    """Returns round numbers within `low`..`high` that lie well on a logarithmic axis."""
    if high / low < 5:
        found: Any = MaxNLocator(nbins=5, steps=(1, 2, 5, 10)).tick_values(low, high)
    else:
        found = LogLocator(subs=(1, 2, 5) if high / low < 1000 else (1,)).tick_values(low, high)
    return [tick for tick in map(float, found) if low <= tick <= high]


def number(value: float) -> str:
    """A tick's label."""
    return f"{value:,.6g}" if value < 1e5 else f"{value:,.0f}"


def thousands(axes: Axes) -> None:
    """Makes y begin at zero, with commas in its numbers."""
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))


def css(colour: str) -> str:
    """Returns the CSS that a placeholder colour stands for."""
    return _VARIABLES[colour]
