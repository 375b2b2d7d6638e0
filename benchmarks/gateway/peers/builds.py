"""Builds of Vitrine: the working tree and earlier commits, each started by `vitrine-serve up`.

An earlier one runs with the libraries of today, from an export of its commit in the cache; that is
no worktree, of which the repository would keep a note.
"""

import compileall
import io
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from rich.console import Console

from benchmarks.gateway.bodies import PICTURES, npy
from benchmarks.gateway.peers.peer import Running, WireFormat, await_answer
from harness.gateway import PREDICT
from harness.paths import ROOT
from harness.ports import free_port
from harness.processes import children_of, running

BEFORE = "bf44862"
"""The build before this step; `--before` names another."""

EARLIER = "05c7766"
"""The build that aims are set against."""

VITRINE_WIRE = WireFormat(PREDICT, array=npy)

_MEMBERS = ("client", "serving", "training")
_UP = (sys.executable, "-m", "vitrine_serving", "up")


@dataclass(frozen=True)
class Build:
    """The whole service as its user starts it; `commit` is empty for the working tree."""

    name: str
    title: str
    family: str = "vitrine"
    commit: str = ""
    wire: WireFormat = VITRINE_WIRE
    variables: Mapping[str, str] = field(default_factory=dict)

    def prepare(self, cache: Path, console: Console) -> str:
        """Exports the commit, once; returns why it can't, or nothing."""
        return prepare_build(self.commit, cache, console) if self.commit else ""

    @contextmanager
    def start(self, cache: Path, version: Path, folder: Path) -> Iterator[Running]:
        """Serves the model in `version`, and ends afterwards. Raises `NotStartedError`."""
        models = folder / "models"
        shutil.copytree(version, models / "mlp" / version.name)
        port, grpc_port = free_port(), free_port()
        told = {
            "VITRINE_PORT": str(port),
            "VITRINE_GRPC_PORT": str(grpc_port),
            "VITRINE_REST_PORT": str(free_port()),
            "VITRINE_V2_GRPC_PORT": "0",
            "VITRINE_MODELS_DIR": str(models),
            "GUNICORN_CMD_ARGS": "--log-level=warning",
            **self.variables,
        }
        build = import_path(self.commit, cache) if self.commit else {}
        log = folder / "log"
        started = time.monotonic()
        with running(_UP, log, told | build, cwd=folder) as up:
            url = f"http://127.0.0.1:{port}{self.wire.path}"
            await_answer(url, self.wire.single(PICTURES[0]), up, log)
            start_s = time.monotonic() - started
            address = f"127.0.0.1:{grpc_port}"
            yield Running(url, start_s, (up.pid,), _gateway(up.pid), address, build)


def builds(before: str = BEFORE) -> list[Build]:
    """Returns the working tree, the build before, and the one that aims are set against."""
    return [
        Build("vitrine", "Vitrine"),
        Build("before", f"Vitrine, before ({before})", "before", before),
        Build(EARLIER, f"Vitrine, {EARLIER}", EARLIER, EARLIER),
    ]


def prepare_build(commit: str, cache: Path, console: Console) -> str:
    """Exports a commit into the cache, once; returns why it can't, or nothing."""
    tree = _tree(commit, cache)
    if tree.exists():
        return ""
    console.print(f"[bold]{commit}[/] into {tree}")
    return export(commit, tree)


def import_path(commit: str, cache: Path) -> dict[str, str]:
    """Returns the variables with which a process imports a prepared commit's members."""
    return {"PYTHONPATH": os.pathsep.join(str(_tree(commit, cache) / each) for each in _MEMBERS)}


def _tree(commit: str, cache: Path) -> Path:
    return cache / "builds" / commit


def export(commit: str, to: Path, repository: Path = ROOT) -> str:
    """Writes the members of a commit into a new directory, whole or not at all; returns why it
    can't, or nothing."""
    archive = ("git", "-C", str(repository), "archive", "--format=zip", commit, *_MEMBERS)
    try:
        done = subprocess.run(archive, capture_output=True)
    except FileNotFoundError:
        return "there is no git"
    if done.returncode:
        return f"{repository} has no commit {commit}: {done.stderr.decode().strip()}"
    to.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=to.parent) as name:
        made = Path(name) / "tree"
        with zipfile.ZipFile(io.BytesIO(done.stdout)) as archived:
            archived.extractall(made)
        # Or the first start would be slower than the second.
        compileall.compile_dir(made, quiet=2)
        made.rename(to)
    return ""


def _gateway(up: int) -> int:
    """Returns the gateway's first process, the nearest to `up` of those that run it."""
    for pid in children_of(up):
        with suppress(OSError):  # it has just ended
            if b"vitrine_serving.gateway" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    raise AssertionError(f"process {up} has no gateway")
