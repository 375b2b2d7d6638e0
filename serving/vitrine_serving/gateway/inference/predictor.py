"""Predictions: instances and a target in, what a model says of them out; in batches."""

from collections import Counter
from collections.abc import Awaitable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from vitrine_client.results.predictions import Description, Prediction, VersionStatus
from vitrine_serving.gateway.http.routes import Target
from vitrine_serving.gateway.inference.batcher import Batched, Batcher
from vitrine_serving.gateway.inference.decoder import Instances
from vitrine_serving.gateway.settings import Settings

Metadata = Sequence[tuple[str, str]]


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

    async def all_statuses(
        self, model: str, *, timeout_s: float
    ) -> list[list[VersionStatus] | None]:
        """Returns what each server says, None for one that does not answer; raises nothing."""

    async def describe(self, model: str, version: int, *, timeout_s: float) -> Description:
        """Returns the labels and the card of a version."""

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

    def metadata(self) -> list[tuple[str, str]]:
        """Returns what a call for this request alone takes along."""
        trace = [("traceparent", self.traceparent)] if self.traceparent else []
        return [("x-request-id", self.id), *trace]


def together(callers: Sequence[Caller], settings: Settings) -> list[tuple[str, str]]:
    """Returns what a call for all of them takes along."""
    traces = [caller.traceparent for caller in callers if caller.traceparent]
    # A call has one parent, and the first that has a trace is it; the tracer links the others.
    kept = traces if settings.traces_url else traces[:1]
    ids = ",".join([caller.id for caller in callers])
    return [("x-request-id", ids), *(("traceparent", trace) for trace in kept)]


def by_model(waiting: Mapping[Any, int]) -> Counter[str]:
    """Adds up counts of what says of which `model` it is."""
    counts: Counter[str] = Counter()
    for asked, count in waiting.items():
        counts[asked.model] += count
    return counts


class Predictor:
    """Lives in one event loop."""

    def __init__(self, servers: ModelServers, settings: Settings) -> None:
        self._servers = servers
        self._settings = settings
        self._batcher = Batcher[Prediction](
            self._send,
            max_batch_size=settings.max_batch_size,
            max_queued_rows=settings.max_queued_images,
        )

    def check_room(self, target: Target, count: int, deadline: float) -> None:
        """Raises `Unavailable` where `count` more pictures would be too many, or too late."""
        self._batcher.check_room(target, count, deadline)

    def predict(
        self, instances: Instances, target: Target, caller: Caller, deadline: float
    ) -> Awaitable[Batched[Prediction]]:
        """Answers each row of uint8 [n, 28, 28].

        `deadline` is in seconds of `time.monotonic`. Raises `Unavailable` where too many wait, and
        what the model server answers.
        """
        return self._batcher.ask(target, instances, deadline, caller)

    def images_waiting(self) -> Counter[str]:
        """Returns how many images wait to be sent, by model; from any thread."""
        return by_model(self._batcher.waiting_by_target())

    async def _send(
        self, target: Target, rows: Instances, timeout_s: float, callers: Sequence[Caller]
    ) -> list[Prediction]:
        return await self._servers.predict_instances(
            target.model,
            rows,
            version=target.version,
            label=target.label,
            timeout_s=timeout_s,
            metadata=together(callers, self._settings),
        )
