"""Health checks and the model list: coroutines that wait for no thread, so that liveness waits for
nobody."""

from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import orjson

from vitrine_client.errors import VitrineError
from vitrine_client.http.default_model import is_served
from vitrine_client.results.predictions import VersionStatus
from vitrine_serving.gateway.api.models import ListedModel, ModelList
from vitrine_serving.gateway.http import problems, queries
from vitrine_serving.gateway.http.messages import Answer, Request

_STATUS_TIMEOUT_S = 5.0


class Probes:
    """Health checks by state that the process has; only `models` asks the model servers.

    `is_draining` says whether the gateway is about to end.
    """

    def __init__(self, model_list: ModelList, is_draining: Callable[[], bool]) -> None:
        self._model_list = model_list
        self._is_draining = is_draining
        self._live = _json({"status": "ok", "version": version("vitrine-serving")})

    async def live(self, _: Request) -> Answer:
        """Liveness: answers as long as the event loop runs."""
        return Answer(200, self._live.body)

    async def ready(self, request: Request) -> Answer:
        """Readiness: started and not ending; with `models=1` each model has an AVAILABLE version,
        too."""
        if self._is_draining():
            return _json({"ready": False, "reason": "The gateway is ending; ask another"}, 503)
        if queries.models(request.query):
            return await self._models_ready()
        return _json({"ready": True})

    async def models(self, _: Request) -> Answer:
        """Model list, with states, version labels and kinds. Raises `VitrineError`."""
        found = await self._model_list.models(_STATUS_TIMEOUT_S)
        return _json({"models": [_listed(model) for model in found]})

    async def _models_ready(self) -> Answer:
        try:
            found = await self._model_list.states(_STATUS_TIMEOUT_S)
        except VitrineError as error:
            return _json({"ready": False, "reason": problems.message_of(error)}, 503)
        available = {name: is_served(statuses) for name, statuses in found.items()}
        ready = self._model_list.is_ready(found)
        failed = {
            name: versions
            for name, statuses in found.items()
            if not available[name] and (versions := _failed(statuses))
        }
        told = {"failed": failed} if failed else {}
        return _json({"ready": ready, "models": available} | told, 200 if ready else 503)


def _json(content: Any, status: int = 200) -> Answer:
    return Answer(status, orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE))


def _failed(statuses: list[VersionStatus]) -> list[str]:
    return [str(one.version) for one in statuses if one.state == "END" and one.error_code]


def _listed(model: ListedModel) -> dict[str, Any]:
    labels = {label: str(version) for label, version in model.version_labels.items()}
    known: dict[str, Any] = {} if model.classifier is None else {"classifier": model.classifier}
    if model.reason:
        known["reason"] = model.reason
    if model.assumptions:
        known["assumptions"] = list(model.assumptions)
    return {"name": model.name} | _statuses(model.statuses) | {"version_labels": labels} | known


def _statuses(statuses: list[VersionStatus]) -> dict[str, Any]:
    """TensorFlow Serving's JSON for the states of versions."""
    return {
        "model_version_status": [
            {
                "version": str(status.version),
                "state": status.state,
                "status": {
                    "error_code": status.error_code,
                    "error_message": status.error_message,
                },
            }
            for status in statuses
        ]
    }
