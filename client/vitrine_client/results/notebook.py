"""Notebook tables: HTML that Jupyter and others show of a result, escaped, without scripts.

Styles are inline, and colours the notebook's own but for the bars, so that light and dark
themes both fit.
"""

import base64
import html
from collections.abc import Iterable, Sequence
from typing import NamedTuple

_CELL = "text-align:left;padding:2px 8px"
_BAR = "display:inline-block;height:0.8em;background:#e07b00;vertical-align:middle"
_WIDTH_EM = 8


class Row(NamedTuple):
    """A row with a bar: its name, the share of the bar's width (0..1), and cells behind it."""

    name: str
    share: float | None
    note: str = ""


def paragraph(text: str) -> str:
    """Returns a paragraph of plain text."""
    return f"<p>{html.escape(text)}</p>"


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a table of plain text."""
    return _table(headings, ([html.escape(cell) for cell in row] for row in rows))


def bars(headings: Sequence[str], rows: Iterable[Row]) -> str:
    """Returns a table whose rows have their share in per cent, a bar as long, and a note."""
    return _table(
        headings,
        (
            [html.escape(row.name), per_cent(row.share), _bar(row.share), html.escape(row.note)]
            for row in rows
        ),
    )


def picture(png: bytes, alternative: str, size_px: int) -> str:
    """Returns a square picture with a text for those who do not see it."""
    data = base64.b64encode(png).decode()
    return (
        f'<img src="data:image/png;base64,{data}" alt="{html.escape(alternative)}" '
        f'width="{size_px}" height="{size_px}" style="image-rendering:pixelated">'
    )


def per_cent(share: float | None) -> str:
    """Returns a share in per cent, or a dash."""
    return "–" if share is None else f"{100 * share:.1f} %"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col" style="{_CELL}">{html.escape(one)}</th>' for one in headings)
    body = "".join(_row(row) for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _row(cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>"


def _bar(share: float | None) -> str:
    width_em = _WIDTH_EM * min(max(share or 0.0, 0.0), 1.0)
    return f'<span style="{_BAR};width:{width_em:.2f}em"></span>'
