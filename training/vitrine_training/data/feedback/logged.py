"""Logged pictures: what a model saw and answered, of the requests that somebody flagged.

The gateway's prediction log has them where `VITRINE_PREDICTION_LOG_IMAGES=1`. It may have
gigabytes, so it is read line by line, and a line of another request is not even parsed.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vitrine_client.results import json_values, strict_json
from vitrine_training.data.feedback.budget import Budget
from vitrine_training.data.feedback.flags import FlaggedPicture
from vitrine_training.data.feedback.lines import BrokenLines, LogFile, LogLine, lines, rotated

MOST_LINE_BYTES = 128 << 20
"""Bytes of a line; one of 256 pictures of 28x28 has a quarter of a megabyte."""

MOST_PNG_BYTES = 4 << 20
"""Bytes of a picture: the largest that is trained on, 512x512 in colour, has less than one."""

_MOST_TIMES = 8
"""Different pictures that are kept of one place: two are too many already."""

_REQUEST_ID = re.compile(rb'"request_id"\s*:\s*("(?:[^"\\]|\\.)*")')
_PICTURE = tuple[str, str, int]


@dataclass
class LoggedPicture:
    """Picture at a place of a request: PNG files of it, of which there are several where a request
    id came again with something else, and the labels that were answered.

    `bad` counts the lines in which it was none that a model can see.
    """

    pngs: set[bytes] = field(default_factory=set)
    answers: set[str] = field(default_factory=set)
    bad: int = 0


@dataclass(frozen=True)
class Logged:
    """Pictures by model, request and place, and notes about the log."""

    pictures: Mapping[_PICTURE, LoggedPicture]
    notes: tuple[str, ...]


def read(paths: Iterable[Path], flags: Iterable[FlaggedPicture]) -> Logged:
    """Returns the pictures of flags in prediction logs, and those that they were rotated to.

    Lines that are none of a prediction log are passed over, and noted. Raises `DataError` where a
    file cannot be read, or has no other lines, and where the pictures take too much memory.
    """
    places: dict[str, set[int]] = {}
    for flag in flags:
        places.setdefault(flag.request_id, set()).add(flag.index)
    found: dict[_PICTURE, LoggedPicture] = {}
    budget = Budget("the flagged pictures of the prediction log")
    notes: list[str] = []
    for log in rotated(paths):
        notes += _read(log, places, found, budget)
    return Logged(found, tuple(notes))


class _Wanted:
    """Filter of lines by the request id in their beginning; `others` counts those passed over."""

    def __init__(self, places: Mapping[str, set[int]]) -> None:
        self._places = places
        self.others = 0

    def __call__(self, head: bytes) -> bool:
        told = _REQUEST_ID.search(head)
        try:
            if told is None or strict_json.loads(told[1]) in self._places:
                return True  # without an id, for the fault
        except ValueError:
            return True
        self.others += 1
        return False


def _read(
    log: LogFile,
    places: Mapping[str, set[int]],
    found: dict[_PICTURE, LoggedPicture],
    budget: Budget,
) -> Iterator[str]:
    """Adds the pictures of one file; yields notes."""
    wanted = _Wanted(places)
    broken = BrokenLines()
    for line in lines(log, MOST_LINE_BYTES, wanted):
        try:
            if line.fault:
                raise ValueError(line.fault)
            _note(line, places, found, budget)
            broken.whole += 1
        except ValueError as error:
            broken.add(line, str(error))
    broken.whole += wanted.others
    yield from broken.told(log.path, "a prediction log")


def _note(
    line: LogLine,
    places: Mapping[str, set[int]],
    found: dict[_PICTURE, LoggedPicture],
    budget: Budget,
) -> None:
    """Adds the flagged pictures of a line. Raises `ValueError` where it is none of the log."""
    members = line.members
    request_id = json_values.text(members.get("request_id"))
    if "results" not in members:  # it was refused, or nobody noted what was answered
        return
    model = json_values.text(members.get("model"))
    results = json_values.items(members["results"])
    instances = members.get("instances")
    pngs = None if instances is None else json_values.items(instances)
    if pngs is not None and len(pngs) != len(results):
        raise ValueError("there are more results than pictures, or fewer")
    for index in places.get(request_id, ()):
        place = _place(index, members.get("empty", []))
        if place is None or place >= len(results):
            continue
        picture = found.setdefault((model, request_id, index), LoggedPicture())
        _note_result(picture, json_values.members(results[place]), budget)
        if pngs is not None:
            _note_png(picture, pngs[place], budget)


def _place(index: int, empty: Any) -> int | None:
    """Returns a picture's place among those that were shown to a model, None of an empty one."""
    places = [json_values.version(each) for each in json_values.items(empty)]
    return None if index in places else index - sum(each < index for each in set(places))


def _note_result(picture: LoggedPicture, result: dict[str, Any], budget: Budget) -> None:
    if "error" in result:
        picture.bad += 1
    elif len(picture.answers) < _MOST_TIMES:
        label = json_values.text(result.get("label"))
        if label not in picture.answers:
            budget.take(len(label))
            picture.answers.add(label)


def _note_png(picture: LoggedPicture, png: Any, budget: Budget) -> None:
    if png is None or len(picture.pngs) >= _MOST_TIMES:
        return
    text = json_values.text(png)
    if len(text) > MOST_PNG_BYTES * 4 // 3 + 4:
        raise ValueError(f"a picture has more than {MOST_PNG_BYTES:,} bytes")
    try:
        content = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("a picture is not in Base64") from error
    if content not in picture.pngs:
        budget.take(len(content))
        picture.pngs.add(content)
