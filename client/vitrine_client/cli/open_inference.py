"""Options of the Open Inference Protocol: how a command asks any of its servers."""

from collections.abc import Callable, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import click

from vitrine_client.cli import options
from vitrine_client.cli.gateway import GatewayOptions
from vitrine_client.errors import InvalidRequest
from vitrine_client.open_inference.client.http_client import V2HttpClient
from vitrine_client.open_inference.client.predictor import V2Predictor, V2Server
from vitrine_client.process import addresses
from vitrine_client.process.trust import Trust
from vitrine_client.results.profiles.completion import LABELS_FILE, PROFILE_FILE, ProfileLayer
from vitrine_client.results.profiles.profile import ProfileError
from vitrine_client.store import profile_files

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

Command = Callable[..., Any]


def _layers_in(
    _: click.Context, parameter: click.Parameter, path: Path | None
) -> tuple[ProfileLayer, ...]:
    """Reads a file as it stands beside a model; a byte that is no UTF-8 is wrong usage, too."""
    if path is None:
        return ()
    name = PROFILE_FILE if parameter.name == "profile" else LABELS_FILE
    try:
        return tuple(profile_files.layers({name: path.read_bytes().decode()}))
    except (ProfileError, OSError, ValueError) as error:
        raise click.BadParameter(f"{path}: {error}") from error


profile = click.option(
    "--profile",
    type=_FILE,
    callback=_layers_in,
    metavar="FILE",
    help="How pictures are made for a model with --as v2: a profile.json.",
)
_labels = click.option(
    "--labels",
    type=_FILE,
    callback=_layers_in,
    metavar="FILE",
    help="Labels of the classes with --as v2, one in each line.",
)
_as = click.option(
    "--as",
    "way",
    type=click.Choice(("v2",)),
    help="Ask any server of the Open Inference Protocol (KServe v2), such as Triton; --url may be "
    "grpc://HOST:PORT.",
)


def predicting_options(command: Command) -> Command:
    """Adds `--as`, `--profile` and `--labels` to a command."""
    return reduce(lambda so_far, add: add(so_far), (_labels, profile, _as), command)


def predictor(gateway: GatewayOptions, layers: Sequence[ProfileLayer]) -> V2Predictor:
    """Returns the predictor that asks the server at the gateway's address."""
    return V2Predictor(_server(gateway), layers, options.note)


def _server(gateway: GatewayOptions) -> V2Server:
    scheme, _, address = gateway.url.partition("://")
    if f"{scheme}://" not in addresses.GRPC_SCHEMES:
        return gateway.client_of_kind(V2HttpClient)
    with options.needs("grpc", f"{scheme}://"):
        from vitrine_client.open_inference.client.grpc_client import V2GrpcClient
    trust = None
    if scheme == "grpc":
        options.refuse_typed(f"{gateway.url} has no TLS", "ca", "cert", "cert_key")
    try:
        if scheme == "grpcs":
            trust = Trust.chosen(gateway.tls.ca or True, gateway.tls.certificate)
            trust.context()
        return V2GrpcClient(address, timeout_s=gateway.timeout_s, trust=trust, api_key=gateway.key)
    except InvalidRequest as error:
        raise click.UsageError(str(error)) from error
