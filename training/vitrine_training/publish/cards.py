"""Cards of versions, as far as they make sense: one that is damaged says nothing."""

import json
import math
from pathlib import Path
from typing import Any

PATH = "assets.extra/card.json"
"""Where a version's card is."""


class DamagedCardError(Exception):
    """A card is there, and it is none."""


def checked(version_dir: Path) -> dict[str, Any]:
    """Returns the card of a version, {} where it has none. Raises `DamagedCardError`, or `OSError`
    where it may not be read."""
    try:
        card = json.loads((version_dir / PATH).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (ValueError, RecursionError) as error:
        raise DamagedCardError(f"{PATH} is no card: {error}") from error
    if not isinstance(card, dict):
        raise DamagedCardError(f"{PATH} is no card: it is no object")
    return card


def read(version_dir: Path) -> dict[str, Any]:
    """Returns the card of a version, {} where it has none that can be read."""
    try:
        return checked(version_dir)
    except (DamagedCardError, OSError):
        return {}


def metric(card: dict[str, Any], name: str) -> float | None:
    """Returns a figure of a card; None where it has none that is a number."""
    metrics = card.get("metrics")
    found = metrics.get(name) if isinstance(metrics, dict) else None
    return found if isinstance(found, int | float) and math.isfinite(found) else None


def text(card: dict[str, Any], name: str) -> str | None:
    """Returns a text of a card; None where it has none."""
    found = card.get(name)
    return found if isinstance(found, str) else None
