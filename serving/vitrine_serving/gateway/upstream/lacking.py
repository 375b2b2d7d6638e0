"""Memory of what a server has just said that it cannot answer for: models, and versions of them."""

import time

from vitrine_serving.gateway.models.reference import ModelRef

_LACKING_S = 1.0


class Lacking:
    """Memory of the models and versions that a server has just said it does not have, has no room
    for, or cannot compute, as another could."""

    def __init__(self) -> None:
        self._until_s: dict[ModelRef, float] = {}

    def note(self, model: ModelRef) -> None:
        """Notes that the server cannot answer; for a second, in which a version may be loaded."""
        now_s = time.monotonic()
        self._until_s = {each: end_s for each, end_s in self._until_s.items() if end_s > now_s}
        self._until_s[model] = now_s + _LACKING_S

    def __contains__(self, model: ModelRef | None) -> bool:
        """Whether the server has just said that it cannot answer."""
        return (
            self._until_s.get(model, 0.0) > time.monotonic() if self._until_s and model else False
        )
