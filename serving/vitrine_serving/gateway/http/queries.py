"""Query parameters of an address; of one that is repeated the last counts."""

import math
from urllib.parse import parse_qs

from vitrine_client.errors import InvalidRequest

_LONGEST = 9  # digits; no count of ours comes near
_ECHOED = 80  # characters of what makes no sense


def top_k(query: str) -> int | None:
    """Returns how many classes are wanted, or None for all. Raises `InvalidRequest`."""
    count = _number(query, "top_k", "is no count; send a number from 1")
    if count == 0:
        raise InvalidRequest("top_k=0 would leave nothing; send a number from 1")
    return count


def class_id(query: str) -> int | None:
    """Returns which class is meant, or None for the one that is answered. Raises
    `InvalidRequest`."""
    return _number(query, "class_id", "is no class; send its index, a number from 0")


def box(query: str) -> tuple[float, float, float, float] | None:
    """Returns where the item of a picture is, as x, y, width and height, or None for where it is
    found. Raises `InvalidRequest` where that is not four finite numbers; the rest is for who has
    the picture."""
    text = _text(query, "box") if query else None
    if text is None:
        return None
    numbers = [_real(part) for part in text.split(",")]
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)):
        raise InvalidRequest(
            f"box={text[:_ECHOED]!r} is no box; send x,y,width,height, four numbers in pixels of "
            "the upright picture"
        )
    x, y, width, height = numbers
    return x, y, width, height


def models(query: str) -> bool:
    """Returns whether models are asked about, too; `models=0` does not ask."""
    return bool(query) and _text(query, "models") not in (None, "0")


def _number(query: str, name: str, wrong: str) -> int | None:
    text = _text(query, name) if query else None
    if text is None:
        return None
    if not text.isascii() or not text.isdecimal() or len(text) > _LONGEST:
        told = f"{name}={text[:_ECHOED]!r} {wrong}"
        raise InvalidRequest(f"{told}, of up to {_LONGEST} digits")
    return int(text)


def _real(text: str) -> float:
    """Returns a number, or NaN where the text is none."""
    if not text.isascii() or "_" in text:
        return math.nan
    try:
        return float(text)
    except ValueError:
        return math.nan


def _text(query: str, name: str) -> str | None:
    values = parse_qs(query, keep_blank_values=True).get(name)
    return values[-1] if values else None
