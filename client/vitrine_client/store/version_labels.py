"""Version labels: `promote` and `rollback` change which version of a model a label names.

Both write the model server's `models.config` and tell the servers, which need no restart. They need
the extra `vitrine-client[grpc]`, whose modules are imported by the first call.
"""

import os
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitrine_client import errors
from vitrine_client.errors import InvalidRequest, LabelNotMoved, NotFound
from vitrine_client.process import addresses
from vitrine_client.process.trust import Certificate
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.results.strict_json import plain

if TYPE_CHECKING:
    from vitrine_client.model_server import ModelServerClient
    from vitrine_client.store.model_configs import ModelConfigs
    from vitrine_client.tfserving.channel import Verify

__all__ = ["CONFIG", "STABLE", "Promotion", "checked_label", "promote", "rollback"]

STABLE = "stable"
CONFIG = Path("models", "models.config")

_LOAD_S = 60.0
"""Longest wait for a version to be loaded."""

_APPEAR_S = 5.0
"""The same where it is not known whether it is published: servers look once a second."""

_LOOK_S = 0.1


@dataclass(frozen=True)
class Promotion:
    """Move of a version label: the version that it names, and the one that it named before, if any.

    `keeps_all` says that all versions of the model are served from now on, where the newest alone
    were.
    """

    model: str
    label: str
    version: int
    was: int | None
    keeps_all: bool

    def to_dict(self) -> dict[str, Any]:
        """Returns what JSON can hold: the members by name."""
        members: dict[str, Any] = plain(self)
        return members


def promote(
    model: str,
    version: int,
    *,
    label: str = STABLE,
    config: str | os.PathLike[str] = CONFIG,
    model_servers: str | Sequence[str] | None = None,
    timeout_s: float = 10.0,
    verify: "Verify" = None,
    cert: Certificate = None,
) -> Promotion:
    """Has a version label name a version of a model, which is AVAILABLE or can be loaded.

    `config` is the file that the model servers were started with, and `model_servers` are their
    addresses, HOST:PORT, as a sequence or separated by commas; without them it is those that the
    environment names (`vitrine_client.process.addresses`). `verify` and `cert` are those of
    `ModelServerClient`. All servers follow, or none and the file is as
    it was.

    Raises `LabelNotMoved` where the version is not AVAILABLE or a server refuses, `NotFound` for a
    model that is not in the file, `InvalidRequest` for a file that makes no sense, `OSError` where
    it cannot be read or written, and what `ModelServerClient` raises.
    """
    return _move(
        model,
        checked_label(label),
        lambda old: old.promoted(model, label, version),
        config,
        model_servers,
        timeout_s,
        (verify, cert),
    )


def rollback(
    model: str,
    *,
    label: str = STABLE,
    config: str | os.PathLike[str] = CONFIG,
    model_servers: str | Sequence[str] | None = None,
    timeout_s: float = 10.0,
    verify: "Verify" = None,
    cert: Certificate = None,
) -> Promotion:
    """Has a version label name what it named before, as `promote` does; `LabelNotMoved` where that
    is not known."""

    def back(old: "ModelConfigs") -> "ModelConfigs":
        try:
            return old.rolled_back(model, label)
        except LookupError as error:
            raise LabelNotMoved(
                f"{old.source} records no earlier version of {model} for {label}; "
                f"name one: vitrine promote {model} VERSION --label {label}"
            ) from error

    checked_label(label)
    return _move(model, label, back, config, model_servers, timeout_s, (verify, cert))


def checked_label(label: str) -> str:
    """Returns a version label as it is. Raises `InvalidRequest` where no address could have it."""
    if not label or any(c in "/:" or c.isspace() or not c.isprintable() for c in label):
        raise InvalidRequest("a label goes into addresses: no spaces, no / and no :")
    return label


def _move(
    model: str,
    label: str,
    change: "Callable[[ModelConfigs], ModelConfigs]",
    config: str | os.PathLike[str],
    servers_at: str | Sequence[str] | None,
    timeout_s: float,
    tls: "tuple[Verify, Certificate]",
) -> Promotion:
    from vitrine_client.model_server import ModelServerClient
    from vitrine_client.store import model_configs

    path = Path(config)
    if not path.exists():
        raise FileNotFoundError(
            f"there is no {path}; `vitrine-serve up` writes one when it starts, and a model server "
            "of your own has the file that it was started with"
        )
    named = addresses.model_servers() if servers_at is None else servers_at
    verify, cert = tls
    named = addresses.checked_model_servers(named) if isinstance(named, str) else named
    with model_configs.locked(path), ExitStack() as stack:
        content = path.read_bytes()
        old = model_configs.ModelConfigs.parse(content, str(path))
        new = change(old)
        servers = [
            stack.enter_context(
                ModelServerClient(address.strip(), timeout_s=timeout_s, verify=verify, cert=cert)
            )
            for address in named
        ]
        now = new.named(model, label)
        assert now is not None  # what was moved names a version  # noqa: S101
        try:
            _load(servers, model, now, path, old)
            model_configs.write(path, str(new).encode())
            _tell(servers, new, old)
        except BaseException:
            if path.read_bytes() != content:
                model_configs.write(path, content)
            raise
    keeps_all = new.serves_all(model) and not old.serves_all(model)
    return Promotion(model, label, now, old.named(model, label), keeps_all)


def _load(
    servers: "Sequence[ModelServerClient]",
    model: str,
    version: int,
    path: Path,
    old: "ModelConfigs",
) -> None:
    """Sees to it that all servers have a version AVAILABLE.

    One that is published and not loaded, as the newest alone are served, is loaded: all versions
    are served from then on, which a label needs in any case. Raises `LabelNotMoved` where that does
    not help, with the servers as they were.
    """
    from vitrine_client.store import model_configs

    for server in servers:
        if _is_loading(server, model, version):
            _wait_for(server, model, version, _LOAD_S)
    unloaded = [server for server in servers if _is_unloaded(server, model, version)]
    if unloaded and old.could_load(model, version):
        wider = old.keeping_all(model)
        model_configs.write(path, str(wider).encode())
        _tell(servers, wider, old)
        wait_s = _APPEAR_S if old.published(model) is None else _LOAD_S
        for server in unloaded:
            _wait_for(server, model, version, wait_s)
    try:
        for server in servers:
            _check_available(server, model, version, old)
    except LabelNotMoved:
        if unloaded and old.could_load(model, version):
            _put_back(servers, old)
        raise


def _is_loading(server: "ModelServerClient", model: str, version: int) -> bool:
    one = _statuses(server, model).get(version)
    return one is not None and one.state in ("START", "LOADING")


def _is_unloaded(server: "ModelServerClient", model: str, version: int) -> bool:
    """Whether a server has nothing to say of a version: no state, no error."""
    one = _statuses(server, model).get(version)
    return one is None or (one.state == "END" and not one.error_message)


def _wait_for(server: "ModelServerClient", model: str, version: int, wait_s: float) -> None:
    """Waits until a version is AVAILABLE, or is known not to be."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        one = _statuses(server, model).get(version)
        if one and (one.state == "AVAILABLE" or one.error_message):
            return
        time.sleep(_LOOK_S)  # a model server tells no one of its states: they are asked for


def _put_back(servers: "Sequence[ModelServerClient]", old: "ModelConfigs") -> None:
    for server in servers:
        with suppress(errors.VitrineError):
            server.reload(str(old.without(_unknown(server, old))))


def _statuses(server: "ModelServerClient", model: str) -> dict[int, VersionStatus]:
    try:
        return {one.version: one for one in server.status(model)}
    except NotFound:
        return {}


def _check_available(
    server: "ModelServerClient", model: str, version: int, configs: "ModelConfigs"
) -> None:
    """Raises `LabelNotMoved` with what to do where a label would name nothing."""
    statuses = _statuses(server, model)
    one = statuses.get(version)
    if one and one.state == "AVAILABLE":
        return
    if one and one.state in ("START", "LOADING"):
        told = "is loading; try again when it is AVAILABLE"
    elif one and one.error_message:
        told = f"could not be loaded ({one.error_message}); publish one that can"
    else:
        available = [n for n, each in statuses.items() if each.state == "AVAILABLE"]
        told = configs.unloaded(model, version, available)
    raise LabelNotMoved(f"Version {version} of {model} at {server.address} {told}")


def _tell(servers: "Sequence[ModelServerClient]", new: "ModelConfigs", old: "ModelConfigs") -> None:
    """Has all servers follow the new configuration, or none."""
    for index, server in enumerate(servers):
        try:
            server.reload(str(new.without(_unknown(server, new))))
        except errors.VitrineError as error:
            for told in servers[:index]:
                with suppress(errors.VitrineError):
                    told.reload(str(old.without(_unknown(told, old))))
            if isinstance(error, errors.Unavailable | errors.DeadlineExceeded):
                raise
            raise LabelNotMoved(
                f"The model server at {server.address} refuses it, and all is as it was: {error}"
            ) from error


def _unknown(server: "ModelServerClient", configs: "ModelConfigs") -> set[str]:
    """The models of which a server has no version. TensorFlow Serving does not answer a reload
    before each new model has one, and answers no other meanwhile; those that get one come in when
    it next looks at its file."""
    unknown = set()
    for model in configs.models:
        try:
            server.status(model)
        except NotFound:
            unknown.add(model)
    return unknown
