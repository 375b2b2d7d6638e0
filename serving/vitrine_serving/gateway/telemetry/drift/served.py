"""Served versions: finds the drift windows of versions that no model server has any more."""

import asyncio
from collections.abc import Collection

from vitrine_serving.gateway.upstream.model_servers import ModelServers

_SERVED = frozenset({"START", "LOADING", "AVAILABLE"})
"""States of a version that answers, or soon will (again): of a server that was restarted, say."""

_TIMEOUT_S = 0.5
"""For those who are asked: a scrape waits for them, and the next one asks again."""


async def ended(
    versions: Collection[tuple[str, int]], servers: ModelServers
) -> set[tuple[str, int]]:
    """Returns those of the models' versions that no model server serves.

    As long as a server does not answer, no version is said to have ended: it may have it. Raises
    nothing.
    """
    models = sorted({model for model, _ in versions})
    found = await asyncio.gather(*(_served(model, servers) for model in models))
    served = dict(zip(models, found, strict=True))
    return {
        (model, version)
        for model, version in versions
        if (known := served[model]) is not None and version not in known
    }


async def _served(model: str, servers: ModelServers) -> set[int] | None:
    """Returns the versions that any server serves; None where that is not known."""
    said = await servers.all_statuses(model, timeout_s=_TIMEOUT_S)
    if None in said:
        return None
    statuses = [status for one in said for status in one or ()]
    return {status.version for status in statuses if status.state in _SERVED}
