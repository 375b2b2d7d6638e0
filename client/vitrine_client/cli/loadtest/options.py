"""Load test options: how their values are read, and what is refused."""

from collections.abc import Callable
from pathlib import Path

import click

from vitrine_client.loadtest.generator.headers import parsed
from vitrine_client.process import addresses

_TOO_MUCH = 1_000_000

Steps = tuple[tuple[float, float], ...]


def headers(
    _: click.Context, __: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Reads `Name: value`, any number of times."""
    try:
        return tuple(map(parsed, texts))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def rates(_: click.Context, __: click.Parameter, text: str | None) -> Steps | None:
    """Reads `500`, the ramp `100..500`, or several of both as steps, separated by commas; returns
    the rate at the start and at the end of each."""
    if text is None:
        return None
    try:
        steps = tuple(_step(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is none of 500, 100..500 and 100,200,400") from None
    found = [rate for step in steps for rate in step]
    if not all(0 <= rate < _TOO_MUCH for rate in found) or not any(found):
        raise click.BadParameter(f"Rates are below {_TOO_MUCH:,} requests/s, and not all are 0")
    return steps


def _step(text: str) -> tuple[float, float]:
    start, ramp, end = text.partition("..")
    return float(start), float(end if ramp else start)


def checked_address(text: str) -> str:
    """Returns the address of a model server: HOST:PORT for gRPC, or a URL for REST. Raises
    `InvalidRequest`."""
    check = addresses.checked_url if is_http(text) else addresses.checked_model_server
    return check(text)


def is_http(address: str) -> bool:
    """Says whether an address is a URL, and not HOST:PORT."""
    return address.startswith(("http://", "https://"))


def output(flag: str, name: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option for a file to write; one that can't be written is a usage error."""
    kind = click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path)
    return click.option(flag, name, type=kind, metavar="FILE", help=text)
