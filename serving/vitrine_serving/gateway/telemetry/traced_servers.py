"""Model servers whose calls have spans."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from vitrine_client.results.predictions import Description, Prediction, VersionStatus
from vitrine_serving.gateway.inference.decoder import Instances
from vitrine_serving.gateway.inference.predictor import Metadata, ModelServers

Rpc = Callable[[str, Metadata, dict[str, Any]], AbstractContextManager[Metadata]]


class TracedServers:
    """Asks `servers`; `rpc` makes a span of a call, by its method, metadata and attributes, and
    yields the metadata to send."""

    def __init__(self, servers: ModelServers, rpc: Rpc) -> None:
        self._servers, self._rpc = servers, rpc

    async def predict_instances(
        self, model: str, instances: Instances, *, metadata: Metadata = (), **options: Any
    ) -> list[Prediction]:
        """Returns a prediction for each row, and has a span of that."""
        attributes = {"vitrine.model": model, "vitrine.images": len(instances)}
        method = "tensorflow.serving.PredictionService/Predict"
        with self._rpc(method, metadata, attributes) as sent:
            return await self._servers.predict_instances(model, instances, metadata=sent, **options)

    async def call(
        self, method: str, request: bytes, *, timeout_s: float, metadata: Metadata = ()
    ) -> bytes:
        """Makes a call, and has a span of it where it is for a request."""
        with self._rpc(f"tensorflow.serving.{method}", metadata, {}) as sent:
            return await self._servers.call(method, request, timeout_s=timeout_s, metadata=sent)

    async def status(self, model: str, **options: Any) -> list[VersionStatus]:
        """Returns the states of a model's versions."""
        return await self._servers.status(model, **options)

    async def all_statuses(
        self, model: str, *, timeout_s: float
    ) -> list[list[VersionStatus] | None]:
        """Returns what each server says of a model's versions."""
        return await self._servers.all_statuses(model, timeout_s=timeout_s)

    async def describe(self, model: str, version: int, *, timeout_s: float) -> Description:
        """Returns the labels and the card of a version."""
        return await self._servers.describe(model, version, timeout_s=timeout_s)

    async def close(self) -> None:
        """Ends the connections."""
        await self._servers.close()
