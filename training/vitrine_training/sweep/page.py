"""Page of a sweep: a dot for every seed of each variant, and the table, as a file of its own."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from vitrine_client.look import reports, svg
from vitrine_training.sweep.ranking import Standing
from vitrine_training.sweep.results import Measure

MOST_DRAWN = 40
"""Variants that are drawn, the best ones; the table has all."""

_LONGEST_LABEL = 24
_INCHES_EACH, _INCHES_AROUND = 0.3, 0.75


def write(
    path: Path,
    standings: Sequence[Standing],
    measure: Measure,
    *,
    source: str,
    conclusion: str,
    command: str | None,
    at: str,
) -> Path:
    """Writes the page and returns its path. Raises `OSError`."""
    placed = [standing for standing in standings if standing.validation]
    best = placed[0] if placed else None
    figure = f"{best.variant}: {shown(best.validation.median)}" if best and best.validation else ""
    runs = sum(len(standing.results) for standing in standings)
    page = (
        reports.environment("vitrine_training.sweep")
        .get_template("sweep.html")
        .render(
            about=reports.About("sweep", f"Sweep over {Path(source).name}", figure, at),
            standings=standings,
            drawn=placed[:MOST_DRAWN],
            placed=len(placed),
            best=best,
            measure=measure,
            source=source,
            name=Path(source).name,
            conclusion=conclusion,
            command=command,
            at=at,
            runs=runs,
            dots=dots(placed[:MOST_DRAWN], measure) if placed else "",
            named=_named,
            shown=shown,
        )
    )
    return reports.write(path, page)


def shown(figure: float | None) -> str:
    """Returns a figure as text."""
    if figure is None:
        return "–"
    return f"{figure:.4f}" if figure >= 0.01 or figure == 0 else f"{figure:.3g}"


def dots(standings: Sequence[Standing], measure: Measure) -> str:
    """Returns an SVG of the validation figures: a row for each variant, the best above, a dot for
    each seed and a line at the median."""

    def draw(figure: Figure) -> None:
        axes = figure.add_subplot()
        for row, standing in enumerate(standings):
            values = [one.validation for one in standing.done if one.validation is not None]
            colour = svg.ACCENT if row == 0 else svg.VIOLET
            rows = [row + offset for offset in _offsets(len(values))]
            axes.plot(values, rows, "o", color=colour, alpha=0.8, markersize=5, clip_on=False)
            if standing.validation and standing.validation.median is not None:
                median = standing.validation.median
                axes.plot([median] * 2, [row - 0.32, row + 0.32], color=svg.INK, linewidth=1.5)
        axes.set_yticks(
            range(len(standings)),
            [_named(place, standing) for place, standing in enumerate(standings, 1)],
        )
        axes.set_ylim(len(standings) - 0.5, -0.5)
        axes.margins(x=0.06)
        svg.style(axes, f"validation {measure.name}", "variant")

    height = _INCHES_AROUND + _INCHES_EACH * max(len(standings), 2)
    described = "; ".join(
        f"{standing.variant}: {', '.join(shown(result.validation) for result in standing.done)}"
        for standing in standings
    )
    return svg.inline(draw, height, "sweep", f"Validation {measure.name} by variant. {described}")


def _offsets(count: int) -> list[float]:
    """Returns how far dots of a row are from its middle: equal ones are seen one by one."""
    width = min(0.44, 0.11 * (count - 1))
    return [width * (number / max(count - 1, 1) - 0.5) for number in range(count)]


def _named(place: int, standing: Standing) -> str:
    """Returns the name of a variant beside the plot, its place in the table where it is long."""
    name = str(standing.variant)
    return name if len(name) <= _LONGEST_LABEL else f"No. {place}"
