"""One variable moves a whole service, and its clients follow."""

import os
import random
import re
import shlex
import shutil
import socket
import subprocess
import sys
from contextlib import ExitStack, suppress

import pytest

from harness.paths import SAMPLES
from harness.processes import end
from harness.waiting import wait_for
from vitrine_client.process import addresses


def free_base() -> int:
    """A port that is free, with those that follow from it."""
    for port in random.sample(range(20_000, 30_000), 1000):
        with ExitStack() as stack, suppress(OSError):
            for offset in (0, addresses.GRPC_OFFSET, addresses.REST_OFFSET):
                stack.enter_context(socket.create_server(("127.0.0.1", port + offset)))
            return port
    raise AssertionError("no three ports are free")


@pytest.fixture(scope="module")
def moved(training_run, tmp_path_factory):
    """A service that was told its port alone: what it printed, and that port."""
    folder = tmp_path_factory.mktemp("moved")
    shutil.copytree(training_run.models_dir, folder / "models")
    port, log = free_base(), folder / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "vitrine_serving", "up"],
            cwd=folder,
            env=os.environ | {"VITRINE_PORT": str(port)},
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
        )
    try:
        wait_for(
            lambda: process.poll() is not None or "  export " in log.read_text(), 120, "the service"
        )
        assert process.poll() is None, log.read_text()
        yield folder, port, log.read_text()
    finally:
        end(process)


def vitrine(folder, *words: str, **environ: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vitrine_client", *words],
        cwd=folder,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_clients_follow_the_port(moved):
    """The gateway, and the model server that a label is moved on."""
    folder, port, _ = moved
    where = {"VITRINE_PORT": str(port)}
    assert "Ankle boot" in vitrine(folder, "predict", str(SAMPLES[0]), **where)
    assert "AVAILABLE" in vitrine(folder, "status", "mlp", **where)
    assert vitrine(folder, "promote", "mlp", "1", **where) == "mlp: stable is version 1\n"


def test_what_it_prints_is_enough(moved):
    """The line that `up` prints, in another terminal."""
    folder, port, log = moved
    (line,) = re.findall(r"^  export (.*)$", log, re.MULTILINE)
    exported = dict(word.split("=", 1) for word in shlex.split(line))
    assert exported["VITRINE_MODEL_SERVER"] == f"127.0.0.1:{port + 420}"
    assert "Ankle boot" in vitrine(folder, "predict", str(SAMPLES[0]), **exported)
    assert "mlp" in vitrine(folder, "promote", "mlp", "1", **exported)


def test_a_start_has_no_warnings(moved):
    """Neither of a model server that is not there yet, nor of TensorFlow's insides."""
    *_, log = moved
    assert "WARNING" not in log
    assert "connected again" not in log
    for noise in ("absl", "mlir", "I0000", "grpc_status"):
        assert noise not in log
