"""Official clients of the Open Inference Protocol, unmodified, each in a process of its own."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from harness.paths import ROOT
from tests.clients.conftest import Addresses
from tests.clients.official.checks import MODEL
from tests.docs.pages import OFFICIAL_CLIENT, PAGES, fences

HTTP_CLIENTS = ("tritonclient_http", "tritonclient_http_aio", "kserve_rest")
GRPC_CLIENTS = ("tritonclient_grpc", "tritonclient_grpc_aio", "kserve_grpc")

GATEWAYS_ALONE = {"sends_pictures", "classifies"}
"""Checks of what a model server cannot do: it decodes no pictures, and its classes have no labels
there."""

EXAMPLES = [
    pytest.param(content, id=f"{page}-{number}")
    for page, text in PAGES.items()
    for number, (_, content) in enumerate(fences(text))
    if OFFICIAL_CLIENT in content
]

_PERF_WORDS = (
    *("--measurement-mode", "count_windows", "--measurement-request-count", "50"),
    *("--concurrency-range", "2", "--stability-percentage", "500", "--max-trials", "3"),
)
_RATE = re.compile(r"Throughput: ([\d.]+) infer/sec")


def _faults(environment: Path, client: str, http: str, grpc: str) -> dict[str, str]:
    """Returns what each check of a client found, "" where all was right."""
    command = [environment / "bin/python", "-m", f"tests.clients.official.{client}"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": "",
            "PYTHONDONTWRITEBYTECODE": "1",
            "CHECKED_HTTP": http,
            "CHECKED_GRPC": grpc,
        },
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert lines, done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
    return {each["check"]: each["fault"] for each in lines}


@pytest.mark.parametrize("client", [*HTTP_CLIENTS, *GRPC_CLIENTS])
def test_client_of_the_gateway(client: str, environment: Path, addresses: Addresses):
    """Each client does with the gateway what its documentation shows."""
    faults = _faults(environment, client, addresses.http, addresses.grpc)
    assert len(faults) >= 3
    assert not [f"{check}: {fault}" for check, fault in faults.items() if fault]


@pytest.mark.parametrize("client", GRPC_CLIENTS)
def test_client_of_the_model_server(client: str, environment: Path, addresses: Addresses):
    """Each gRPC client does with the embedded model server what its documentation shows."""
    faults = _faults(environment, client, addresses.http, addresses.model_server)
    assert not [
        f"{check}: {fault}"
        for check, fault in faults.items()
        if fault and check not in GATEWAYS_ALONE
    ]


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_of_the_docs(example: str, environment: Path, addresses: Addresses):
    """Each example of the docs that needs such a client prints an answer, run from the root of the
    repository."""
    asked = {"8080": addresses.http, "8081": addresses.grpc, "8500": addresses.model_server}
    here = example.replace('"mlp"', f'"{MODEL}"')
    for port, address in asked.items():
        here = here.replace(f"127.0.0.1:{port}", address)
    assert here != example, "it asks somebody else"
    done = subprocess.run(
        [environment / "bin/python", "-c", here],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ""},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("[["), done.stdout


@pytest.mark.parametrize("protocol", ["http", "grpc"])
def test_perf_analyzer(protocol: str, environment: Path, addresses: Addresses):
    """perf_analyzer finds out by itself what the model takes, and measures it."""
    folder = environment / "perf_analyzer"
    if not (folder / "bin/perf_analyzer").exists():
        pytest.skip("perf_analyzer could not be had, or does not run here")
    address = addresses.http if protocol == "http" else addresses.grpc
    done = subprocess.run(
        [
            folder / "bin/perf_analyzer",
            "-m",
            "softmax",
            "-u",
            address,
            "-i",
            protocol,
            *_PERF_WORDS,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "LD_LIBRARY_PATH": str(folder / "lib")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (rate,) = _RATE.findall(done.stdout)[-1:]
    assert float(rate) > 0
