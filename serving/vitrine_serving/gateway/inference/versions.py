"""Version resolution: the version of a model that would answer, where nothing is asked of it."""

from collections.abc import Sequence

import numpy as np

from vitrine_client.tfserving import messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.gateway.inference.batcher import Batched, Batcher, BatchingSettings, Rows
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.requests import Caller
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.models.signatures import METADATA
from vitrine_serving.gateway.shedding import SheddingSettings

_ONE = np.empty((1, 0), np.uint8)


class Versions:
    """Version resolver; lives in one event loop.

    A model server resolves a reference as for a prediction, with the same errors, where it is asked
    for metadata. Requests that come while such a call is out share the next: however many empty
    pictures somebody sends, a model server gets one call at a time.
    """

    def __init__(
        self, plane: DataPlane, batching: BatchingSettings, shedding: SheddingSettings
    ) -> None:
        self._plane = plane
        self._batcher = Batcher[list[int]](
            self._ask,
            max_batch_size=batching.max_batch_size,
            max_queued_rows=shedding.max_queued_images,
        )

    async def resolve(self, model: ModelRef, caller: Caller, deadline: float) -> Batched[list[int]]:
        """Returns the version, and what finding it out took.

        `deadline` is in seconds of `time.monotonic`. Raises `NotFound` where there is no such model
        or version, `Unavailable` where too many wait, and what else the model server answers.
        """
        return await self._batcher.ask(model, _ONE, deadline, caller)

    async def _ask(
        self, model: ModelRef, rows: Rows, timeout_s: float, callers: Sequence[Caller]
    ) -> list[int]:
        request = wire.GetModelMetadataRequest(
            model_spec=messages.model_spec(*model), metadata_field=["signature_def"]
        )
        response = await self._plane.call(
            METADATA, request.SerializeToString(), timeout_s=timeout_s, callers=callers
        )
        spec = messages.parsed(wire.GetModelMetadataResponse, response).model_spec
        return [spec.version.value] * len(rows)
