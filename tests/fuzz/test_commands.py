"""The commands that the OpenAPI document shows, as they stand there."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.paths import ROOT
from tests.fuzz.conftest import Gateway
from tests.fuzz.service import service
from vitrine_serving.gateway.access import keys
from vitrine_serving.gateway.api.openapi.document import document

EVERY = {
    f"{operation['operationId']}-{index}": sample["source"]
    for item in document(["clothes"])["paths"].values()
    for method, operation in item.items()
    if method != "parameters"
    for index, sample in enumerate(operation["x-codeSamples"])
}
COMMANDS = {name: each for name, each in EVERY.items() if not name.startswith("feedback")}
FLAGS = [each for name, each in EVERY.items() if name.startswith("feedback")]
"""Commands that take a key, and a gateway that takes feedback."""


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_documented_commands(gateway: Gateway, tmp_path: Path, command: str):
    """Each is answered with 200, with a model that has every signature."""
    check(command, gateway.url, tmp_path)


@pytest.fixture(scope="module")
def flagging(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Address of a gateway that takes feedback, and a key to it."""
    folder = tmp_path_factory.mktemp("feedback")
    key = keys.add(folder / "keys", "ann")
    settings = {"feedback_log": folder / "flags.jsonl", "keys_file": folder / "keys"}
    with service(folder, 1, **settings) as gateway:
        yield f"http://{gateway.address}", key


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
def test_documented_commands_of_feedback(
    flagging: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """All flag the same answer with the same label, one that this model has."""
    address, key = flagging
    monkeypatch.setenv("VITRINE_API_KEY", key)
    for command in FLAGS:
        check(command.replace('"Bag"', '"class 8"'), address, tmp_path)


def check(command: str, address: str, folder: Path) -> None:
    """Runs a command before a gateway at another address."""
    samples = folder / "samples"
    if not samples.exists():
        samples.symlink_to(ROOT / "samples")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = command.replace("http://127.0.0.1:8080", address)
    done = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl -sS --fail-with-body ")],
        capture_output=True,
        text=True,
        cwd=folder,
        env=os.environ | {"PATH": path},
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # A page, metrics, or JSON.
    assert done.stdout.startswith(("<!doctype html>", "# HELP ")) or json.loads(done.stdout)
