"""Flags of pictures: what people say that a picture is, of which a model said otherwise.

The gateway writes a line for each to its feedback file:

    {"time": "2026-11-30T20:00:00Z", "request_id": "7f0c", "index": 0, "model": "mlp",
     "asked_version": 3, "class_id": 6, "label": "Shirt", "key": "mobile-app"}

`index` is the picture's place in its request. `asked_version` and `key` may be missing. The label's
name counts: class ids may have moved.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from vitrine_client.results import json_values
from vitrine_training.data.feedback.lines import BrokenLines, LogLine, lines, rotated
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.files import cut, shown

MOST_FLAGS = 100_000
"""Different flags that are read: people do not flag more, and each may have a picture."""

MOST_LINE_BYTES = 1 << 16
_MOST_INDEX = 1_000_000
_MOST_LETTERS = 1_000
"""Letters of a name; a model's labels have 200 at most, and a request id is shorter."""


@dataclass(frozen=True, order=True)
class FlaggedPicture:
    """Flag of one picture: `label` is the right one, as `key` says, the name of an API key."""

    model: str
    request_id: str
    index: int
    label: str
    key: str

    @property
    def picture(self) -> tuple[str, str, int]:
        """Model, request and place in it that were answered."""
        return self.model, self.request_id, self.index

    @property
    def words(self) -> str:
        """Request and place for a message, and the label."""
        return f"picture {self.index:,} of {cut(self.request_id)!r} as {cut(self.label)!r}"


@dataclass(frozen=True)
class FlaggedPictures:
    """Flags of some files: each counts once, in an order that does not depend on the files'."""

    every: tuple[FlaggedPicture, ...]
    notes: tuple[str, ...]


def read(paths: Iterable[Path]) -> FlaggedPictures:
    """Returns the flags in feedback files, and those that they were rotated to.

    Lines that are no JSON are passed over and noted, as a writer that was killed leaves some.
    Raises `DataError` where a file cannot be read, has no other lines, or has one of another kind.
    """
    found: set[FlaggedPicture] = set()
    notes: list[str] = []
    for log in rotated(paths):
        broken = BrokenLines()
        for line in lines(log, MOST_LINE_BYTES):
            if line.fault:
                broken.add(line, line.fault)
                continue
            found.add(_flag(line))
            broken.whole += 1
            if len(found) > MOST_FLAGS:
                raise DataError(
                    f"{shown(log.path)}: there are more than {MOST_FLAGS:,} different flags; leave "
                    "some of them out"
                )
        notes += broken.told(log.path, "a feedback file")
    return FlaggedPictures(tuple(sorted(found)), tuple(notes))


def _flag(line: LogLine) -> FlaggedPicture:
    try:
        members = line.members
        _check_time(members)
        for name in ("class_id", "asked_version"):
            if members.get(name) is not None or name == "class_id":
                _place(members, name, json_values.NEWEST)
        return FlaggedPicture(
            model=_text(members, "model"),
            request_id=_text(members, "request_id"),
            index=_place(members, "index", _MOST_INDEX),
            label=_text(members, "label"),
            key=_text(members, "key", least=0) if "key" in members else "",
        )
    except ValueError as error:
        raise DataError(
            f"{line.place} is no line of feedback ({error}): mend it, or take it out"
        ) from error


def _member(members: dict[str, Any], name: str) -> Any:
    if name not in members:
        raise ValueError(f"`{name}` is missing")
    return members[name]


def _text(members: dict[str, Any], name: str, least: int = 1) -> str:
    found = _member(members, name)
    if not isinstance(found, str) or not least <= len(found) <= _MOST_LETTERS:
        raise ValueError(f"`{name}` is no text of {least} to {_MOST_LETTERS:,} letters")
    return found


def _place(members: dict[str, Any], name: str, most: int) -> int:
    found = _member(members, name)
    if not isinstance(found, int) or isinstance(found, bool) or not 0 <= found <= most:
        raise ValueError(f"`{name}` is no whole number from 0 to {most:,}")
    return found


def _check_time(members: dict[str, Any]) -> None:
    try:
        datetime.fromisoformat(_text(members, "time"))
    except ValueError as error:
        raise ValueError("`time` is missing, or no time as in 2026-11-30T20:00:00Z") from error
