"""The containers, run by a real engine: what they answer, may do, survive, and how they stop."""

import os
import signal
import socket
import subprocess
import time

import numpy as np
import pytest
import requests
from PIL import Image

from harness.paths import SAMPLES
from harness.waiting import wait_for
from tests.containers.conftest import answers, inspect
from vitrine_client.model_server import ModelServerClient

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SERVICES = ("model-server", "gateway")
GOOD = SAMPLES[0].read_bytes()
MEMORY = {"model-server": 2 * 2**30, "gateway": 512 * 2**20}


def test_predictions_through_the_published_ports(stack):
    """A picture gets the same class through the gateway, over gRPC and over REST."""
    pixels = (np.asarray(Image.open(SAMPLES[0])) / 255).tolist()
    rest = requests.post(
        f"{stack.rest_url}/v1/models/mlp:predict", json={"instances": [pixels]}, timeout=30
    )
    class_id = rest.json()["predictions"][0]["class_ids"]
    with stack.client() as gateway, ModelServerClient(stack.grpc_address) as direct:
        for model in ("softmax", "mlp"):
            assert gateway.predict(SAMPLES[0], model).label == "Ankle boot"
        assert gateway.predict(SAMPLES[0], "mlp").class_id == class_id
        assert direct.predict(SAMPLES[0], "mlp").class_id == class_id


def test_a_new_version_is_picked_up(stack):
    """What is published on the host is served from the read-only mount, without a restart."""
    copy = stack.models_dir / "softmax" / ".unfinished-2"
    subprocess.run(["cp", "-r", str(stack.models_dir / "softmax" / "1"), str(copy)], check=True)
    copy.rename(copy.with_name("2"))
    with stack.client() as client:
        wait_for(
            lambda: client.predict(SAMPLES[0], "softmax").version == 2, 30, "version 2 of softmax"
        )


def test_metrics(stack):
    """The model server has TensorFlow Serving's metrics where prometheus.yml looks for them."""
    with stack.client() as client:
        client.predict(SAMPLES[0], "mlp")
    found = requests.get(f"{stack.rest_url}/monitoring/prometheus/metrics", timeout=10)
    assert ':tensorflow:serving:request_count{model_name="mlp",status="OK"}' in found.text


INSIDE = """
import json, os
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines())
def writable(path):
    try:
        open(path, "w").close(); os.remove(path)
        return True
    except OSError as error:
        return error.strerror
here = "/sys/fs/cgroup/memory"
limit = "/sys/fs/cgroup/memory.max"
limit = limit if os.path.exists(limit) else "/sys/fs/cgroup/memory/memory.limit_in_bytes"
print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "capabilities": [int(status[name], 16) for name in ("CapEff", "CapPrm", "CapBnd")],
    "no new privileges": status["NoNewPrivs"].strip(),
    "writable": {path: writable(path) for path in %s},
    "memory": int(open(limit).read()),
    "init": open("/proc/1/cmdline").read().split("\\0")[0],
}))
"""
CLOSED = ["/x", "/opt/vitrine/x", "/etc/x"]
SCRATCH = "/tmp/x"  # noqa: S108 - in the container


@pytest.mark.parametrize("service", SERVICES)
def test_what_a_container_may_do(stack, service):
    """Seen from inside: no root, no capability, nothing to write to but /tmp, a memory limit."""
    closed = [*CLOSED, "/models/x", *(["/config/x"] if service == "model-server" else [])]
    found = stack.python(service, INSIDE % [*closed, SCRATCH])
    assert found["user"] == [10001, 10001]
    assert found["capabilities"] == [0, 0, 0]
    assert found["no new privileges"] == "1"
    assert found["writable"].pop(SCRATCH) is True
    assert found["writable"] == dict.fromkeys(closed, "Read-only file system")
    assert found["memory"] == MEMORY[service]
    assert "init" in found["init"]


@pytest.mark.parametrize("service", SERVICES)
def test_how_a_container_is_published(stack, service):
    """Ports are open on this machine alone, and a crash starts the service again."""
    known = inspect(stack.container(service))
    bindings = [entry for port in known["NetworkSettings"]["Ports"].values() for entry in port]
    assert {entry["HostIp"] for entry in bindings} == {"127.0.0.1"}
    assert known["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert known["Config"]["StopTimeout"] >= {"model-server": 15, "gateway": 40}[service]


CONTENT = """
import importlib.util, json, os
folders = [*os.environ["PATH"].split(":"), "/usr/local/bin", "/usr/sbin", "/usr/bin", "/bin"]
programs = {name for folder in folders if os.path.isdir(folder) for name in os.listdir(folder)}
modules = ("tensorflow", "keras", "pip", "vitrine_serving")
found = [name for name in modules if importlib.util.find_spec(name)]
print(json.dumps({"programs": sorted(programs), "modules": found}))
"""
COMPILERS = {"gcc", "g++", "cc", "c++", "clang", "ld", "as", "make", "tcc", "rustc", "go"}


def test_what_is_in_the_gateway(stack):
    """Neither TensorFlow nor pip nor a compiler nor a shell, in less than 200 MB."""
    found = stack.python("gateway", CONTENT)
    assert found["modules"] == ["vitrine_serving"]
    assert "python3" in found["programs"]
    assert not {*COMPILERS, "sh", "bash", "dash", "apt-get", "pip"} & set(found["programs"])
    size = inspect(inspect(stack.container("gateway"))["Image"])["Size"]
    print(f"gateway image: {size / 1e6:.0f} MB")
    assert size < 200e6


def test_what_is_in_the_model_server(stack):
    """TensorFlow, and neither pip nor a compiler."""
    found = stack.python("model-server", CONTENT)
    assert found["modules"] == ["tensorflow", "keras", "vitrine_serving"]
    assert not {*COMPILERS, "pip"} & set(found["programs"])
    size = inspect(inspect(stack.container("model-server"))["Image"])["Size"]
    print(f"model server image: {size / 1e6:.0f} MB")


def predicts(url: str) -> bool:
    try:
        answer = requests.post(
            f"{url}/v1/models/mlp:predict",
            data=GOOD,
            headers={"Content-Type": "image/png"},
            timeout=15,
        )
    except requests.RequestException:
        return False
    assert answer.status_code in (200, 503), answer.text
    return answer.status_code == 200


def test_a_killed_model_server_comes_back(stack):
    """The engine starts it again; the gateway, left alone, answers within 2 s of its readiness."""
    before = inspect(stack.container("model-server"))
    gateway = inspect(stack.container("gateway"))["State"]["Pid"]
    try:  # from outside: what the engine is told to kill it does not start again
        os.kill(before["State"]["Pid"], signal.SIGKILL)
    except (PermissionError, ProcessLookupError):
        pytest.skip("a container's process can be killed by root, on the engine's machine")
    wait_for(lambda: not predicts(stack.url), 10, "the gateway's 503")
    assert answers(f"{stack.url}/healthz")
    wait_for(lambda: answers(f"{stack.rest_url}/v1/models/mlp"), 120, "the model server")
    ready = time.monotonic()
    wait_for(lambda: predicts(stack.url), 30, "the gateway")
    took_s = time.monotonic() - ready
    print(f"the gateway answered {took_s:.2f} s after the model server was ready")
    assert took_s < 2
    after = inspect(stack.container("model-server"))
    assert after["RestartCount"] == before["RestartCount"] + 1
    assert after["State"]["Pid"] != before["State"]["Pid"]
    assert inspect(stack.container("gateway"))["State"]["Pid"] == gateway
    stack.wait_until_healthy("model-server")


def test_stopping_the_gateway_drains_it(stack):
    """A request that the gateway has in hand when it is told to stop is answered."""
    container = stack.container("gateway")
    host, _, port = stack.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), 30) as connection:
        head = (
            "POST /v1/models/mlp:predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\n"
            f"Content-Length: {len(GOOD)}\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n"
        )
        connection.sendall(head.encode())
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")  # a worker has it, and waits
        stopping = subprocess.Popen(["docker", "stop", container])  # it waits as Compose has set
        try:
            logs = ["docker", "logs", container]
            wait_for(
                lambda: (
                    b"Handling signal: term" in subprocess.run(logs, capture_output=True).stderr
                ),
                20,
                "the gateway's word that it stops",
            )
            connection.sendall(GOOD)
            answer = connection.makefile("rb").read()
        finally:
            assert stopping.wait(60) == 0
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    assert b"Ankle boot" in answer
    state = inspect(container)["State"]
    assert (state["ExitCode"], state["OOMKilled"]) == (0, False)
    stack.compose("up", "--detach")
    stack.wait_until_healthy("gateway")
    wait_for(lambda: predicts(stack.url), 30, "the gateway")
