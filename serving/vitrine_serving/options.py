"""Options of the commands that start a service, and their consequences."""

import ipaddress
import os
import re
import shlex
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from vitrine_client.errors import InvalidRequest
from vitrine_client.process.addresses import (
    GRPC_OFFSET,
    HIGHEST_PORT,
    HOST,
    PORT,
    REST_OFFSET,
    V2_GRPC_OFFSET,
    Addresses,
    is_service_link,
)

WITHOUT_KEYS = " (without API keys, whoever reaches it may ask: docs/security.md)"

MODELS_DIR = Path("models")


class _Option(click.Option):
    """Option whose variable counts as not set where Kubernetes set it."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Returns the value of the variable; click calls it."""
        value = super().resolve_envvar_value(ctx)
        return None if value and is_service_link(value) else value


class Port(click.IntRange):
    """A port that can be listened on."""

    name = "port"

    def __init__(self, lowest: int = 1) -> None:
        super().__init__(lowest, HIGHEST_PORT)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Takes digits alone, as the clients that read the same variable do."""
        if isinstance(value, str) and not re.fullmatch(r"\s*[0-9]+\s*", value, re.ASCII):
            told = f"{value!r} is no port; write a number, {self.min} to {HIGHEST_PORT}"
            self.fail(told, param, ctx)
        number: int = super().convert(value, param, ctx)
        return number


def service(command: Callable[..., None]) -> Callable[..., None]:
    """Adds where a service listens, and where its models are."""
    port = Port()
    folder = click.Path(file_okay=False, path_type=Path)
    options: list[tuple[str, Any, Any, Any, str]] = [
        ("host", str, HOST, True, "Address of the gateway."),
        ("port", port, PORT, True, "Port of the gateway."),
        (
            *("v2-grpc-port", Port(0), None, f"port + {V2_GRPC_OFFSET}"),
            "Port of the gateway's gRPC (Open Inference Protocol); 0 for none.",
        ),
        ("grpc-port", port, None, f"port + {GRPC_OFFSET}", "gRPC port of the model server."),
        ("rest-port", port, None, f"port + {REST_OFFSET}", "REST port of the model server."),
        (
            *("local-socket", str, "", False),
            "Path of the Unix socket on which the gateway asks the model server; `off` for gRPC. "
            "By default one in a temporary directory.",
        ),
        (
            *("local-socket-group", str, "", False),
            "Group that may connect to it; else its user alone.",
        ),
        ("models-dir", folder, MODELS_DIR, True, "Folder with the models' versions."),
    ]
    for name, kind, default, shown, text in reversed(options):
        command = click.option(
            f"--{name}",
            cls=_Option,
            type=kind,
            envvar=f"VITRINE_{name.replace('-', '_').upper()}",
            default=default,
            show_default=shown,
            show_envvar=True,
            help=text,
        )(command)
    return command


def split(where: dict[str, Any]) -> tuple[dict[str, str], Addresses]:
    """Returns the local socket and its group, by the names of their options, and where the service
    is to listen. Raises `click.UsageError` where it cannot."""
    names = ("local_socket", "local_socket_group")
    return {name: where.pop(name) for name in names}, addresses(**where)


def addresses(**where: Any) -> Addresses:
    """Returns where the service is to listen. Raises `click.UsageError` where it cannot."""
    try:
        chosen = Addresses.chosen(**where)
    except InvalidRequest as error:
        raise click.UsageError(str(error)) from error
    elsewhere = os.environ.get("VITRINE_MODEL_SERVER", "")
    if elsewhere not in ("", chosen.model_server):
        click.echo(
            f"Warning: VITRINE_MODEL_SERVER={elsewhere} is not asked: a model server is started "
            f"here, at {chosen.model_server}. `vitrine-serve gateway` starts none",
            err=True,
        )
    return chosen


def exports(addresses: Addresses, models_dir: Path) -> str:
    """Returns the variables by which clients find a service that is not at its usual place."""
    found: dict[str, str] = {}
    if not addresses.are_default:
        found |= {"VITRINE_URL": addresses.url, "VITRINE_MODEL_SERVER": addresses.model_server}
    if models_dir != MODELS_DIR:
        found["VITRINE_MODELS_DIR"] = str(models_dir.absolute())
    return " ".join(f"{name}={shlex.quote(value)}" for name, value in found.items())


def url_elsewhere(addresses: Addresses) -> str:
    """Returns the gateway's URL for other machines; empty where it listens for this one alone."""
    if addresses.host == "localhost":
        return ""
    try:
        host = ipaddress.ip_address(addresses.host or "0.0.0.0")  # noqa: S104
    except ValueError:
        return addresses.url
    if host.is_loopback:
        return ""
    if not host.is_unspecified:
        return addresses.url
    families = [(socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")]
    found = filter(None, (_own_address(*each) for each in families[: host.version // 2 - 1]))
    return next((replace(addresses, host=each).url for each in found), "")


def _own_address(family: socket.AddressFamily, elsewhere: str) -> str:
    """Returns the address that this machine is seen by elsewhere, empty where there is no way."""
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((elsewhere, 9))  # sends nothing: the system chooses an address of ours
        except OSError:
            return ""
        return str(probe.getsockname()[0])
