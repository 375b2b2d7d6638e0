"""Choices of the table for docs/open-inference.md: where we answer otherwise than Triton."""

from collections.abc import Iterable

from tests.contract.open_inference.cases import ROWS
from tests.contract.open_inference.row import Row, observed
from tests.contract.open_inference.seen import STATUSES

SHOWN = 3
"""Titles of rows that stand for those of the same reason."""

CODES = {status: code for code, status in STATUSES.items()}
HEAD = "| what | Triton | MLServer | KServe | Vitrine | why |\n|---|---|---|---|---|---|"


def choices() -> str:
    """Returns the table: a line for each reason, of all the rows that have it."""
    groups: dict[str, list[Row]] = {}
    for row in ROWS:
        if row.why:
            groups.setdefault(row.why, []).append(row)
    return "\n".join([HEAD, *(_line(why, rows) for why, rows in groups.items())])


def _line(why: str, rows: list[Row]) -> str:
    seen = [observed()[row.id] for row in rows]
    titles = list(dict.fromkeys(each.title.split(" `")[0] for each in seen))
    more = len(titles) - SHOWN
    named = "; ".join(titles[:SHOWN]) + (f"; and {more} more" if more > 0 else "")
    servers = (
        _codes(getattr(each, server).split(" ", 1)[0] for each in seen)
        for server in ("triton", "mlserver", "kserve")
    )
    cells = [named, *servers, _codes(map(_ours, rows)), why]
    return f"| {' | '.join(each.replace('|', '&#124;') for each in cells)} |"


def _ours(row: Row) -> str:
    status = row.answer.status
    return str(status) if row.call.http else CODES.get(status, str(status))


def _codes(codes: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys("" if code == "-" else code for code in codes))
