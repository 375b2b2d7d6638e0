"""Clients that we did not write, unmodified, against the embedded model server."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import get_model_metadata_pb2

from tests.contract import models
from tests.contract.messages import spec
from tests.contract.server import Server

OVMSCLIENT = "ovmsclient==2023.1"
INSTALL_S = 120

OVMSCLIENT_SCRIPT = """
import json, sys
import numpy as np
from ovmsclient import make_grpc_client, make_http_client

kind, address = sys.argv[1:]
client = {"grpc": make_grpc_client, "http": make_http_client}[kind](address)
images = np.zeros((2, 28, 28), np.float32)
images[:, 0, 0] = 1, 2
said = {
    "predict": client.predict({"images": images}, "images", 1),
    "one output": client.predict({"x": np.array([2, 3], np.float32)}, "half_plus_two", 2),
    "status": client.get_model_status("half_plus_two", 1),
    "metadata": client.get_model_metadata("images", 1),
}
try:
    client.predict({"x": np.array([2], np.float32)}, "nope", 1)
except Exception as error:
    said["error"] = [type(error).__name__, str(error)]
print(json.dumps(said, default=lambda value: value.tolist()))
"""


@pytest.fixture(scope="module")
def ovmsclient(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has `ovmsclient`, which wants another protobuf than ours; its metadata names
    no upper bounds, so that what it gets are the newest of its dependencies."""
    directory = tmp_path_factory.mktemp("ovmsclient")
    python = directory / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries=1"]
    for command in (
        [sys.executable, "-m", "venv", str(directory)],
        [str(python), *install, "--only-binary=:all:", OVMSCLIENT],
    ):
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S)
        except subprocess.TimeoutExpired:
            pytest.skip(f"{OVMSCLIENT} was not installed within {INSTALL_S} s")
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]
            pytest.skip(f"{OVMSCLIENT} cannot be installed: {last}")
    return python


@pytest.fixture(scope="module", params=["grpc", "http"])
def said(request: pytest.FixtureRequest, ovmsclient: Path, embedded: Server) -> dict[str, Any]:
    """What `ovmsclient` returned, by transport."""
    address = embedded.grpc_address if request.param == "grpc" else embedded.rest_address
    done = subprocess.run(
        [str(ovmsclient), "-c", OVMSCLIENT_SCRIPT, request.param, address],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "transport": request.param}


@pytest.mark.wide
def test_ovmsclient_predicts(said: dict[str, Any]):
    """Named outputs come by name, and a single one as it is."""
    logits = [[float(first * j) for j in range(10)] for first in (1, 2)]
    assert said["predict"] == {"logits": logits, "class_ids": [9, 9]}
    assert said["one output"] == [4.0, 4.5]


@pytest.mark.wide
def test_ovmsclient_reads_the_status(said: dict[str, Any]):
    """The state of a version, and that there is no error."""
    fine = {"state": "AVAILABLE", "error_code": 0, "error_message": ""}
    assert said["status"] == {"1": fine}


@pytest.mark.wide
def test_ovmsclient_reads_the_metadata(said: dict[str, Any]):
    """Names, dtypes and shapes; over HTTP it takes TensorFlow Serving's JSON as it is."""
    metadata = said["metadata"]
    if said["transport"] == "http":
        assert metadata["model_spec"]["version"] == "1"
        served = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
        images = served["inputs"]["images"]
        assert images["dtype"] == "DT_FLOAT"
        assert [dim["size"] for dim in images["tensor_shape"]["dim"]] == ["-1", "28", "28"]
    else:
        assert metadata["model_version"] == 1
        assert metadata["inputs"] == {"images": {"dtype": "DT_FLOAT", "shape": [-1, 28, 28]}}
        assert metadata["outputs"]["class_ids"] == {"dtype": "DT_INT64", "shape": [-1]}


@pytest.mark.wide
def test_ovmsclient_knows_the_error(said: dict[str, Any]):
    """A model that is not there is its own error, which it finds by code and by status."""
    name, text = said["error"]
    assert name == "ModelNotFoundError"
    assert "Servable not found for request: Specific(nope, 1)" in text


SHOWN_SIGNATURE = re.compile(
    r"^signature_def\['([^']+)'\]:\n(.*?^  Method name is: [^\n]*)$", re.MULTILINE | re.DOTALL
)
SHOWN_TENSOR = re.compile(
    r"(inputs|outputs)\['(.+)'\] tensor_info:\n +dtype: (.+)\n +shape: (.+)\n +name: (.+)\n"
)
Shown = dict[str, tuple[str, dict[tuple[str, str], tuple[str, str, str]]]]
"""Method, and dtype, shape and tensor's name by side and name, of each signature."""


def _shown(directory: Path) -> Shown:
    tool = [sys.executable, "-m", "tensorflow.python.tools.saved_model_cli"]
    done = subprocess.run(
        [*tool, "show", "--dir", str(directory), "--all"],
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    return {
        name: (
            text.rpartition("Method name is: ")[2],
            {(side, key): tuple(rest) for side, key, *rest in SHOWN_TENSOR.findall(text)},
        )
        for name, text in SHOWN_SIGNATURE.findall(done.stdout)
    }


def _shape(unknown_rank: bool, sizes: list[int]) -> str:
    return "unknown_rank" if unknown_rank else f"({', '.join(map(str, sizes))})"


def _served(server: Server, model: str) -> dict[str, Any]:
    request = get_model_metadata_pb2.GetModelMetadataRequest(
        model_spec=spec(model), metadata_field=["signature_def"]
    )
    signatures = get_model_metadata_pb2.SignatureDefMap()
    server.call("GetModelMetadata", request).metadata["signature_def"].Unpack(signatures)
    return dict(signatures.signature_def)


def _over_grpc(server: Server, model: str) -> Shown:
    return {
        name: (
            signature.method_name,
            {
                (side, key): (
                    types_pb2.DataType.Name(info.dtype),
                    _shape(
                        info.tensor_shape.unknown_rank, [dim.size for dim in info.tensor_shape.dim]
                    ),
                    info.name,
                )
                for side in ("inputs", "outputs")
                for key, info in getattr(signature, side).items()
            },
        )
        for name, signature in _served(server, model).items()
    }


def _over_rest(server: Server, model: str) -> Shown:
    reply = server.http("GET", f"/v1/models/{model}/metadata", None, {})
    signatures = json.loads(reply.body)["metadata"]["signature_def"]["signature_def"]
    return {
        name: (
            signature["method_name"],
            {
                (side, key): (
                    info["dtype"],
                    _shape(
                        info["tensor_shape"]["unknown_rank"],
                        [int(dim["size"]) for dim in info["tensor_shape"]["dim"]],
                    ),
                    info["name"],
                )
                for side in ("inputs", "outputs")
                for key, info in signature[side].items()
            },
        )
        for name, signature in signatures.items()
    }


def test_saved_model_cli_agrees(embedded: Server):
    """Its idea of every signature is what is served, over gRPC and REST."""
    shown = _shown(embedded.models / "images" / "1")
    assert shown.keys() >= {"serving_default", "describe"}
    assert _over_grpc(embedded, "images") == shown
    assert _over_rest(embedded, "images") == shown


@pytest.mark.parametrize(("model", "version"), [("half_plus_two", 2), ("echo", 1), ("images", 1)])
def test_metadata_is_what_the_file_says(model: str, version: int, embedded: Server):
    """Every signature of `saved_model.pb` is served as it is there, to the field."""
    file = embedded.models / model / str(version)
    assert _served(embedded, model) == models.signature_defs(file)
