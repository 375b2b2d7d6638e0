"""Output formats of predictions, written one after the other: as a table, as JSON or as CSV."""

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from vitrine_client.errors import EmptyPicture
from vitrine_client.process.visible import visible, visible_lines
from vitrine_client.results import strict_json
from vitrine_client.results.predictions import Prediction

BAR = 20
"""Characters of a bar that stands for certainty."""

Write = Callable[[str, Prediction | Exception], None]
"""Writes the answer for a picture, or its error."""


def as_json(console: Console, top: int | None) -> Write:
    """Writes an object a line: `picture`, and a `Prediction`'s members, or `error`, or of one that
    shows nothing `empty` and `warnings`, as a gateway answers it.

    `top` leaves the most probable classes in `probabilities`, best first.
    """

    def write(name: str, answer: Prediction | Exception) -> None:
        content: dict[str, Any] = {"error": str(answer)}
        if isinstance(answer, Prediction):
            content = answer.to_dict()
            if top:
                content["probabilities"] = dict(answer.top(top))
        elif isinstance(answer, EmptyPicture):
            content = {"empty": True, "warnings": answer.warnings or (str(answer),)}
        _line(console, strict_json.dumps({"picture": name} | content))

    return write


def as_csv(console: Console, top: int | None) -> Write:
    """Writes a header and a row a picture, whose `error` is empty where it has a prediction, and
    whose `warnings` are separated by semicolons.

    With a `top` of 3, `label_2`, `probability_2`, `label_3` and `probability_3` come after it.
    """
    more = range(2, (top or 1) + 1)
    header = ["picture", "label", "class_id", "probability", "model", "version", "error"]
    header += ["warnings"]
    _csv_line(console, header + [f"{kind}_{n}" for n in more for kind in ("label", "probability")])

    def write(name: str, answer: Prediction | Exception) -> None:
        if isinstance(answer, Prediction):
            row = [name, answer.label, answer.class_id, answer.probability]
            row += [answer.model, answer.version, "", "; ".join(answer.warnings)]
            cells = [cell for pair in answer.top(len(more) + 1)[1:] for cell in pair]
        else:
            row, cells = [name, *[""] * 5, str(answer), "; ".join(_beside(answer))], []
        _csv_line(console, row + cells + [""] * (2 * len(more) - len(cells)))

    return write


def as_table(console: Console, top: int | None, names: Sequence[str]) -> Write:
    """Writes aligned rows, `top` of them a picture, and its warnings below; errors in red where
    there are colours.

    The columns fit `names` and the first prediction's labels, so that no row waits for another.
    """
    shown = _short(names)
    widest = console.width // 2 if console.is_terminal else 10_000
    width = min(widest, max(cell_len(name) for name in ("picture", *shown.values())))
    block = "#" if console.options.ascii_only else "█"
    label_width = 0

    def line(*cells: str, style: str = "", bar: str = "") -> None:
        name, label, share, blocks, model = cells
        text = Text.assemble(_fit(name, width), "  ", _fit(label, label_width), "  ")
        text.append(f"{share:>11}  ").append(f"{blocks:<{BAR}}", bar).append(f"  {model}")
        text.stylize(style)
        text.rstrip()
        console.print(text, soft_wrap=True)

    def note(warnings: Sequence[str]) -> None:
        if warnings:
            text = Text(" " * (width + 2)).append(visible("; ".join(warnings)), "dim")
            console.print(text, soft_wrap=True)

    def write(name: str, answer: Prediction | Exception) -> None:
        nonlocal label_width
        if not label_width:
            labels = answer.probabilities if isinstance(answer, Prediction) else ("T-shirt/top",)
            label_width = max(map(cell_len, ("label", *map(visible, labels))))
            line("picture", "label", "probability", "", "model", style="dim")
        if not isinstance(answer, Prediction):
            told = visible(" ".join(str(answer).split()))
            colour = "yellow" if isinstance(answer, EmptyPicture) else "red"
            error = Text.assemble(_fit(shown[name], width), "  ", (told, colour))
            console.print(error, soft_wrap=True)
            note(_beside(answer))
            return
        for rank, (label, share) in enumerate(answer.top(top or 1)):
            version = f"/{answer.version}" if answer.version else ""  # 0 of a server without any
            model = "" if rank else visible(f"{answer.model}{version}")
            blocks = block * round(share * BAR)
            cells = ("" if rank else shown[name], visible(label), f"{share:.3f}", blocks, model)
            line(*cells, bar="cyan")
        note(answer.warnings)

    return write


def _beside(failure: Exception) -> list[str]:
    """Warnings of a picture besides its failure."""
    warnings = failure.warnings if isinstance(failure, EmptyPicture) else ()
    return [warning for warning in warnings if warning != str(failure)]


def _short(names: Sequence[str]) -> dict[str, str]:
    """Shown name of each: its last part, unless two of them have the same."""
    last = {name: Path(name).name or name for name in names}
    kept = last if len(set(last.values())) == len(last) else {name: name for name in names}
    return {name: visible(text) for name, text in kept.items()}


def _fit(text: str, width: int) -> Text:
    fitted = Text(text)
    fitted.truncate(width, overflow="ellipsis", pad=True)
    return fitted


def _csv_line(console: Console, cells: Sequence[object]) -> None:
    buffer = io.StringIO()
    # With neither in it, Python 3.11 quotes no cell with the end of a line in it.
    csv.writer(buffer, lineterminator="\r\n").writerow(cells)
    _line(console, buffer.getvalue().removesuffix("\r\n"))


def _line(console: Console, text: str) -> None:
    """As it is: a console would wrap it, paint words in brackets, and leave out what it would obey,
    such as a bell in a file's name."""
    console.out(visible_lines(text), highlight=False)
