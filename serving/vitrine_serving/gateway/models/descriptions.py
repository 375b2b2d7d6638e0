"""Description cache: labels and cards of versions, each of which is asked once, and once a minute
whether it is still so: a model server may be started again with other models."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from vitrine_client.errors import DeadlineExceeded
from vitrine_client.results.profiles.description import Description

_MOST_KNOWN = 256  # far more versions than are ever served at a time
_OLD_S, _FRESH_S = 1.0, 60.0

Ask = Callable[[], Coroutine[Any, Any, Description]]


class _Known(NamedTuple):
    description: Description
    asked_s: float


class Descriptions:
    """Cache of descriptions; requests for the same one share the call. One that is older than
    `fresh_s` is asked again, and one older than `old_s` is where it does not fit.

    Lives in one running event loop.
    """

    def __init__(self, old_s: float = _OLD_S, fresh_s: float = _FRESH_S) -> None:
        self._old_s, self._fresh_s = old_s, fresh_s
        self._known: dict[tuple[str, int], _Known] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[Description]] = {}

    async def close(self) -> None:
        """Waits for the calls that are out; end their connections first."""
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    def forget(self, model: str, version: int) -> bool:
        """Forgets a description; returns whether it was an old one, and may be another now."""
        known = self._known.pop((model, version), None)
        return known is not None and time.monotonic() - known.asked_s > self._old_s

    async def get(self, model: str, version: int, ask: Ask, *, timeout_s: float) -> Description:
        """Returns a description, by `ask` if it is not known yet and nobody is asking; nobody waits
        for one that is asked again, and where that fails, it stays as it is.

        Raises what `ask` raises, and `DeadlineExceeded` after `timeout_s`; a call goes on then, and
        when its first asker is cancelled, for the others.
        """
        key = (model, version)
        if known := self._known.get(key):
            if time.monotonic() - known.asked_s > self._fresh_s:
                self._known[key] = known._replace(asked_s=time.monotonic())
                self._begin(key, ask)
            return known.description
        self._begin(key, ask)
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(self._asking[key])
        except TimeoutError:
            raise DeadlineExceeded(
                f"Version {version} of {model} did not say in time what its labels are"
            ) from None

    def _begin(self, key: tuple[str, int], ask: Ask) -> None:
        if key in self._asking:
            return
        asking = asyncio.create_task(self._ask(key, ask))
        # Those who wait raise its error; asyncio would log it if nobody does any more.
        asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        self._asking[key] = asking

    async def _ask(self, key: tuple[str, int], ask: Ask) -> Description:
        try:
            description = await ask()
        finally:
            del self._asking[key]
        if len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]  # the oldest
        self._known[key] = _Known(description, time.monotonic())
        return description
