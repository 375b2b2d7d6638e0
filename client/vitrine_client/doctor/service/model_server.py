"""Check of model servers over gRPC: an answer, and the states of published models."""

import socket
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from vitrine_client.doctor.data.model_files import how_to_publish, published
from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    NotGrpc,
    Unavailable,
    VitrineError,
)
from vitrine_client.http.default_model import is_served
from vitrine_client.process import local_sockets
from vitrine_client.process.addresses import checked_model_server
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.results.profiles.report import in_words
from vitrine_client.store.generated_config import how_to_serve
from vitrine_client.store.layout import aside
from vitrine_client.store.saved_model import wrong_version

_NO_MODEL = "-"
"""A name that no model has: a server that answers at all does not know it."""


def check(here: Installation) -> Iterator[Finding]:
    """Asks each model server for the models that are published here."""
    addresses = []
    for each in here.model_servers:
        try:
            addresses.append(checked_model_server(each))
        except InvalidRequest as error:
            yield problem(
                "model server", str(error), "`export VITRINE_MODEL_SERVER=127.0.0.1:8500`, say"
            )
    try:
        import grpc  # noqa: F401 - an extra
    except ImportError:
        todo = "pip install 'vitrine-client[grpc]', if you want them examined"
        yield note("model server", "not asked: gRPC is not installed", todo)
        return
    if here.names("VITRINE_MODEL_SERVER_CA"):
        yield note(
            "model server", "not asked: it is asked by TLS", "the gateway's lines tell of it"
        )
        return
    for each in addresses:
        yield from _examined(each, here)


def answers(address: str, wait_s: float) -> bool:
    """Says whether a model server answers at an address; never where gRPC is not installed."""
    try:
        _ask(address, wait_s, _NO_MODEL)
    except NotFound:
        return True
    except (ImportError, VitrineError):
        return False
    return True


def _ask(address: str, wait_s: float, model: str) -> list[VersionStatus]:
    from vitrine_client.model_server import ModelServerClient

    with ModelServerClient(address, timeout_s=wait_s) as server:
        return server.status(model)


def _examined(address: str, here: Installation) -> Iterator[Finding]:
    name = f"model server {address}"
    try:
        _ask(address, here.wait_s, _NO_MODEL)
    except NotFound:
        yield ok(name, "answers")
    except NotGrpc:
        todo = "`export VITRINE_MODEL_SERVER=HOST:PORT`, its gRPC port"
        yield problem(name, NotGrpc.reason, todo)
        return
    except (Unavailable, DeadlineExceeded) as error:
        yield _silent(address, _first_line(error), here)
        return
    except VitrineError as error:
        seen = f"is no model server ({_first_line(error)})"
        yield problem(name, seen, "`export VITRINE_MODEL_SERVER=HOST:PORT`, its gRPC port")
        return
    for model in published(here.models_dir):
        try:
            states = _ask(address, here.wait_s, model)
            yield from (each for each in examined_states(model, states, {}, here) if each.todo)
        except NotFound:
            seen = f"published in {here.models_dir}, and not known to {address}"
            todo = how_to_serve(here.models_dir / "models.config", model)
            yield note(f"model {model}, not served", seen, todo)
        except VitrineError as error:
            seen = f"{address} does not tell ({_first_line(error)})"
            yield problem(f"model {model}, served", seen, "look at the model server's log")


def _silent(address: str, reason: str, here: Installation) -> Finding:
    name = f"model server {address}"
    todo = "`make serve` starts one with the gateway; VITRINE_MODEL_SERVER=HOST:PORT names another"
    if _takes_connections(address, here.wait_s):
        seen = f"what listens there is silent, or speaks no gRPC ({reason})"
        return problem(name, seen, f"end it, or give it time; {todo}")
    if here.names("VITRINE_MODEL_SERVER"):
        return problem(name, f"does not answer ({reason})", todo)
    return note(name, "nothing answers: no service runs here", todo)


def _takes_connections(address: str, wait_s: float) -> bool:
    host, _, port = address.rpartition(":")
    own_path = address.removeprefix("unix:") if address.startswith("unix:") else ""
    try:
        if path := local_sockets.path_of(address) or own_path:
            with socket.socket(socket.AF_UNIX) as own:
                own.settimeout(wait_s)
                own.connect(path)
            return True
        socket.create_connection((host.strip("[]"), int(port)), wait_s).close()
    except (OSError, ValueError):  # or another of gRPC's URIs
        return False
    return True


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def examined_states(
    model: str,
    statuses: Sequence[VersionStatus],
    labels: Mapping[str, object],
    here: Installation,
) -> Iterator[Finding]:
    """Yields findings on a model on a service: on each version that failed, unless its files say
    why, of which there is a finding already; and on the model. `labels` are the versions by their
    labels."""
    name = f"model {model}, served"
    for each in statuses:
        directory = here.models_dir / model / str(each.version)
        if each.error_message and not (directory.is_dir() and wrong_version(directory)):
            seen = f"version {each.version} is {each.state}: {each.error_message}"
            yield problem(name, seen, _mended(directory))
    if not statuses:
        yield problem(
            name,
            "the gateway lists it, and the model server has no version of it",
            f"{how_to_publish(here.models_dir / model)}; or take it out of VITRINE_MODELS; or, if "
            "it is published, see whether models.config names it",
        )
    elif is_served(statuses):
        yield ok(name, _summary(statuses, labels))
        yield from _examined_pictures(name, statuses)
    elif not any(each.error_message for each in statuses):
        states = ", ".join(f"version {each.version} is {each.state}" for each in statuses)
        yield note(name, states, "wait until one is AVAILABLE, and look again")


def _examined_pictures(name: str, statuses: Sequence[VersionStatus]) -> Iterator[Finding]:
    """Yields findings on what a gateway says of the pictures that a model takes."""
    for each in statuses:
        if each.reason:
            yield ok(name, f"version {each.version} is sent no pictures: {each.reason}")
        if each.assumptions:
            seen = f"of version {each.version}, {in_words(each.assumptions)}"
            yield note(name, seen, "nothing, where that is so: docs/your-own-model.md")


def _summary(statuses: Sequence[VersionStatus], labels: Mapping[str, object]) -> str:
    versions = [str(each.version) for each in statuses if each.state == "AVAILABLE"]
    labelled = ", ".join(f"{label} is {version}" for label, version in labels.items())
    return f"{'version' if len(versions) == 1 else 'versions'} {', '.join(versions)}" + (
        f" ({labelled})" if labelled else ""
    )


def _mended(directory: Path) -> str:
    other = how_to_publish(directory.parent)
    if not directory.is_dir():
        return f"{other}; or set this one aside, where the model server has its files"
    return f"{other}; or set this one aside: {aside(directory)}"
