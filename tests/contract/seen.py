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
NOT_SEEN = "not seen"
"""In `source`: no real server was asked."""


def seen(case: Case) -> str:
    """Returns the version that answered, and the month; nothing where none did."""
    said = _SAID.search(case.source)
    return said[1] if said else recorded().get(case.name, "")


@cache
def recorded() -> Mapping[str, str]:
    """Returns version and month by the name of the case."""
    runs = re.split(r"^# ", RECORD.read_text(), flags=re.MULTILINE)[1:]
    lines = (run.splitlines() for run in runs)
    return {name: head for head, *names in lines for name in names if name}


def record(version: str, names: list[str]) -> None:
    """Writes which cases `version` was seen to answer today; those of others are left out."""
    RECORD.write_text("\n".join([f"# {version}, {date.today():%B %Y}", *names]) + "\n")
