"""Servers that are started with flags and files of their own, and what they answer."""

import subprocess
from pathlib import Path

import pytest

from harness import processes
from harness.ports import free_port
from tests.contract import server
from tests.contract.cases.started import REFUSED, STARTED, Started
from tests.contract.conftest import OURS_TO_START
from tests.contract.local import over_its_socket
from tests.contract.server import Server

pytestmark = pytest.mark.slow

WITHOUT_WARM_UP = [name for name in server.MODELS if name != "imported"]
"""Models that load whatever a batch may have: that one is warmed up with 32 pictures at once."""


WIDE = {
    "allowed sizes twice, and no batch that may wait",
    "a negative bound, padding, and a pool with a name",
    "splitting",
}
"""Of files of batching parameters: tests/serving/test_batching.py has what they say, and others
here that a server takes them."""


@pytest.mark.parametrize("kind", OURS_TO_START)
@pytest.mark.parametrize(
    "started",
    [
        pytest.param(each, id=each.name, marks=[pytest.mark.wide] if each.name in WIDE else [])
        for each in STARTED
    ],
)
def test_started(kind: str, started: Started, kinds: Path, tmp_path: Path):
    """The file is taken, and each case answered; by the embedded server over its socket, too."""
    server.fill(kinds, tmp_path, WITHOUT_WARM_UP)
    grpc_port, rest_port = free_port(), free_port()
    flags = [f"--port={grpc_port}", f"--rest_api_port={rest_port}", *started.flags]
    config = tmp_path / "models.config"
    if started.without_models:
        config.write_text("model_config_list {}")
    else:
        flags += ["--allow_version_labels_for_unavailable_models=true"]
    flags += [f"--model_config_file={config}"]
    if started.batching:
        file = tmp_path / "own.config"
        file.write_text(started.batching)
        flags += ["--enable_batching=true", f"--batching_parameters_file={file}"]
    log = tmp_path / "log"
    with processes.running([*server.command(kind, tmp_path), *flags], log) as process:
        addresses = (f"127.0.0.1:{grpc_port}", f"127.0.0.1:{rest_port}")
        asked = Server(*addresses, tmp_path, kinds, process, log)
        asked.await_ready(b"Could not find" if started.without_models else b"AVAILABLE")
        for each in started.cases:
            each.run(asked)
            if kind == "embedded" and not each.before:
                each.run(over_its_socket(asked))
        asked.stop()


@pytest.mark.parametrize("kind", OURS_TO_START)
@pytest.mark.parametrize(("batching", "words"), REFUSED)
def test_refused(kind: str, batching: str, words: str, kinds: Path, tmp_path: Path):
    """The server ends with 255, and says why; the real one, once each version has failed so."""
    server.fill(kinds, tmp_path, WITHOUT_WARM_UP)
    file = tmp_path / "own.config"
    file.write_text(batching)
    flags = [f"--port={free_port()}", "--rest_api_port=0", "--enable_batching=true"]
    flags += [f"--model_config_file={tmp_path / 'models.config'}", "--max_num_load_retries=0"]
    flags += [f"--batching_parameters_file={file}"]
    flags += ["--allow_version_labels_for_unavailable_models=true"]
    done = subprocess.run(
        [*server.command(kind, tmp_path), *flags],
        capture_output=True,
        text=True,
        timeout=server.START_S,
    )
    assert done.returncode == 255, done.stderr
    assert "Failed to start server. Error: " in done.stdout + done.stderr
    assert words in done.stdout + done.stderr
