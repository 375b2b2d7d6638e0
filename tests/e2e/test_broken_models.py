"""Twenty good models beside six that are broken in different ways: the twenty are served, and each
of the six is named with what to do."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from harness.ports import free_port
from harness.processes import children_of
from harness.service import Service, started_service
from harness.waiting import wait_for
from tests.contract.models import export, publish
from tests.serving.test_broken_versions import export as export_keras

GOOD = [f"good{number}" for number in range(20)]


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    export(folder)
    return folder


def break_six(kinds: Path, models: Path) -> dict[str, str]:
    """Makes the broken ones; returns what is to be said of each."""
    (models / "kerasfile" / "1").mkdir(parents=True)
    (models / "kerasfile" / "1" / "model.keras").touch()
    shutil.copytree(kinds / "images", models / "flat")
    shutil.copytree(kinds / "images", models / "named" / "v1")
    publish(kinds, "broken", models / "cut", 1)
    export_keras(models / "wrapped" / "1", broken=True)
    publish(kinds, "images", models / "older", 1)
    (models / "older" / "2").mkdir()
    return {
        "kerasfile/1": '.export("',
        "flat has a saved_model.pb": f"move what is in it to {models / 'flat' / '1'}",
        "named/v1": f"`mv {models / 'named' / 'v1'} {models / 'named' / '1'}`",
        "cut/1": f"`mv {models / 'cut' / '1'} {models / 'cut' / '.broken-1'}`",
        "wrapped/1": "model.export(directory)",
        "older/2 (version 1 is, in its place)": "is empty: export a SavedModel there",
    }


@pytest.fixture(scope="module")
def service(kinds: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    models = tmp_path_factory.mktemp("models")
    for name in GOOD:
        publish(kinds, "images", models / name, 1)
    break_six(kinds, models)
    with started_service(models, models.with_name("log")) as running:
        yield running


def test_the_good_ones_are_served_and_the_broken_ones_are_named(service, kinds, tmp_path):
    """By `up`, before it says that it is ready."""
    log = service.models_dir.with_name("log").read_text()
    told = [line for line in log.splitlines() if line.startswith(("Not served: ", "Passed over: "))]
    broken = break_six(kinds, tmp_path)
    assert len(told) == len(broken)
    for name, todo in broken.items():
        line = next(line for line in told if name in line)
        assert todo.replace(str(tmp_path), str(service.models_dir)) in line
    with service.client() as client:
        served = {
            name
            for name, versions in client.models().items()
            if any(one.state == "AVAILABLE" for one in versions)
        }
    assert served == {*GOOD, "older"}


def test_readiness_of_all_models_names_those_that_failed(service):
    """It stays 503: a probe that asks for all is told."""
    answer = requests.get(f"{service.url}/readyz?models=1", timeout=30)
    assert answer.status_code == 503
    assert answer.json()["failed"] == {"cut": ["1"], "kerasfile": ["1"], "wrapped": ["1"]}
    assert answer.json()["models"]["older"] is True
    assert requests.get(f"{service.url}/readyz", timeout=30).ok


@pytest.mark.wide  # beside the first, which has all but the time that it takes
@pytest.mark.alone
def test_ready_soon_after_the_last_version_has_settled(kinds, tmp_path):
    """Within two seconds, with one that fails last, after its retries."""
    models, log = tmp_path / "models", tmp_path / "log"
    for name in GOOD:
        publish(kinds, "images", models / name, 1)
    break_six(kinds, models)
    ports = [f"--{kind}port={free_port()}" for kind in ("", "grpc-", "rest-")]
    command = [sys.executable, "-m", "vitrine_serving", "up", f"--models-dir={models}", *ports]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        wait_for(lambda: "Running gRPC" in log.read_text(), 120, "the last version")
        settled_s = time.monotonic()
        wait_for(lambda: "Ready: " in log.read_text(), 30, "the service")
        assert time.monotonic() - settled_s < 2
    finally:
        process.terminate()
        process.wait(60)


def model_server_of(process: "subprocess.Popen[bytes]") -> list[int]:
    def runs(pid: int) -> bool:
        with contextlib.suppress(OSError):
            return b"vitrine_serving.model_server" in Path(f"/proc/{pid}/cmdline").read_bytes()
        return False

    return [pid for pid in children_of(process.pid) if runs(pid)]


def test_it_says_what_it_waits_for(tmp_path):
    """A model server that somebody has stopped is named with what to do, after some seconds."""
    (tmp_path / "models/mlp/1").mkdir(parents=True)
    ports = [f"--{kind}port={free_port()}" for kind in ("", "grpc-", "rest-")]
    command = [sys.executable, "-m", "vitrine_serving", "up", "--models-dir=models", *ports]
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=tmp_path)
    try:
        wait_for(lambda: bool(model_server_of(process)), 30, "the model server")
        (stopped,) = model_server_of(process)
        os.kill(stopped, signal.SIGSTOP)
        told = f"Waiting: The model server is stopped; `kill -CONT {stopped}` has it go on"
        wait_for(lambda: told in log.read_text(), 30, "that")
        os.kill(stopped, signal.SIGCONT)
    finally:
        process.terminate()
        process.wait(60)


def test_where_nothing_can_be_served_it_ends_with_the_reasons(tmp_path):
    """And says what to do, instead of serving nobody."""
    models = tmp_path / "models"
    (models / "mlp" / "1").mkdir(parents=True)
    (models / "mlp" / "1" / "model.h5").touch()
    ports = [f"--{kind}port={free_port()}" for kind in ("", "grpc-", "rest-")]
    done = subprocess.run(
        [sys.executable, "-m", "vitrine_serving", "up", f"--models-dir={models}", *ports],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 1
    assert "Error: No model can be served:\n  mlp/1: " in done.stderr
    assert "keras.models.load_model(" in done.stderr.partition("Error: ")[2]
