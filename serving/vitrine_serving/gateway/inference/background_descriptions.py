"""Background descriptions: those of versions that have answered, asked while nobody waits."""

import asyncio
import time
from collections.abc import Callable
from typing import NamedTuple

from vitrine_client.errors import VitrineError
from vitrine_client.results.profiles.description import Description
from vitrine_serving.gateway.inference.faults import fault_of
from vitrine_serving.gateway.upstream.model_servers import ModelServers

_MOST_KNOWN = 256  # as many versions as descriptions are kept of
_MOST_WAITING = 32  # questions that are open at a time
_DESCRIBE_S = 10.0
_FRESH_S = 60.0

Told = Callable[[Description], None]
"""Takes the description of a version."""


class _Known(NamedTuple):
    """Description, None where a version says nothing of itself that makes sense."""

    description: Description | None
    asked_s: float


class BackgroundDescriptions:
    """Memory of descriptions by model and version; lives in one event loop. What is older than a
    minute is still told, and asked again: a version may be published again under its number."""

    def __init__(self, servers: ModelServers, now: Callable[[], float] = time.monotonic) -> None:
        self._servers = servers
        self._now = now
        self._known: dict[tuple[str, int], _Known] = {}
        self._asked: set[tuple[str, int]] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def recall(self, model: str, version: int) -> Description | None:
        """Returns a description that is known; where it is not, or not any more, it is asked."""
        key = model, version
        known = self._known.get(key)
        is_fresh = known and self._now() - known.asked_s <= _FRESH_S
        if not is_fresh and key not in self._asked:
            self._ask(key)
        return known and known.description

    def tell(self, model: str, version: int, told: Told) -> None:
        """Calls `told` with a description, at once where it is known; never where a version says
        nothing of itself, or too many wait."""
        key = model, version
        if key not in self._known:
            self._ask(key, told)
        elif found := self.recall(model, version):
            told(found)

    def _ask(self, key: tuple[str, int], told: Told | None = None) -> None:
        if len(self._tasks) >= _MOST_WAITING:
            return
        task = asyncio.create_task(self._learn(key, told))
        self._asked.add(key)
        self._tasks.add(task)  # a loop keeps no reference of its own
        task.add_done_callback(self._tasks.discard)

    async def _learn(self, key: tuple[str, int], told: Told | None) -> None:
        model, version = key
        found: Description | None = None
        try:
            found = await self._servers.describe(model, version, timeout_s=_DESCRIBE_S)
        except VitrineError as error:
            if fault_of(error) == "server":
                return
        finally:
            self._asked.discard(key)
        self._known.pop(key, None)
        if len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]  # the oldest
        self._known[key] = _Known(found, self._now())
        if found and told:
            told(found)
