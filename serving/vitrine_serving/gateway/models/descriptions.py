"""Description cache: labels and cards of versions, each of which is asked once."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from vitrine_client.errors import DeadlineExceeded
from vitrine_client.results.predictions import Description

_MOST_KNOWN = 256  # far more versions than are ever served at a time

Ask = Callable[[], Coroutine[Any, Any, Description]]


class Descriptions:
    """Cache of descriptions; requests for the same one share the call.

    Lives in one running event loop.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], Description] = {}
        self._asking: dict[tuple[str, int], asyncio.Task[Description]] = {}

    async def close(self) -> None:
        """Waits for the calls that are out; end their connections first."""
        await asyncio.gather(*self._asking.values(), return_exceptions=True)

    def known(self, model: str, version: int) -> Description | None:
        """Returns a description that was asked for before."""
        return self._known.get((model, version))

    def forget(self, model: str, version: int) -> None:
        """Forgets a description, if it is known."""
        self._known.pop((model, version), None)

    async def get(self, model: str, version: int, ask: Ask, *, timeout_s: float) -> Description:
        """Returns a description, by `ask` if it is not known yet and nobody is asking.

        Raises what that raises, and `DeadlineExceeded` after `timeout_s`; a call goes on then, and
        when its first asker is cancelled, for the others.
        """
        key = (model, version)
        if key in self._known:
            return self._known[key]
        if key not in self._asking:
            asking = asyncio.create_task(self._ask(key, ask))
            # Those who wait raise its error; asyncio would log it if nobody does any more.
            asking.add_done_callback(lambda task: task.cancelled() or task.exception())
            self._asking[key] = asking
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(self._asking[key])
        except TimeoutError:
            raise DeadlineExceeded(
                f"Version {version} of {model} did not say in time what its labels are"
            ) from None

    async def _ask(self, key: tuple[str, int], ask: Ask) -> Description:
        try:
            description = await ask()
        finally:
            del self._asking[key]
        if len(self._known) >= _MOST_KNOWN:
            del self._known[next(iter(self._known))]  # the oldest
        self._known[key] = description
        return description
