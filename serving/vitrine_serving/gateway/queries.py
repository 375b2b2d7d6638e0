"""What the query of an address asks for."""

from urllib.parse import parse_qs

from vitrine_client.errors import InvalidRequest

_LONGEST = 9  # digits; no count of ours comes near


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


def _number(query: str, name: str, wrong: str) -> int | None:
    values = parse_qs(query, keep_blank_values=True).get(name) if query else None
    if not values:
        return None
    text = values[-1]
    if not text.isascii() or not text.isdecimal() or len(text) > _LONGEST:
        raise InvalidRequest(f"{name}={text!r} {wrong}")
    return int(text)
