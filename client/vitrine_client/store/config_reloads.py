"""Reload of a `models.config` on several model servers: all follow it, or none.

A real TensorFlow Serving does not return from a reload that names what it cannot load, and takes no
other meanwhile, not even after the caller's deadline. So each server is first asked for the states
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
"""Longest wait for a version to be loaded."""

_LOOK_S = 0.1

Statuses = dict[int, VersionStatus]


def statuses(server: "ModelServerClient", model: str) -> Statuses:
    """Returns the states of a model's versions, none of a model that the server does not know.
    Raises `Unavailable` or `DeadlineExceeded` that say which server did not answer."""
    try:
        return {one.version: one for one in server.status(model)}
    except NotFound:
        return {}
    except DeadlineExceeded as error:
        raise DeadlineExceeded(
            f"The model server at {server.address} did not answer in time, and was told nothing"
        ) from error


def wait_for(server: "ModelServerClient", model: str, version: int, wait_s: float) -> None:
    """Waits until a version is AVAILABLE, or is known not to be."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        one = statuses(server, model).get(version)
        if one and (one.state == "AVAILABLE" or one.error_message):
            return
        time.sleep(_LOOK_S)  # a model server tells no one of its states: they are asked for


def tell(servers: "Sequence[ModelServerClient]", new: "ModelConfigs", old: "ModelConfigs") -> None:
    """Has all servers follow the new configuration, or none.

    Models without an AVAILABLE version on a server are not named to it. Raises `LabelNotMoved`
    where a version that is named is not AVAILABLE on one of them, before any is told, or where one
    refuses; `Unavailable` or `DeadlineExceeded` where one does not answer. Each says which server
    it is, and who could not be told to go back.
    """
    texts = [_safe(server, new) for server in servers]
    for index, (server, text) in enumerate(zip(servers, texts, strict=True)):
        try:
            server.reload(text)
        except errors.VitrineError as error:
            left = put_back(servers[:index], old)
            raise _told(error, server.address, left) from error


def put_back(servers: "Sequence[ModelServerClient]", old: "ModelConfigs") -> list[str]:
    """Has servers follow the old configuration again; returns the addresses of those that do
    not."""
    left = []
    for server in servers:
        try:
            server.reload(_safe(server, old))
        except errors.VitrineError:
            left.append(server.address)
    return left


def _told(error: errors.VitrineError, address: str, left: Sequence[str]) -> errors.VitrineError:
    """Returns the error of a server that did not follow; `left` are those that cannot go back."""
    end = f". {astray(left)}" if left else ""
    if isinstance(error, Unavailable):
        return type(error)(f"{error}; nothing is changed{end}")
    if isinstance(error, DeadlineExceeded):
        return DeadlineExceeded(
            f"The model server at {address} did not answer the reload in time: it may follow it "
            f"later, or take no other before it is restarted; the file is as it was{end}"
        )
    rest = "and all is as it was" if not left else "and not all is as it was"
    return LabelNotMoved(f"The model server at {address} refuses it, {rest}: {error}{end}")


def astray(addresses: Sequence[str]) -> str:
    """Returns a sentence on servers that could not be told to go back."""
    which = " and ".join(addresses)
    return f"The model server at {which} could not be told to go back; restart it"


def _safe(server: "ModelServerClient", configs: "ModelConfigs") -> str:
    """Returns the text of a configuration for a server, without the models of which it has no
    AVAILABLE version. Raises `LabelNotMoved` for a version that is named and not AVAILABLE."""
    unavailable = set()
    for model in configs.models:
        found = _settled(server, model)
        available = {number for number, one in found.items() if one.state == "AVAILABLE"}
        if not available:
            unavailable.add(model)
            continue
        for number, named_by in configs.named_versions(model):
            if number not in available:
                raise LabelNotMoved(
                    f"{configs.source} has {named_by} version {number} of {model}, which is not "
                    f"AVAILABLE at {server.address}: have it name another version, or none"
                )
    return str(configs.without(unavailable))


def _settled(server: "ModelServerClient", model: str) -> Statuses:
    """Returns the states of a model once a version is AVAILABLE or none is being loaded. Raises
    `LabelNotMoved` where that takes too long."""
    for found in _looks(server, model):
        states = {one.state for one in found.values()}
        if "AVAILABLE" in states or not states & {"START", "LOADING"}:
            return found
    raise LabelNotMoved(
        f"{model} is still being loaded at {server.address}; try again when it is AVAILABLE"
    )


def _looks(server: "ModelServerClient", model: str) -> Iterator[Statuses]:
    deadline = time.monotonic() + LOAD_S
    yield statuses(server, model)
    while time.monotonic() < deadline:
        time.sleep(_LOOK_S)
        yield statuses(server, model)
