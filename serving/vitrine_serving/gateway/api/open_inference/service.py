"""Open Inference Protocol: its operations, for whatever carries them.

HTTP and gRPC decode, call a `V2Service`, and encode.
"""

import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from typing import Any

from vitrine_client.errors import InvalidRequest, NotFound, VitrineError
from vitrine_client.open_inference import tensorflow
from vitrine_client.open_inference.messages import V2Request
from vitrine_client.results.predictions import VersionStatus
from vitrine_serving.gateway.api.models import ModelList
from vitrine_serving.gateway.api.open_inference.inference import Inference, V2Inference
from vitrine_serving.gateway.api.open_inference.model_config import config_of
from vitrine_serving.gateway.api.open_inference.model_statistics import statistics_of
from vitrine_serving.gateway.api.open_inference.tensor_specs import TensorSpec
from vitrine_serving.gateway.inference.dataplane import Offload
from vitrine_serving.gateway.inference.requests import SERVING, Caller
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.telemetry.metrics.inference_statistics import (
    InferenceStatistics,
    Took,
)
from vitrine_serving.gateway.upstream.model_servers import ModelServers

Json = dict[str, Any]

NAME = "vitrine"
EXTENSIONS = (
    "classification",
    "model_repository",
    "model_configuration",
    "binary_tensor_data",
    "parameters",
    "statistics",
)
"""Extensions of the protocol that this server has, by Triton's names."""

_STATUS_TIMEOUT_S = 5.0


class V2Service:
    """Service of one process; lives in one event loop. Each method raises `VitrineError`.

    `max_batch_size` is that of the data plane; `is_draining` says whether the gateway is about to
    end. `offload` calls a function in a thread.
    """

    def __init__(
        self,
        inference: Inference,
        servers: ModelServers,
        model_list: ModelList,
        statistics: InferenceStatistics,
        offload: Offload,
        *,
        max_batch_size: int,
        is_draining: Callable[[], bool] = lambda: False,
    ) -> None:
        self._inference = inference
        self._servers = servers
        self._model_list = model_list
        self._statistics = statistics
        self._offload = offload
        self._max_batch_size = max_batch_size
        self._is_draining = is_draining

    async def is_ready(self) -> bool:
        """Says whether inference can be asked for: as `/readyz?models=1`."""
        if self._is_draining():
            return False
        try:
            return self._model_list.is_ready(await self._model_list.states(_STATUS_TIMEOUT_S))
        except VitrineError:
            return False

    async def server_metadata(self) -> Json:
        """Returns the name, version and extensions of this server."""
        return {
            "name": NAME,
            "version": version("vitrine-serving"),
            "extensions": list(EXTENSIONS),
        }

    async def model_is_ready(self, model: ModelRef) -> bool:
        """Says whether a version is AVAILABLE, or any where none is named; not for one that nobody
        knows."""
        try:
            statuses = await self._statuses(model.model)
        except VitrineError:
            return False
        return any(
            each.state == "AVAILABLE" and model.version in (None, each.version) for each in statuses
        )

    async def model_metadata(self, model: ModelRef, caller: Caller, deadline: float) -> Json:
        """Returns the metadata of a version, of its signature serving_default; the versions are
        those that are ready, or the one that was asked for."""
        specs = await self._inference.learn(model, caller, deadline)
        signature = specs.signature(SERVING)
        statuses = await self._statuses(model.model)
        available = sorted(
            each.version
            for each in statuses
            if each.state == "AVAILABLE" and model.version in (None, each.version)
        )
        return tensorflow.metadata_of(
            model.model,
            available or [specs.version],
            _listed(signature.inputs.values()),
            _listed(signature.outputs.values()),
        )

    async def model_config(self, model: ModelRef, caller: Caller, deadline: float) -> Json:
        """Returns the configuration of a version, as Triton has it."""
        specs = await self._inference.learn(model, caller, deadline)
        return config_of(model.model, specs.signature(SERVING), self._max_batch_size)

    async def statistics(self, model: ModelRef | None) -> Json:
        """Returns the statistics of versions, of what came by this protocol: of the listed models,
        of one, or of a version. Raises `NotFound` where there is none."""
        if model is None:
            states = await self._model_list.states(_STATUS_TIMEOUT_S)
        else:
            states = {model.model: await self._statuses(model.model)}
        versions = [
            (name, each.version)
            for name, statuses in sorted(states.items())
            for each in reversed(statuses)
            if each.state == "AVAILABLE"
            and (model is None or model.version in (None, each.version))
        ]
        if model and not versions:
            raise NotFound(f"{model.described} is not AVAILABLE, and has no statistics")
        totals = await self._offload(self._statistics.totals)
        return {"model_stats": [statistics_of(*key, totals.get(key)) for key in versions]}

    async def index(self, *, only_ready: bool) -> list[Json]:
        """Returns the models of the list, with the states of their versions."""
        states = await self._model_list.states(_STATUS_TIMEOUT_S)
        found = [_indexed(name, each) for name, statuses in states.items() for each in statuses]
        return [each for each in found if each["state"] == "READY" or not only_ready]

    async def load(self, name: str) -> None:
        """Refuses to load a model."""
        raise _refusal(name, "loads")

    async def unload(self, name: str) -> None:
        """Refuses to unload a model."""
        raise _refusal(name, "unloads")

    async def infer(
        self, request: V2Request, model: ModelRef, caller: Caller, deadline: float
    ) -> V2Inference:
        """Answers a request until `deadline`, in seconds of `time.monotonic`, or its `timeout`.

        Raises `InvalidRequest` where its tensors are not those of the signature, and what the data
        plane raises.
        """
        began = time.monotonic()
        try:
            inferred = await self._inference.infer(request, model, caller, deadline)
        except VitrineError:
            version = self._inference.version_of(model)
            if version is not None:
                self._statistics.note_failure(model.model, version, time.monotonic() - began)
            raise
        outcome = inferred.outcome
        took = Took(outcome.queue_s, outcome.decode_s, outcome.rpc_s, time.monotonic() - began)
        rows, calls = inferred.rows, inferred.calls
        self._statistics.note(model.model, outcome.version, rows, calls, took)
        return inferred

    async def _statuses(self, model: str) -> list[VersionStatus]:
        return await self._servers.status(model, timeout_s=_STATUS_TIMEOUT_S)


def _listed(specs: Iterable[TensorSpec]) -> list[Json]:
    return [
        {"name": spec.name, "datatype": spec.datatype, "shape": list(spec.shape or ())}
        for spec in specs
    ]


def _indexed(name: str, status: VersionStatus) -> Json:
    entry = {"name": name, "version": str(status.version)}
    if status.state == "AVAILABLE":
        return entry | {"state": "READY"}
    return entry | {"state": "UNAVAILABLE", "reason": status.error_message or status.state}


def _refusal(name: str, does: str) -> InvalidRequest:
    return InvalidRequest(
        f"No request {does} models here: put versions of {name} into the models directory, or take "
        "them out of it, and move version labels with `vitrine promote`"
    )
