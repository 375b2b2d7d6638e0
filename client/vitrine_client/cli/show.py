"""`vitrine models`, `vitrine status` and `vitrine metadata`: what there is to ask."""

import dataclasses
import json
import sys
from collections.abc import Iterable
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from vitrine_client.cli import options
from vitrine_client.cli.which import which_version
from vitrine_client.client import Client
from vitrine_client.predictions import VersionStatus

UNBOUNDED = 10_000
"""Columns that no table needs: what is no terminal has no width to fit."""

_DTYPES = {"DT_FLOAT": "float32", "DT_DOUBLE": "float64", "DT_HALF": "float16"}

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@_json
@options.url
@options.key
@options.timeout_s
def models(as_json: bool, url: str, key: str, timeout_s: float) -> None:
    """List the models with their versions and states.

    \b
    vitrine models
    vitrine models --json | jq 'keys'
    """
    with options.friendly(), Client(url, timeout_s=timeout_s, api_key=key) as client:
        listed = client.models()
    if as_json:
        _print_json({name: _plain(statuses) for name, statuses in listed.items()})
    else:
        _print(_states("model", listed))


@click.command()
@click.argument("model")
@_json
@options.url
@options.key
@options.timeout_s
def status(model: str, as_json: bool, url: str, key: str, timeout_s: float) -> None:
    """Show the versions of MODEL and their states.

    \b
    vitrine status mlp
    vitrine status mlp > /dev/null && echo it answers

    Where a version could not be loaded, it says why. Exit code 1: no version is AVAILABLE.
    """
    with options.friendly(), Client(url, timeout_s=timeout_s, api_key=key) as client:
        statuses = client.status(model)
    if as_json:
        _print_json(_plain(statuses))
    else:
        _print(_states("model", {model: statuses}))
    sys.exit(0 if any(one.state == "AVAILABLE" for one in statuses) else 1)


@click.command()
@click.argument("model")
@which_version
@_json
@options.url
@options.key
@options.timeout_s
def metadata(
    model: str,
    version: int | None,
    label: str | None,
    as_json: bool,
    url: str,
    key: str,
    timeout_s: float,
) -> None:
    """Show what goes into MODEL and what comes out.

    \b
    vitrine metadata mlp
    vitrine metadata mlp --label stable --json     as TensorFlow Serving answers it

    Signatures with their tensors' names, dtypes and shapes; n is as many rows as you like, ? any
    size.
    """
    with options.friendly(), Client(url, timeout_s=timeout_s, api_key=key) as client:
        found = client.metadata(model, version=version, label=label)
    if as_json:
        _print_json(found)
    else:
        _print(_signatures(found))


def _states(heading: str, listed: dict[str, list[VersionStatus]]) -> Table:
    table = _table(heading, "version", "state", "")
    for name, statuses in listed.items():
        for one in statuses:
            error = f"{one.error_code}: {one.error_message}" if one.error_message else ""
            _add(table, name, str(one.version), one.state, error)
    return table


def _signatures(found: dict[str, Any]) -> Table:
    table = _table("signature", "", "name", "dtype", "shape")
    for name, signature in sorted(found["metadata"]["signature_def"]["signature_def"].items()):
        if name.startswith("__"):  # TensorFlow's own, such as __saved_model_init_op
            continue
        table.add_section()
        tensors = [
            (way, alias, tensor)
            for way in ("inputs", "outputs")
            for alias, tensor in sorted(signature.get(way, {}).items())
        ]
        shown = name
        for way, alias, tensor in tensors:
            _add(table, shown, way[:-1], alias, _dtype(tensor), _shape(tensor))
            shown = ""
    return table


def _dtype(tensor: dict[str, Any]) -> str:
    name = str(tensor["dtype"])
    return _DTYPES.get(name, name.removeprefix("DT_").lower())


def _shape(tensor: dict[str, Any]) -> str:
    shape = tensor.get("tensor_shape", {})
    if shape.get("unknown_rank"):
        return "any"
    sizes = [int(dim["size"]) for dim in shape.get("dim", [])]
    told = [str(size) if size >= 0 else "?" if at else "n" for at, size in enumerate(sizes)]
    return f"[{', '.join(told)}]"


def _plain(statuses: Iterable[VersionStatus]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(one) for one in statuses]


def _table(*headings: str) -> Table:
    return Table(*headings, box=None, pad_edge=False, header_style="dim")


def _add(table: Table, *cells: str) -> None:
    table.add_row(*map(Text, cells))  # as it is: in a plain string, brackets are colours


def _print(table: Table) -> None:
    console = options.console
    if not console.is_terminal:
        console = Console(width=UNBOUNDED)
    console.print(table)


def _print_json(content: Any) -> None:
    options.console.out(json.dumps(content, indent=2), highlight=False)
