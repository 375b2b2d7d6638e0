"""Flag: the right label of a picture that was answered wrongly, as a line of the feedback log."""

import time
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from vitrine_serving.gateway.telemetry import logs

Place = tuple[str, str, int]
"""Model, request id, and the index of a picture in that request: clients choose ids, and may ask
several models with one."""


class Flagged(NamedTuple):
    """Label that a picture was flagged with, and the model that had answered."""

    model: str
    label: str


@dataclass(frozen=True, slots=True)
class Flag:
    """Flag that somebody, by the name of their `key`, sends of one picture of a request."""

    request_id: str
    index: int
    model: str
    asked_version: int | None
    class_id: int
    label: str
    key: str

    @property
    def place(self) -> Place:
        """Picture that it is about."""
        return self.model, self.request_id, self.index

    @property
    def flagged(self) -> Flagged:
        """What it says of that."""
        return Flagged(self.model, self.label)


def line_of(flag: Flag) -> bytes:
    """Returns the line, with the time of now, and its end; a version that nobody asked for and
    a key that has no name are left out."""
    members = {"time": logs.moment(time.time()), **asdict(flag)}
    if flag.asked_version is None:
        del members["asked_version"]
    if not flag.key:
        del members["key"]
    return f"{logs.json_line(members)}\n".encode()


def read_line(line: bytes) -> tuple[Place, Flagged] | None:
    """Returns what a line says; None of one that is broken, as a process that is killed leaves
    it."""
    try:
        content: Any = orjson.loads(line)
        request_id, index = content["request_id"], content["index"]
        model, label = content["model"], content["label"]
    except (ValueError, LookupError, TypeError):
        return None
    texts = all(isinstance(each, str) for each in (request_id, model, label))
    if not texts or type(index) is not int:
        return None
    flagged = _flagged(model, label)
    return (flagged.model, request_id, index), flagged


@lru_cache(4096)
def _flagged(model: str, label: str) -> Flagged:
    """Returns one object for all pictures of a class, of which a log has a hundred thousand: that
    is less to keep, and less that the garbage collector looks at."""
    return Flagged(model, label)
