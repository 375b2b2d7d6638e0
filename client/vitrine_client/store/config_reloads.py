"""Reloads of a `models.config` on several model servers: all follow it, or those told go back.

A real TensorFlow Serving 2.20.0 was seen not to return from some reloads, and takes no other
meanwhile, not even after the caller's deadline. So each server is first asked for the states
of all that it is about to be told. Needs the extra `vitrine-client[grpc]`.
"""

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from vitrine_client import errors
from vitrine_client.errors import DeadlineExceeded, LabelNotMoved, NotFound, Unavailable
from vitrine_client.results.predictions import VersionStatus

if TYPE_CHECKING:
    from vitrine_client.model_server import ModelServerClient
    from vitrine_client.store.model_configs import ModelConfigs

LOAD_S = 60.0
"""Longest wait for versions to be loaded, for all servers together."""

_LOOK_S = 0.1
_REFUSALS = (errors.InvalidRequest, NotFound, errors.ResourceExhausted, errors.Unimplemented)
"""Answers to a reload that leave a server as it was; after any other it may be in effect."""

Statuses = dict[int, VersionStatus]


class ReloadError(Exception):
    """Reload that a server did not follow: its address, and why."""

    def __init__(self, address: str, reason: errors.VitrineError) -> None:
        super().__init__(address, reason)
        self.address, self.reason = address, reason


class ConfigReloads:
    """Reloads that move one version label of a model, within one deadline for all servers.

    The versions have `LOAD_S` to be loaded, and the answers `timeout_s` more; each answer has
    `timeout_s` at most. Then `put_back` has `timeout_s` of its own.
    """

    def __init__(
        self,
        servers: "Sequence[ModelServerClient]",
        old: "ModelConfigs",
        model: str,
        label: str,
        timeout_s: float,
    ) -> None:
        self.servers = servers
        self._old, self._model, self._label = old, model, label
        self._timeout_s = timeout_s
        self._load_deadline = time.monotonic() + LOAD_S
        self._deadline = self._load_deadline + timeout_s
        self._told: dict[str, tuple[ModelServerClient, str]] = {}
        self._was_told = False

    def statuses(self, server: "ModelServerClient", model: str | None = None) -> Statuses:
        """Returns the states of a model's versions, without `model` of the one whose label moves;
        none of a model that the server does not know. Raises a `VitrineError` that says which
        server did not answer, or with what."""
        try:
            found = server.status(model or self._model, timeout_s=self._left_s(server))
        except NotFound:
            return {}
        except DeadlineExceeded as error:
            raise DeadlineExceeded(
                f"The model server at {server.address} did not answer in time"
            ) from error
        except Unavailable:
            raise  # it has the address
        except errors.VitrineError as error:
            which = model or self._model
            raise type(error)(
                f"The model server at {server.address} does not tell the states of {which}: {error}"
            ) from error
        return {one.version: one for one in found}

    def wait_for(self, server: "ModelServerClient", version: int, wait_s: float = LOAD_S) -> None:
        """Waits until a version is AVAILABLE, or is known not to be."""
        for found in self._poll_statuses(server, self._model, wait_s):
            one = found.get(version)
            if one and (one.state == "AVAILABLE" or one.error_message):
                return

    def check(self, configs: "ModelConfigs", *, moved: bool = True) -> None:
        """Raises `LabelNotMoved` where a version that is named is not AVAILABLE on a server that
        knows its model; without `moved` the label that moves may name any."""
        for server in self.servers:
            for model in configs.models:
                found = self._settled_statuses(server, model)
                if not self._is_named(configs, model, found):
                    continue
                for number, label in configs.named_versions(model):
                    if not moved and (model, label) == (self._model, self._label):
                        continue
                    if not _is_available(found, number):
                        namer = f"{label} name" if label else "the policy name"
                        raise LabelNotMoved(
                            f"{configs.source} has {namer} version {number} of {model}, which is "
                            f"not AVAILABLE at {server.address}: have it name another version, or "
                            "none"
                        )

    def reload_all(self, configs: "ModelConfigs") -> None:
        """Has all servers follow a configuration. Raises `ReloadError` where one does not, and
        those before it do; `put_back` then knows who was told."""
        found = [self._statuses_of_all(server, configs) for server in self.servers]
        for server, states in zip(self.servers, found, strict=True):
            left_s = self._left_s(server)
            is_told = server.address in self._told
            self._told.setdefault(server.address, (server, self._config_for(self._old, states)))
            self._was_told = True
            try:
                server.reload(self._config_for(configs, states), timeout_s=left_s)
            except errors.VitrineError as error:
                if isinstance(error, _REFUSALS) and not is_told:
                    del self._told[server.address]
                raise ReloadError(server.address, error) from error

    def put_back(self) -> list[str]:
        """Has the servers that were told something follow the old configuration again; returns the
        addresses of those that cannot be told."""
        end, unreverted = time.monotonic() + self._timeout_s, []
        told = dict(self._told)
        self._told.clear()
        for left, (address, (server, old)) in zip(
            range(len(told), 0, -1), told.items(), strict=True
        ):
            left_s = max(end - time.monotonic(), _LOOK_S) / left
            try:
                server.reload(old, timeout_s=left_s)
            except errors.VitrineError:
                unreverted.append(address)
        return unreverted

    def failure(
        self, error: errors.VitrineError | ReloadError, unreverted: Sequence[str]
    ) -> errors.VitrineError:
        """Returns the error of a label that is not moved; `unreverted` are the addresses of those
        that `put_back` could not tell."""
        if isinstance(error, ReloadError):
            return _reload_failure(error, unreverted)
        if isinstance(error, errors.InvalidRequest | NotFound):
            return type(error)(f"{error}{_restart(unreverted)}")
        rest = _restored(unreverted) if self._was_told else "; nothing is changed"
        return type(error)(f"{error}{rest}{_restart(unreverted)}")

    def _statuses_of_all(
        self, server: "ModelServerClient", configs: "ModelConfigs"
    ) -> dict[str, Statuses]:
        return {model: self.statuses(server, model) for model in configs.models}

    def _config_for(self, configs: "ModelConfigs", found: dict[str, Statuses]) -> str:
        """Returns the text of a configuration for a server in some state: without models that it
        neither serves nor could load, and without the label that moves where its old version is not
        AVAILABLE."""
        unnamed = {
            model for model in configs.models if not self._is_named(configs, model, found[model])
        }
        number = configs.named(self._model, self._label)
        is_old = number is not None and number == self._old.named(self._model, self._label)
        if is_old and not _is_available(found[self._model], number):
            configs = configs.unlabelled(self._model, self._label)
        return str(configs.without(unnamed))

    def _is_named(self, configs: "ModelConfigs", model: str, found: Statuses) -> bool:
        """Whether a server is told of a model: it serves it, loads it or failed to, or it can load
        a version again. Of those that it does not know it is the one whose label moves alone."""
        if any(one.state != "END" or one.error_message for one in found.values()):
            return True
        is_moved, is_published = model == self._model, bool(configs.published(model))
        return is_moved or is_published if found else is_moved and is_published

    def _settled_statuses(self, server: "ModelServerClient", model: str) -> Statuses:
        """Returns the states of a model once a version is AVAILABLE or none is being loaded. Raises
        `LabelNotMoved` where that takes too long."""
        for found in self._poll_statuses(server, model, LOAD_S):
            states = {one.state for one in found.values()}
            if "AVAILABLE" in states or not states & {"START", "LOADING"}:
                return found
        raise LabelNotMoved(
            f"{model} is still being loaded at {server.address}; try again when it is AVAILABLE"
        )

    def _poll_statuses(
        self, server: "ModelServerClient", model: str, wait_s: float
    ) -> Iterator[Statuses]:
        end = min(time.monotonic() + wait_s, self._load_deadline)
        yield self.statuses(server, model)
        while time.monotonic() < end:
            time.sleep(_LOOK_S)  # a model server tells no one of its states: they are asked for
            yield self.statuses(server, model)

    def _left_s(self, server: "ModelServerClient") -> float:
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise DeadlineExceeded(
                f"Time ran out before the model server at {server.address} was asked"
            )
        return min(self._timeout_s, left_s)


def _is_available(found: Statuses, number: int | None) -> bool:
    return number in found and found[number].state == "AVAILABLE"


def _reload_failure(error: ReloadError, unreverted: Sequence[str]) -> errors.VitrineError:
    reason, address = error.reason, error.address
    if isinstance(reason, DeadlineExceeded):
        told = f"The model server at {address} did not answer the reload in time"
        if address not in unreverted:
            return DeadlineExceeded(f"{told}{_restored(unreverted)}{_restart(unreverted)}")
        others = [each for each in unreverted if each != address]
        return DeadlineExceeded(
            f"{told}: it may follow it later, or take no other before it is restarted; the file is "
            f"as it was{_restart(others)}"
        )
    if isinstance(reason, Unavailable):
        return type(reason)(f"{reason}{_restored(unreverted)}{_restart(unreverted)}")
    verb = "refuses it" if isinstance(reason, _REFUSALS) else "could not follow it"
    rest = "and not all is as it was" if unreverted else "and all is as it was"
    return LabelNotMoved(
        f"The model server at {address} {verb}, {rest}: {reason}{_restart(unreverted)}"
    )


def _restored(unreverted: Sequence[str]) -> str:
    return "; the file is as it was" if unreverted else "; all is as it was"


def _restart(unreverted: Sequence[str]) -> str:
    """Returns a sentence on servers that could not be told to go back, if there are any."""
    if not unreverted:
        return ""
    servers, them = ("servers", "them") if len(unreverted) > 1 else ("server", "it")
    which = " and ".join(unreverted)
    return f". The model {servers} at {which} could not be told to go back; restart {them}"
