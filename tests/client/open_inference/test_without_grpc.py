"""The codec of HTTP bodies, and clients over HTTP, where neither gRPC nor protobuf is there."""

import subprocess
import sys

import pytest

BLOCKED = """
import importlib.abc, sys

class Blocked(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] in ("grpc", "google"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
"""

CODEC = """
import numpy as np
from vitrine_client.open_inference import http_bodies
from vitrine_client.open_inference.messages import V2Request, V2Tensor

images = V2Tensor("images", "FP32", np.zeros((1, 2, 2), np.float32))
head, parts = http_bodies.write_request(V2Request([images]), is_binary=True)
request = http_bodies.read_request(head, b"".join(parts))
assert request.inputs[0].array.shape == (1, 2, 2)
"""


def done_without_grpc(code: str) -> subprocess.CompletedProcess[str]:
    """Runs code in a process that finds neither gRPC nor protobuf."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKED + code], capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("module", ["grpc", "google.protobuf"])
def test_they_are_not_there(module: str):
    assert "ModuleNotFoundError" in done_without_grpc(f"import {module}").stderr


def test_bodies_are_written_and_read():
    done = done_without_grpc(CODEC)
    assert done.returncode == 0, done.stderr


def test_servers_are_asked_over_http():
    done = done_without_grpc(
        "from vitrine_client.open_inference.client import http_client, predictor\n"
        "predictor.V2Predictor(http_client.V2HttpClient('http://127.0.0.1:1')).predict\n"
    )
    assert done.returncode == 0, done.stderr
