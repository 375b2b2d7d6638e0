"""Axes of the report's plots: one plot in a picture, with round numbers."""

from collections.abc import Callable, Iterable
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

from vitrine_client.look import svg

_HEIGHT = 3.5
"""Of a plot, in inches of 72 units."""

Draw = Callable[[Axes], None]


def drawn(draw: Draw, name: str, alt: str, *, x: str, y: str) -> str:
    """Returns what `draw` draws as inline SVG; `x` and `y` name the axes, `alt` says what is to be
    seen, `name` is the picture's own."""

    def on_figure(figure: Figure) -> None:
        axes = figure.add_subplot()
        svg.style(axes, x, y)
        draw(axes)

    return svg.inline(on_figure, _HEIGHT, name, alt)


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
