"""JSON values of an answer, each checked to be of its kind: whatever answers may send anything.

All raise `ValueError`, or as a mapping without its members does, and show no more of a value than
its beginning.
"""

import math
import re
import reprlib
from typing import Any

NEWEST = 2**63 - 1
"""The largest version there can be: TensorFlow Serving has them in an int64."""


_WHOLE = re.compile(r"-?[0-9]{1,19}", re.ASCII)


def whole(value: Any) -> int:
    """Returns a whole number of an int64, which protobuf's JSON has as text."""
    found = int(value) if isinstance(value, str) and _WHOLE.fullmatch(value) else value
    if not isinstance(found, int) or isinstance(found, bool) or not ~NEWEST <= found <= NEWEST:
        raise ValueError(f"{reprlib.repr(value)} is no whole number, or beyond all")
    return found


def version(value: Any) -> int:
    """Returns the number of a version, from 0 to `NEWEST`."""
    found = whole(value)
    if found < 0:
        raise ValueError(f"{found} is no version")
    return found


def number(value: Any) -> float:
    """Returns a finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise ValueError(f"{reprlib.repr(value)} is no number")
    if not math.isfinite(value):  # OverflowError beyond all floats, as JSON's whole numbers may be
        raise ValueError(f"{value} is no finite number")
    return float(value)


def maybe(value: Any) -> float | None:
    """Returns a finite number, or None for null, which stands for one that is not known."""
    return None if value is None else number(value)


def text(value: Any) -> str:
    """Returns a text."""
    if not isinstance(value, str):
        raise ValueError(f"{reprlib.repr(value)} is no text")
    return value


def texts(value: Any) -> tuple[str, ...]:
    """Returns the texts in a list."""
    return tuple(map(text, items(value)))


def items(value: Any) -> list[Any]:
    """Returns a list."""
    if not isinstance(value, list | tuple):
        raise ValueError(f"{reprlib.repr(value)} is no list")
    return list(value)


def members(value: Any) -> dict[str, Any]:
    """Returns an object."""
    if not isinstance(value, dict):
        raise ValueError(f"{reprlib.repr(value)} is no object")
    return value
