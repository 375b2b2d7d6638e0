"""Version labels: `promote` and `rollback` have a label name another version of a model.

Both write the model server's `models.config` and tell the servers, which need no restart. They need
the extra `vitrine-client[grpc]`, whose modules are imported by the first call.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vitrine_client.errors import InvalidRequest, LabelNotMoved, VitrineError
from vitrine_client.process import addresses
from vitrine_client.process.trust import Certificate
from vitrine_client.results.strict_json import JsonRecord
from vitrine_client.store.config_reloads import ConfigReloads, ReloadError

if TYPE_CHECKING:
    from vitrine_client.model_server import ModelServerClient
    from vitrine_client.store.model_configs import ModelConfigs
    from vitrine_client.tfserving.channel import Verify

__all__ = ["CONFIG", "STABLE", "Promotion", "checked_label", "promote", "rollback"]

STABLE = "stable"
CONFIG = Path("models", "models.config")

_APPEAR_S = 5.0
"""Longest wait for a version to be loaded where it is not known whether it is published: servers
look once a second."""


@dataclass(frozen=True)
class Promotion(JsonRecord):
    """Move of a version label: the version that it names, and the one that it named before, if any.

    `keeps_all` says that all versions of the model are served from now on, where the newest alone
    were.
    """

    model: str
    label: str
    version: int
    was: int | None
    keeps_all: bool


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
    `ModelServerClient`. All servers follow, or those that were told
    something are told to go back, and the file is as it was. All of it takes a minute and twice
    `timeout_s` at most.

    Raises `LabelNotMoved` where the version, or another that the file names, is not AVAILABLE on
    every server, or where one refuses; `DeadlineExceeded` or `Unavailable`, with its address, where
    one does not answer within `timeout_s`; `NotFound` for a model that is not in the file,
    `InvalidRequest` for a file that makes no sense, `OSError` where it cannot be read or written,
    and the errors of `ModelServerClient`.
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
        reloads = ConfigReloads(servers, old, model, label, timeout_s)
        with _put_back_unless_done(reloads, path, content):
            _load(reloads, model, now, path, old, new)
            reloads.check(new)
            model_configs.write(path, str(new).encode())
            reloads.reload_all(new)
    keeps_all = new.serves_all(model) and not old.serves_all(model)
    return Promotion(model, label, now, old.named(model, label), keeps_all)


@contextmanager
def _put_back_unless_done(reloads: ConfigReloads, path: Path, content: bytes) -> Iterator[None]:
    """Has the file, and the servers that were told something, be as they were after any error."""
    from vitrine_client.store import model_configs

    try:
        yield
    except BaseException as error:
        try:
            if path.read_bytes() != content:
                model_configs.write(path, content)
        finally:
            unreverted = reloads.put_back()
        if isinstance(error, VitrineError | ReloadError):
            raise reloads.failure(error, unreverted) from error
        raise


def _load(
    reloads: ConfigReloads,
    model: str,
    version: int,
    path: Path,
    old: "ModelConfigs",
    new: "ModelConfigs",
) -> None:
    """Sees to it that all servers have a version AVAILABLE.

    One that is published and not loaded, as the newest alone are served, is loaded: all versions
    are served from then on, which a label needs in any case. Raises `LabelNotMoved` where that does
    not help.
    """
    from vitrine_client.store import model_configs

    for server in reloads.servers:
        if _is_loading(reloads, server, version):
            reloads.wait_for(server, version)
    unloaded = [server for server in reloads.servers if _is_unloaded(reloads, server, version)]
    if unloaded and old.could_load(model, version):
        reloads.check(new, moved=False)
        wider = old.keeping_all(model)
        model_configs.write(path, str(wider).encode())
        reloads.reload_all(wider)
        for server in unloaded:
            if old.published(model) is None:
                reloads.wait_for(server, version, _APPEAR_S)
            else:
                reloads.wait_for(server, version)
    for server in reloads.servers:
        _check_available(reloads, server, model, version, old)


def _is_loading(reloads: ConfigReloads, server: "ModelServerClient", version: int) -> bool:
    one = reloads.statuses(server).get(version)
    return one is not None and one.state in ("START", "LOADING")


def _is_unloaded(reloads: ConfigReloads, server: "ModelServerClient", version: int) -> bool:
    """Whether a server has nothing to say of a version: no state, no error."""
    one = reloads.statuses(server).get(version)
    return one is None or (one.state == "END" and not one.error_message)


def _check_available(
    reloads: ConfigReloads,
    server: "ModelServerClient",
    model: str,
    version: int,
    configs: "ModelConfigs",
) -> None:
    """Raises `LabelNotMoved` with the remedy where a label would name nothing."""
    statuses = reloads.statuses(server)
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
