"""The model servers that the contract is held against: the embedded one always, real ones
whenever one answers."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import turns
from tests.contract import models, server
from tests.contract.server import Server

REASONS = {
    kind: server.why_not(kind, os.environ) for kind in ("embedded", "address", "binary", "docker")
}
"""Each kind of server, and why it is not there."""

PRESENT = [kind for kind, reason in REASONS.items() if not reason]
OURS_TO_START = [kind for kind in PRESENT if kind != "address"]


@pytest.fixture(scope="session")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where there is one version of each kind of model, made by the first process that asks."""
    folder = turns.shared(tmp_path_factory) / "contract"
    folder.mkdir(exist_ok=True)
    with turns.locked(folder):
        directory = folder / "kinds"
        if not directory.exists():
            made = tmp_path_factory.mktemp("kinds")
            models.export(made)
            made.rename(directory)
    return directory


@pytest.fixture(scope="session")
def servers(
    kinds: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], tuple[Server, Server | None]]]:
    """Starts a kind of server when it is first asked for: one that stays as it is, and beside it
    one that cases may change, unless it is somebody else's."""
    started: dict[str, tuple[Server, Server | None]] = {}

    def start(kind: str) -> tuple[Server, Server | None]:
        if kind not in started and kind == "address":
            started[kind] = server.elsewhere(os.environ, kinds), None
        elif kind not in started:
            bases = [tmp_path_factory.mktemp(f"{kind}-{use}") for use in ("steady", "changing")]
            for base in bases:
                server.fill(kinds, base)
            steady, changing = (
                server.start(server.command(kind, base), base, kinds, may_change=base is bases[1])
                for base in bases
            )
            started[kind] = steady, changing
        return started[kind]

    yield start
    for pair in started.values():
        for one in filter(None, pair):
            one.stop()


@pytest.fixture(scope="session", params=PRESENT)
def target(request: pytest.FixtureRequest, servers: Callable) -> Server:
    """A server with the models of `server.fill`, which stays as it is."""
    steady, _ = servers(request.param)
    steady.await_ready()
    return steady


@pytest.fixture(scope="session", params=OURS_TO_START)
def changing(request: pytest.FixtureRequest, servers: Callable) -> Server:
    """A server whose configuration and versions a case may change; the next one brings its own.
    Batching is on."""
    _, other = servers(request.param)
    other.await_ready()
    return other


@pytest.fixture(scope="session")
def embedded(servers: Callable) -> Server:
    """The embedded server, as it stays."""
    steady, _ = servers("embedded")
    steady.await_ready()
    return steady


@pytest.fixture(scope="session")
def changing_embedded(
    embedded: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """An embedded server for cases of change over its socket, which are those that change the
    other one, too."""
    base, kinds = tmp_path_factory.mktemp("embedded-over-its-socket"), embedded.kinds
    server.fill(kinds, base)
    other = server.start(server.command("embedded", base), base, kinds, may_change=True)
    other.await_ready()
    yield other
    other.stop()
