"""The platform around a gateway: shared memory, idle timeouts, IPv6, a port that is taken."""

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from harness.gateway import COMMAND, gateway, start_in_vain
from harness.ports import free_port
from harness.processes import running, wait_until_up
from harness.waiting import wait_for
from vitrine_client.process.exit_codes import NOT_BEGUN

MOUNT = (
    "mount -t tmpfs -o size=4k,nr_inodes={inodes} x /dev/shm; head -c 4096 /dev/zero >/dev/shm/full"
    '; mount -o remount,{mode} /dev/shm; exec "$@"'
)


def may_mount() -> bool:
    """Says whether this is root, and may have mounts of its own."""
    if os.geteuid() != 0 or not shutil.which("unshare"):
        return False
    tried = ["unshare", "-m", "mount", "-t", "tmpfs", "x", "/dev/shm"]  # noqa: S108
    return subprocess.run(tried, capture_output=True).returncode == 0


@pytest.mark.parametrize(
    ("inodes", "mode", "said"),
    [(9, "rw", ""), (1, "rw", "No space left on device"), (9, "ro", "Read-only file system")],
)
def test_shared_memory_that_takes_nothing(inodes, mode, said, log):
    """The gateway serves, metrics included, and says once where heartbeats go."""
    if not may_mount():
        pytest.skip("mounts need root")
    port = free_port()
    variables = {"VITRINE_PORT": str(port), "VITRINE_MODEL_SERVER": "127.0.0.1:9"}
    mount = ["unshare", "-m", "sh", "-c", MOUNT.format(inodes=inodes, mode=mode), "sh"]
    with running([*mount, *COMMAND], log, variables) as process:
        wait_until_up(
            process, log, lambda: log.read_text().count("server listening") == 2, "the gateway"
        )
        assert requests.get(f"http://127.0.0.1:{port}/healthz", timeout=20).ok
        assert "vitrine" in requests.get(f"http://127.0.0.1:{port}/metrics", timeout=20).text
        assert log.read_text().count("/dev/shm takes no file") == bool(said)  # noqa: S108
        assert said in log.read_text()


def test_idle_timeout(model_server, log):
    """A kept connection is closed after it, and not before."""
    with gateway(model_server.address, log, workers=1, keepalive_s=1) as running_gateway:
        host, port = running_gateway.address.split(":")
        with socket.create_connection((host, int(port)), 20) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            began_s = time.monotonic()
            while connection.recv(65536):
                pass
            assert time.monotonic() - began_s > 0.8


@pytest.mark.parametrize("host", ["::1", "[::1]", "::"])
def test_ipv6(model_server, log, host):
    """It answers there."""
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):  # noqa: PTH110
        pytest.skip("no IPv6 here")
    with gateway(model_server.address, log, host=host) as running_gateway:
        port = running_gateway.address.rpartition(":")[2]
        assert requests.get(f"http://[::1]:{port}/healthz", timeout=20).ok


def test_service_links_of_kubernetes(model_server, log):
    """A port that Kubernetes set counts as not set, and nothing is said of it."""
    links = {"VITRINE_GRPC_PORT": "tcp://10.0.0.1:8500", "VITRINE_SERVICE_HOST": "10.0.0.1"}
    port = free_port()
    variables = links | {"VITRINE_PORT": str(port), "VITRINE_MODEL_SERVER": model_server.address}
    with running(COMMAND, log, variables) as process:
        wait_until_up(process, log, lambda: "server listening" in log.read_text(), "the gateway")
    assert "Warning" not in log.read_text()


def test_names_that_share_a_path_are_told_of(model_server, log):
    """At start, once: a model named `stats` has not all of /v2 to itself."""
    with gateway(model_server.address, log, models="mlp,stats", workers=2):
        said = log.read_text()
    assert said.count("[WARNING] Model stats: `GET /v2/models/stats` tells the statistics") == 1
    assert "Model mlp:" not in said


def test_port_taken_and_unknown_host():
    """Told at once, also by the process that gunicorn runs in, with the variable."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]
        module = ["vitrine_serving.gateway_process", "-c"]
        done = subprocess.run(
            [sys.executable, "-m", *module, "python:vitrine_serving.gateway.gunicorn_conf"],
            env=os.environ | {"VITRINE_PORT": str(taken)},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == NOT_BEGUN
    assert done.stderr == (
        f"Error: Port {taken} is taken by another program; choose another (VITRINE_PORT)\n"
    )
    done = start_in_vain(host="no-such-host.invalid")
    assert done.returncode == NOT_BEGUN
    assert "VITRINE_HOST" in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="limits another process")
def test_a_worker_that_cannot_be_replaced_now(model_server, log):
    """The others serve on, and it is replaced as soon as that can be: a shortage that passes ends
    nobody who serves."""
    with gateway(model_server.address, log) as running:
        master = running.process.pid
        limits = resource.prlimit(master, resource.RLIMIT_NOFILE)
        highest = max(int(each.name) for each in Path(f"/proc/{master}/fd").iterdir())
        resource.prlimit(master, resource.RLIMIT_NOFILE, (highest + 1, limits[1]))
        victim, other = running.workers
        os.kill(victim, signal.SIGKILL)
        wait_for(
            # libuv, without a descriptor for its loop, aborts
            lambda: re.search("cannot be started now|exited with|was sent", log.read_text()),
            30,
            "the failure",
        )
        for _ in range(5):
            assert running.predict().ok
        resource.prlimit(master, resource.RLIMIT_NOFILE, limits)
        wait_for(lambda: log.read_text().count("server listening") == 3, 30, "another")
        assert other in running.workers
        assert running.predict().ok
