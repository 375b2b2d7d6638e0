"""The service's processes: started, killed, interrupted, and never left behind."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import tensorflow as tf
from PIL import Image

from harness.certificates import make_ca, make_certificate
from harness.paths import ROOT, SAMPLES
from harness.ports import free_port
from harness.processes import children_of, is_running
from harness.service import started_service
from harness.terminal import Terminal
from harness.waiting import wait_for
from vitrine_serving.gateway.access import keys
from vitrine_training.models.recipes import RECIPES
from vitrine_training.run import Run, RunListener, train_and_publish
from vitrine_training.tasks import Regression

PNG = {"Content-Type": "image/png"}
GOOD = SAMPLES[0].read_bytes()


@pytest.fixture(scope="module")
def foreign_rows(tmp_path_factory):
    """A version that Vitrine did not train, of rows of seven numbers."""
    folder = tmp_path_factory.mktemp("foreign") / "1"

    class Rows(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 7], tf.float32, "x")])
        def serve(self, x):
            return {"y": x * 2}

    rows = Rows()
    tf.saved_model.save(rows, str(folder), {"serving_default": rows.serve})
    return folder


@pytest.fixture
def own_service(training_run, tmp_path):
    """A service of one's own, to swap its models and kill its parts."""
    models_dir = tmp_path / "models"
    shutil.copytree(training_run.models_dir, models_dir)
    with started_service(models_dir, tmp_path / "log") as running:
        yield running


def test_a_new_version_is_picked_up_and_a_dead_model_server_is_told(own_service, tmp_path):
    """Publishing swaps the version without a restart; without its model server the gateway says
    503 and that trying again can help; when a part dies the whole service ends."""
    models = own_service.models_dir / "mlp"
    with own_service.client() as client:
        assert client.predict(SAMPLES[0], "mlp").version == 1
        shutil.copytree(models / "1", models / ".unfinished-2")
        (models / ".unfinished-2").rename(models / "2")
        wait_for(lambda: client.predict(SAMPLES[0], "mlp").version == 2, 30, "version 2")

    family = children_of(own_service.process.pid)
    (model_server,) = [pid for pid in family if b"model_server" in _command_line(pid)]
    os.kill(
        own_service.process.pid, signal.SIGSTOP
    )  # so that the gateway is left alone for a while
    try:
        os.kill(model_server, signal.SIGKILL)
        answer = requests.post(
            f"{own_service.url}/v1/models/mlp:predict", data=GOOD, headers=PNG, timeout=20
        )
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]
        assert "model server" in answer.json()["detail"]
        assert requests.get(f"{own_service.url}/readyz?models=1", timeout=20).status_code == 503
        assert requests.get(f"{own_service.url}/healthz", timeout=20).status_code == 200
    finally:
        os.kill(own_service.process.pid, signal.SIGCONT)
    assert own_service.process.wait(60) == 1
    assert "Error: The model server was killed (SIGKILL)" in (tmp_path / "log").read_text()
    assert not any(is_running(pid) for pid in family)


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


def test_interrupting_make_serve_leaves_nothing_running(training_run, tmp_path):
    """A supervisor ends make, the model server, gunicorn and workers; so does Ctrl-C, as it ends
    `make demo` (test_terminal.py). The model server had the threads that variables say."""
    ports = {name: str(free_port()) for name in ("PORT", "GRPC_PORT", "REST_PORT")}
    log = tmp_path / "log"
    with log.open("w") as output:
        make = subprocess.Popen(
            ["make", "serve"],
            cwd=ROOT,
            env=os.environ
            | {f"VITRINE_{name}": port for name, port in ports.items()}
            | {"VITRINE_MODELS_DIR": str(training_run.models_dir)}
            | {"VITRINE_INTRA_OP_THREADS": "2"},
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # as a terminal has it: a signal goes to the whole group
            text=True,
        )
    try:
        wait_for(lambda: "Ready: " in log.read_text(), 120, "make serve")
        family = children_of(make.pid)
        assert len(family) >= 4
        commands = b"".join(map(_command_line, family))
        assert b"--tensorflow_intra_op_parallelism=2\0" in commands
        assert b"--tensorflow_inter_op_parallelism=1\0" in commands
    finally:
        os.killpg(make.pid, signal.SIGTERM)
    make.wait(60)
    wait_for(lambda: not any(is_running(pid) for pid in family), 30, "the end of all children")
    assert "Traceback" not in log.read_text()


def test_a_killed_parent_takes_its_children_along(own_service):
    """kill -9 of the command ends its children as well (Linux)."""
    family = children_of(own_service.process.pid)
    own_service.process.kill()
    own_service.process.wait(30)
    wait_for(lambda: not any(is_running(pid) for pid in family), 30, "the end of all children")


def test_closing_the_terminal_of_make_serve_leaves_nothing_running(training_run):
    """SIGHUP of a terminal that was closed is an end, for make and for the service. The kernel
    tells the shell, and with its end the others."""
    ports = {f"VITRINE_{name}": free_port() for name in ("PORT", "GRPC_PORT", "REST_PORT")}
    variables = ports | {"VITRINE_MODELS_DIR": training_run.models_dir}
    command = "make --old-file=.venv/.ready serve; exit"
    with Terminal("sh", "-c", command, variables=variables) as terminal:
        terminal.wait_for("Ready: ")
        terminal.close()
        terminal.wait()


def test_reload_of_the_whole_service(own_service):
    """SIGHUP without a terminal is passed on to the gateway, which replaces its processes; a signal
    that comes while the command is stopped is heard when it goes on."""
    process, log = own_service.process, own_service.log
    process.send_signal(signal.SIGHUP)
    wait_for(lambda: log.read_text().count("server listening") == 4, 60, "new processes")
    assert process.poll() is None
    process.send_signal(signal.SIGSTOP)
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGCONT)
    assert process.wait(60) == 143


def serve(*words: str, **variables: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "vitrine_serving", *words]
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)


@pytest.mark.slow
def test_the_demo_shows_pictures_to_classifiers_only(training_run, foreign_rows, tmp_path):
    """A linear regression beside them is served, but has no use for pictures; nor has a model that
    knows nothing of Vitrine. It is said that they are left out, and why; so it is of a picture that
    is too large, and the others are shown."""
    large = tmp_path / "large.png"
    Image.new("1", (12_000, 8_000)).save(large)
    models_dir = tmp_path / "models"
    shutil.copytree(training_run.models_dir / "softmax", models_dir / "softmax")
    train_and_publish(Run(RECIPES["linear"], 0, models_dir), Regression.of(0), RunListener())
    shutil.copytree(foreign_rows, models_dir / "rows" / "1")
    ports = (f"--{name}={free_port()}" for name in ("port", "grpc-port", "rest-port"))
    words = ("--models-dir", str(models_dir), *ports, str(large), str(SAMPLES[0]))
    done = serve("demo", "--once", *words)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count(f"Left out: {large}, as ") == 1
    assert "--model softmax" in done.stdout
    assert "--model linear" not in done.stdout
    assert "--model rows" not in done.stdout
    assert "Left out: linear, as it answers numbers and not classes\n" in done.stdout
    assert "Left out: rows, as it takes `x` float32 [n, 7], and not one input" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_demo_with_tls_and_keys(training_run, tmp_path):
    """Where the gateway speaks HTTPS and wants a key, the command finds its way in."""
    ca = make_ca(tmp_path)
    gateway = make_certificate(tmp_path, "gateway", ca)
    ports = (f"--{name}={free_port()}" for name in ("port", "grpc-port", "rest-port"))
    done = serve(
        *("demo", "--once", "--models-dir", str(training_run.models_dir), *ports, str(SAMPLES[0])),
        VITRINE_TLS_CERT=gateway.cert,
        VITRINE_TLS_KEY=gateway.key,
        VITRINE_KEYS_FILE=tmp_path / "keys.txt",
        VITRINE_API_KEY=keys.add(tmp_path / "keys.txt", "demo"),
        REQUESTS_CA_BUNDLE=ca.cert,
    )
    assert done.returncode == 0, done.stderr
    assert "$ vitrine predict --url https://127.0.0.1" in done.stdout  # of the default model
    assert "--model softmax --url" in done.stdout
    assert "Ankle boot" in done.stdout
    assert "Warning" not in done.stderr


def test_starting_without_models_or_ports(service, tmp_path):
    """No model, or a port that is taken, is told before anything is started."""
    done = serve("up", "--models-dir", str(tmp_path))
    assert done.returncode == 2
    assert "make train" in done.stderr
    taken = service.url.rpartition(":")[2]
    done = serve("up", "--models-dir", str(service.models_dir), "--port", taken)
    assert done.returncode == 2
    assert f"Port {taken}" in done.stderr
    assert "VITRINE_PORT" in done.stderr
