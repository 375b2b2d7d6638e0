"""Version resolution: which version of a model would answer, for those who ask it nothing."""

from collections.abc import Sequence

import numpy as np

from vitrine_client.tfserving import messages as calls
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.gateway.api.tensorflow import METADATA
from vitrine_serving.gateway.http.routes import Target
from vitrine_serving.gateway.inference.batcher import Batched, Batcher, Rows
from vitrine_serving.gateway.inference.predictor import Caller, ModelServers, together
from vitrine_serving.gateway.settings import Settings

_ONE = np.empty((1, 0), np.uint8)


class Versions:
    """Lives in one event loop.

    A model server resolves a target as for a prediction, with the same errors, where it is asked
    for metadata. Requests that come while such a call is out share the next: however many empty
    pictures somebody sends, a model server gets one call at a time.
    """

    def __init__(self, servers: ModelServers, settings: Settings) -> None:
        self._servers = servers
        self._settings = settings
        self._batcher = Batcher[int](
            self._ask,
            max_batch_size=settings.max_batch_size,
            max_queued_rows=settings.max_queued_images,
        )

    async def resolve(self, target: Target, caller: Caller, deadline: float) -> Batched[int]:
        """Returns the version, and what finding it out took.

        `deadline` is in seconds of `time.monotonic`. Raises `NotFound` where there is no such model
        or version, `Unavailable` where too many wait, and what else the model server answers.
        """
        return await self._batcher.ask(target, _ONE, deadline, caller)

    async def _ask(
        self, target: Target, rows: Rows, timeout_s: float, callers: Sequence[Caller]
    ) -> list[int]:
        request = wire.GetModelMetadataRequest(
            model_spec=calls.model_spec(*target), metadata_field=["signature_def"]
        )
        response = await self._servers.call(
            METADATA,
            request.SerializeToString(),
            timeout_s=timeout_s,
            metadata=together(callers, self._settings),
        )
        spec = calls.parsed(wire.GetModelMetadataResponse, response).model_spec
        return [spec.version.value] * len(rows)
