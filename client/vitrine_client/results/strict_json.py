"""Strict JSON (RFC 8259) of results: no NaN or Infinity, which most readers refuse."""

import dataclasses
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def plain(value: Any) -> Any:
    """Returns what JSON holds: dataclasses become objects, tuples and arrays lists, paths text, and
    numbers that are not finite null. Raises `TypeError` for what has no such form."""
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
