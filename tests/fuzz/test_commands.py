"""The commands that the OpenAPI document shows, as they stand there."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.paths import ROOT
from tests.fuzz.conftest import Gateway
from vitrine_serving.gateway.api.openapi.document import document

COMMANDS = {
    f"{operation['operationId']}-{index}": sample["source"]
    for item in document(["clothes"])["paths"].values()
    for method, operation in item.items()
    if method != "parameters"
    for index, sample in enumerate(operation["x-codeSamples"])
}


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl")
@pytest.mark.parametrize("command", COMMANDS.values(), ids=COMMANDS)
def test_documented_commands(gateway: Gateway, tmp_path: Path, command: str):
    """Each is answered with 200, with a model that has every signature."""
    (tmp_path / "samples").symlink_to(ROOT / "samples")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = command.replace("http://127.0.0.1:8080", gateway.url)
    done = subprocess.run(
        ["bash", "-c", command.replace("curl ", "curl -sS --fail-with-body ")],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # A page, metrics, or JSON.
    assert done.stdout.startswith(("<!doctype html>", "# HELP ")) or json.loads(done.stdout)
