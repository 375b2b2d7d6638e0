"""Model list commands: `vitrine models`, `vitrine status` and `vitrine metadata`."""

import sys
from contextlib import suppress
from typing import Any

import click
from rich.table import Table

from vitrine_client.cli import completion_values, options
from vitrine_client.cli.gateway import GatewayOptions, gateway_options
from vitrine_client.cli.options import which_version
from vitrine_client.cli.output import tables
from vitrine_client.errors import VitrineError
from vitrine_client.results import signatures
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.results.profiles.report import in_words

_DTYPES = {"DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16"}

model_argument = click.argument("model", shell_complete=completion_values.model_names)
optional_model = click.argument(
    "model", required=False, shell_complete=completion_values.model_names
)


@click.command()
@tables.as_json
@gateway_options
def models(as_json: bool, gateway: GatewayOptions) -> None:
    """List the models with their versions, states and version labels.

    \b
    vitrine models
    vitrine models --json | jq 'keys'

    Of the version labels, those are listed that the gateway looks for (VITRINE_VERSION_LABELS).
    Whether pictures can be sent to a model is said of its newest version that is AVAILABLE, and why
    not; what is assumed of the pictures that it takes is noted below.
    """
    with options.friendly(), gateway.client() as client:
        listed = client.models()
    if as_json:
        tables.print_json(listed)
    else:
        tables.print_table(_states("model", listed))
        for name, statuses in listed.items():
            for assumed in (in_words(one.assumptions) for one in statuses if one.assumptions):
                options.note(f"{name}: {assumed}")


@click.command()
@model_argument
@tables.as_json
@gateway_options
def status(model: str, as_json: bool, gateway: GatewayOptions) -> None:
    """Show the versions of MODEL, their states and version labels.

    \b
    vitrine status mlp
    vitrine status mlp > /dev/null && echo it answers

    Where a version could not be loaded, it says why. Exit code 1: no version is AVAILABLE, or there
    is no such model.
    """
    with options.friendly(), gateway.client() as client:
        statuses = client.status(model)
        with suppress(VitrineError):  # the list alone has version labels; states are worth more
            statuses = client.models().get(model, statuses)
    if as_json:
        tables.print_json(statuses)
    else:
        tables.print_table(_states("model", {model: statuses}))
    sys.exit(0 if any(one.state == "AVAILABLE" for one in statuses) else 1)


@click.command()
@model_argument
@which_version
@tables.as_json
@gateway_options
def metadata(
    model: str,
    version: int | None,
    label: str | None,
    as_json: bool,
    gateway: GatewayOptions,
) -> None:
    """Show what goes into MODEL and what comes out.

    \b
    vitrine metadata mlp
    vitrine metadata mlp --label stable --json     as TensorFlow Serving answers it

    Signatures with their tensors' names, dtypes and shapes; n is as many rows as you like, ? any
    size.
    """
    with options.friendly(), gateway.client() as client:
        found = client.metadata(model, version=version, label=label)
    if as_json:
        tables.print_json(found)
    else:
        tables.print_table(_signatures(found))


def _states(heading: str, listed: dict[str, list[VersionStatus]]) -> Table:
    rows = tables.table(heading, "version", "state", "labels", "pictures", "")
    for name, statuses in listed.items():
        for one in statuses:
            error = f"{one.error_code}: {one.error_message}" if one.error_message else ""
            labels = ", ".join(one.version_labels)
            told = error or one.reason
            tables.add(rows, name, str(one.version), one.state, labels, _pictures(one), told)
    return rows


def _pictures(one: VersionStatus) -> str:
    return "" if one.classifier is None else "yes" if one.classifier else "no"


def _signatures(found: dict[str, Any]) -> Table:
    rows = tables.table("signature", "", "name", "dtype", "shape")
    for name, signature in sorted(signatures.of(found).items()):
        if name.startswith("__"):  # TensorFlow's own, such as __saved_model_init_op
            continue
        rows.add_section()
        shown = name
        for way, alias, tensor in signatures.tensors(signature):
            tables.add(rows, shown, way[:-1], alias, _dtype(tensor), _shape(tensor))
            shown = ""
    return rows


def _dtype(tensor: dict[str, Any]) -> str:
    name = signatures.dtype(tensor)
    return _DTYPES.get(name, name.removeprefix("DT_").lower())


def _shape(tensor: dict[str, Any]) -> str:
    sizes = signatures.sizes(tensor)
    if sizes is None:
        return "any"
    told = [str(size) if size >= 0 else "?" if at else "n" for at, size in enumerate(sizes)]
    return f"[{', '.join(told)}]"
