"""Finding: one line of a diagnosis, with the observation and the advice."""

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """Severity of a finding: only a problem makes the diagnosis a bad one."""

    OK = "ok"
    NOTE = "note"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """Observation about `name`; `todo` is the advice, and a problem always has it."""

    name: str
    level: Level
    seen: str
    todo: str = ""


def ok(name: str, seen: str) -> Finding:
    """Returns a finding that needs no attention."""
    return Finding(name, Level.OK, seen)


def note(name: str, seen: str, todo: str = "") -> Finding:
    """Returns a finding that is good to know, and hinders nobody."""
    return Finding(name, Level.NOTE, seen, todo)


def problem(name: str, seen: str, todo: str) -> Finding:
    """Returns a finding that something is broken, or will be."""
    return Finding(name, Level.PROBLEM, seen, todo)
