"""Model reference: names a model, and one of its versions by number or by version label."""

from typing import NamedTuple


class ModelRef(NamedTuple):
    """Model reference; without number and version label it means the newest version."""

    model: str
    version: int | None = None
    label: str | None = None

    @property
    def described(self) -> str:
        """Its meaning, to begin a sentence with."""
        if self.version is not None:
            return f"Version {self.version} of {self.model}"
        return f"The {self.label or 'newest'} version of {self.model}"
