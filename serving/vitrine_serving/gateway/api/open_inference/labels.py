"""Labels of classes: those that a version says for an output, if it is a classifier's."""

import time
from collections.abc import Sequence

from vitrine_client.errors import VitrineError
from vitrine_serving.gateway.upstream.model_servers import ModelServers


class Labels:
    """Labels of outputs; lives in one event loop."""

    def __init__(self, servers: ModelServers) -> None:
        self._servers = servers

    async def of_output(
        self, model: str, version: int, signature: str, output: str, deadline: float
    ) -> Sequence[str]:
        """Returns the labels of the classes that an output has numbers for, none where they are not
        known: classes have their numbers all the same. Raises nothing."""
        left_s = max(deadline - time.monotonic(), 0.001)
        try:
            found = await self._servers.describe(model, version, timeout_s=left_s)
        except VitrineError:
            return ()
        profile = found.profile
        if not profile or (signature, output) != (profile.signature, profile.output):
            return ()
        return found.labels
