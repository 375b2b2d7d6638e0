"""What the gateway does with pictures, without HTTP: bytes and a target in, predictions out."""

import asyncio
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from vitrine_client.errors import InvalidImage, VitrineError
from vitrine_client.images import to_instance
from vitrine_client.predictions import Prediction, VersionStatus
from vitrine_serving.gateway.batcher import Batcher
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.target import Target

Instances = npt.NDArray[np.uint8]
Metadata = Sequence[tuple[str, str]]

_SMALL_BYTES = 4096  # decoded in well under a millisecond
_DECODERS = 2
"""Large pictures that are decoded at a time: at `max_pixels` each can take 200 MB."""

_BATCH_OF_SMALL = 16  # pictures that are decoded before others have their turn


class ModelServers(Protocol):
    """What the gateway asks of model servers; `model_servers.ModelServers` is one."""

    async def predict_instances(
        self,
        model: str,
        instances: Instances,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float,
        metadata: Metadata = (),
    ) -> list[Prediction]:
        """Returns a prediction for each row of uint8 [n, 28, 28]."""

    async def status(
        self,
        model: str,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_s: float,
    ) -> list[VersionStatus]:
        """Returns the states of a model's versions."""

    async def call(
        self, method: str, request: bytes, *, timeout_s: float, metadata: Metadata = ()
    ) -> bytes:
        """Calls `method` ("PredictionService/Predict") with a serialised message."""

    async def close(self) -> None:
        """Ends the connections."""


class Caller(NamedTuple):
    """What a request is called on its way: its id, and its W3C trace, if it has one."""

    id: str
    traceparent: str = ""


class Outcome(NamedTuple):
    """For each picture its prediction or what is wrong with it, and the seconds of each stage."""

    results: Sequence[Prediction | InvalidImage]
    decode_s: float
    queue_s: float
    rpc_s: float


class Predictor:
    """Lives in one event loop."""

    def __init__(self, servers: ModelServers, settings: Settings) -> None:
        self._servers = servers
        self._settings = settings
        self._decoders = ThreadPoolExecutor(_DECODERS, "decode")
        self._batcher = Batcher(
            self._send,
            max_batch_size=settings.max_batch_size,
            max_queued_rows=settings.max_queued_images,
        )

    async def predict(
        self, pictures: Sequence[bytes], target: Target, caller: Caller, deadline: float
    ) -> Outcome:
        """Answers each picture, in order.

        `deadline` is in seconds of `time.monotonic`. Raises `InvalidImage` where no picture is any
        good, `Unavailable` where too many wait, and what the model server answers.
        """
        self._batcher.check_room(target, len(pictures), deadline)
        started = time.monotonic()
        decoded = await self._decode(pictures)
        decode_s = time.monotonic() - started
        instances = [row for row in decoded if not isinstance(row, InvalidImage)]
        if not instances:
            raise next(row for row in decoded if isinstance(row, InvalidImage))
        rows = instances[0][np.newaxis] if len(instances) == 1 else np.stack(instances)
        batched = await self._batcher.predict(target, rows, deadline, caller)
        results: Sequence[Prediction | InvalidImage] = batched.predictions
        if len(instances) < len(decoded):
            rest = iter(batched.predictions)
            results = [row if isinstance(row, InvalidImage) else next(rest) for row in decoded]
        return Outcome(results, decode_s, batched.queue_s, batched.rpc_s)

    async def predict_instances(
        self, instances: Instances, target: Target, caller: Caller, deadline: float
    ) -> Outcome:
        """Answers each row of uint8 [n, 28, 28]; raises as `predict` does."""
        batched = await self._batcher.predict(target, instances, deadline, caller)
        return Outcome(batched.predictions, 0.0, batched.queue_s, batched.rpc_s)

    async def _decode(self, pictures: Sequence[bytes]) -> list[Instances | InvalidImage]:
        loop = asyncio.get_running_loop()
        decoded = []
        for index, picture in enumerate(pictures):
            if len(picture) < _SMALL_BYTES:
                if index % _BATCH_OF_SMALL == _BATCH_OF_SMALL - 1:
                    await asyncio.sleep(0)
                decoded.append(self._instance(picture))
            else:
                decoded.append(await loop.run_in_executor(self._decoders, self._instance, picture))
        return decoded

    def _instance(self, picture: bytes) -> Instances | InvalidImage:
        try:
            return to_instance(picture, max_pixels=self._settings.max_pixels)
        except InvalidImage as error:
            return error

    async def _send(
        self, target: Target, rows: Instances, timeout_s: float, callers: Sequence[Caller]
    ) -> list[Prediction]:
        metadata = [("x-request-id", ",".join([caller.id for caller in callers]))]
        for caller in callers:
            if caller.traceparent:  # a call has one parent, and the first that has a trace is it
                metadata.append(("traceparent", caller.traceparent))
                break
        return await self._servers.predict_instances(
            target.model,
            rows,
            version=target.version,
            label=target.label,
            timeout_s=timeout_s,
            metadata=metadata,
        )

    async def status(self, target: Target, timeout_s: float) -> list[VersionStatus]:
        """Returns the states of a model's versions, or of the one asked for."""
        return await self._servers.status(
            target.model, version=target.version, label=target.label, timeout_s=timeout_s
        )

    async def models(self, timeout_s: float) -> dict[str, list[VersionStatus]]:
        """Returns the states of the versions of every model; one that is unknown has none."""
        names = self._settings.models
        found = await asyncio.gather(*(self._known_versions(name, timeout_s) for name in names))
        return dict(zip(names, found, strict=True))

    async def _known_versions(self, model: str, timeout_s: float) -> list[VersionStatus]:
        try:
            return await self.status(Target(model), timeout_s)
        except VitrineError as error:
            if error.status != 404:
                raise
            return []
