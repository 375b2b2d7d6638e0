"""Sightings: which cases a real server was seen to answer, and which version, when.

A case says so in its `source` (`seen on 2.20.0, November 2026`); seen.txt has the runs of the whole
table, and `make contract TFS=... RECORD=1` writes it."""

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path

from tests.contract.case import Case

RECORD = Path(__file__).with_name("seen.txt")
_SAID = re.compile(r"seen on (\d+\.\d+\.\d+, [A-Z][a-z]+ \d{4})")
SEEN = "seen on 2.20.0, November 2026"
"""In the source of rows that a real server was seen to answer."""

NOT_SEEN = "not seen"
"""Of rows that are from the code alone: no real server was asked."""


def seen(case: Case) -> str:
    """Returns the version that answered, and the month; `not seen` where that is written of the
    case, and nothing where nothing is."""
    if said := _SAID.search(case.source):
        return said[1]
    return NOT_SEEN if NOT_SEEN in case.source else recorded().get(case.name, "")


@cache
def recorded() -> Mapping[str, str]:
    """Returns version and month by the name of the case."""
    runs = re.split(r"^# ", RECORD.read_text(), flags=re.MULTILINE)[1:]
    lines = (run.splitlines() for run in runs)
    return {name: head for head, *names in lines for name in names if name}


def record(version: str, held: list[str], others: list[str]) -> None:
    """Writes which cases `version` was seen to answer today, and which it was not."""
    lines = [f"# {version}, {date.today():%B %Y}", *held, f"# {NOT_SEEN}", *others]
    RECORD.write_text("\n".join(lines) + "\n")
