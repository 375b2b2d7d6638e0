"""Strict JSON (RFC 8259) of results: no NaN or Infinity, which most readers refuse."""

import dataclasses
import json
import math
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_SHOWN = 40
"""Letters of a name or a number that a message shows."""

_MOST_DIGITS = 400
"""Digits of whole numbers: more than the largest float has."""


def plain(value: Any) -> Any:
    """Returns a value as JSON holds it: dataclasses become objects, tuples and arrays lists, paths
    text, and numbers that are not finite null. Raises `TypeError` for others."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in dataclasses.fields(value)}
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case np.ndarray() | np.generic():
            return plain(_shortest(value).tolist())
        case Mapping():
            return {str(name): plain(each) for name, each in value.items()}
        case list() | tuple():
            return [plain(each) for each in value]
        case Path():
            return str(value)
    raise TypeError(f"JSON has no form for a {type(value).__name__}")


def _shortest(value: npt.NDArray[Any] | np.generic) -> npt.NDArray[Any] | np.generic:
    """Returns float32 as the float64 with the fewest digits that is read as the same number again:
    a tenth as 0.1, where a conversion has 0.10000000149011612."""
    return value.astype(str).astype(np.float64) if value.dtype == np.float32 else value


def dumps(value: Any, *, indent: int | None = None) -> str:
    """Returns a value as JSON, on one line unless there is an `indent`; raises as `plain` does."""
    return json.dumps(plain(value), indent=indent, allow_nan=False)


def loads(text: bytes) -> Any:
    """Returns the value of JSON in UTF-8. Raises `ValueError`, in one short line, where it is none,
    and of all that readers take in different ways: a member that is there twice, a number that is
    not finite or too long, or lists and objects that are nested too deep."""
    try:
        return json.loads(
            text.decode(),
            object_pairs_hook=_told_once,
            parse_constant=_not_finite,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    except UnicodeDecodeError as error:
        raise ValueError("it is not UTF-8") from error


def _told_once(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(members)
    if len(found) < len(members):
        names = Counter(name for name, _ in members)
        twice = next(name for name, times in names.items() if times > 1)
        raise ValueError(f"{twice[:_SHOWN]!r} is there more than once")
    return found


def _not_finite(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _finite(digits: str) -> float:
    found = float(digits)
    if not math.isfinite(found):
        raise ValueError(f"{digits[:_SHOWN]} is beyond all numbers")
    return found


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(digits):,} digits")
    return int(digits)


class JsonRecord:
    """Record, a dataclass whose members JSON can hold."""

    def to_dict(self) -> dict[str, Any]:
        """Returns the members by name, as JSON holds them: arrays and tuples as lists."""
        members: dict[str, Any] = plain(self)
        return members
