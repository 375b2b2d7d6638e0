"""Model list: the gateway's models with their versions and version labels."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from vitrine_client.errors import VitrineError
from vitrine_client.http.default_model import is_served
from vitrine_client.process.visible import visible
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.tfserving import management, messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.gateway.api.profiles import UNSAID
from vitrine_serving.gateway.http.problems import message_of
from vitrine_serving.gateway.upstream.listed_models import ListedModels
from vitrine_serving.gateway.upstream.model_servers import ModelServers

log = logging.getLogger(__name__)

_REMEMBERED_S = 3.0
"""A page that looks at the list again and again costs model servers little, and a version label
that moves is seen soon."""

_MOST_LETTERS = 500
"""Of an error, which may be as long as a model server likes."""


class ListedModel(NamedTuple):
    """A model: its versions, newest first, and those of the version labels that are looked for
    which it has.

    Whether it is a classifier, one that pictures can be sent to, is None as long as no version says
    so; it has a `reason` where it is none or that is not known, and `assumptions` are sentences on
    what is assumed of how it takes them.
    """

    name: str
    statuses: list[VersionStatus]
    version_labels: dict[str, int]
    classifier: bool | None = None
    reason: str = ""
    assumptions: Sequence[str] = ()


class ModelList:
    """Lives in one event loop."""

    def __init__(
        self,
        servers: ModelServers,
        listed: ListedModels,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = servers
        self._configured = listed
        self._now = now
        self._missing_told = False
        self._labelled: dict[str, tuple[float, dict[str, int]]] = {}

    def is_ready(self, states: Mapping[str, Sequence[VersionStatus]]) -> bool:
        """Says whether each model has an AVAILABLE version, optional ones excepted: who asks for
        the default model is answered by another in its place."""
        return all(
            is_served(statuses)
            for name, statuses in states.items()
            if name not in self._configured.optional_models
        )

    async def states(self, timeout_s: float) -> dict[str, list[VersionStatus]]:
        """Returns the states of the versions of every model; one that is unknown has none, and is
        left out if it is optional.

        Raises `VitrineError` where they cannot be asked for.
        """
        names = self._configured.models
        found = await asyncio.gather(*(self._versions(name, timeout_s) for name in names))
        states = dict(zip(names, found, strict=True))
        for name in self._configured.optional_models:
            if not states[name]:
                del states[name]
                self._tell_missing(name)
        return states

    def _tell_missing(self, model: str) -> None:
        """Says it once; a list that is asked for again and again would fill the log."""
        if not self._missing_told:
            self._missing_told = True
            log.info("The model %s, of the default list, is not served; ready without it", model)

    async def models(self, timeout_s: float) -> list[ListedModel]:
        """Returns every model; raises as `states` does. What else it may fail to find out is
        missing, as the states are worth more."""
        deadline = self._now() + timeout_s
        found = await self.states(timeout_s)
        listed = (self._listed(*item, deadline) for item in found.items())
        return list(await asyncio.gather(*listed))

    async def _versions(self, model: str, timeout_s: float) -> list[VersionStatus]:
        try:
            return await self._servers.status(model, timeout_s=timeout_s)
        except VitrineError as error:
            if error.status != 404:
                raise
            return []

    async def _listed(
        self, model: str, statuses: list[VersionStatus], deadline: float
    ) -> ListedModel:
        available = [status.version for status in statuses if status.state == "AVAILABLE"]
        if not available:
            return ListedModel(model, statuses, {})
        labels, described = await asyncio.gather(
            self._version_labels(model, deadline),
            self._described(model, max(available), deadline),
        )
        return ListedModel(model, statuses, labels, *described)

    async def _version_labels(self, model: str, deadline: float) -> dict[str, int]:
        until, known = self._labelled.get(model, (0.0, {}))
        if self._now() < until:
            return known
        names = self._configured.version_labels
        versions = await asyncio.gather(*(self._version(model, name, deadline) for name in names))
        found = {
            name: version
            for name, version in zip(names, versions, strict=True)
            if version is not None
        }
        self._labelled[model] = (self._now() + _REMEMBERED_S, found)
        return found

    async def _version(self, model: str, label: str, deadline: float) -> int | None:
        """A model's status does not tell version labels; what answers to one tells its version."""
        try:
            response = await self._servers.call(
                management.METADATA,
                management.metadata_request(model, label=label),
                timeout_s=self._left_s(deadline),
            )
            found = messages.parsed(wire.GetModelMetadataResponse, response)
            return found.model_spec.version.value
        except VitrineError:
            return None

    async def _described(
        self, model: str, version: int, deadline: float
    ) -> tuple[bool | None, str, Sequence[str]]:
        """Returns the last members of `ListedModel`."""
        try:
            described = await self._servers.describe(
                model, version, timeout_s=self._left_s(deadline)
            )
        except VitrineError as error:
            return None, visible(message_of(error))[:_MOST_LETTERS], ()
        if described.profile is None:
            return False, described.reason or UNSAID, ()
        return True, "", described.profile.assumptions

    def _left_s(self, deadline: float) -> float:
        return max(deadline - self._now(), 0.001)
