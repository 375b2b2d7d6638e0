"""Model reference: names a model, and one of its versions by number or by version label."""

from typing import NamedTuple


class ModelRef(NamedTuple):
    """Model reference; without number and version label it means the newest version."""

    model: str
    version: int | None = None
    label: str | None = None
