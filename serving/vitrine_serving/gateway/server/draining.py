"""Draining of the whole gateway: its master says so, and each of its processes knows at once."""

from vitrine_serving.gateway.shared_memory import int_cells


class Draining:
    """Draining, begun or not, as all processes see it; make it before the fork."""

    def __init__(self) -> None:
        self._begun = int_cells(1)

    def begin(self) -> None:
        """Says that the gateway is about to end."""
        self._begun[0] = 1

    @property
    def has_begun(self) -> bool:
        """Says whether the gateway is about to end."""
        return bool(self._begun[0])
