"""Programs that the tests of clusters use: kubectl, rclone, Envoy and Kubernetes' schemas, in an
environment of their own."""

from pathlib import Path

import pytest

from harness.paths import ROOT

ENVIRONMENT = ROOT / ".venv-cluster"
"""Environment that `make k8s` and `make test-cluster` make from requirements/cluster.txt."""


def program(name: str) -> Path:
    """Returns the path of a program; skips the test where it is not installed."""
    path = ENVIRONMENT / "bin" / name
    if not (ENVIRONMENT / ".ready").exists() or not path.exists():
        pytest.skip(f"{name} is for make test-cluster, where it can be installed")
    return path
