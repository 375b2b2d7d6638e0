"""The start of a model server: what is refused, with which words, and which versions are found."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner
from tensorflow_serving.apis import get_model_status_pb2

from harness import model_server
from harness.ports import free_port
from harness.processes import running, said
from harness.waiting import wait_for
from tests.contract import server
from tests.contract.cases.start import DIRECTORIES, REFUSALS, REFUSED, Directory, Refusal
from tests.contract.conftest import OURS_TO_START
from tests.contract.server import Server
from vitrine_serving.model_server.__main__ import main

LONG_S = 200


def command(kind: str, base: Path) -> list[str]:
    """How to start a kind of server, which has no socket of ours."""
    if kind == "embedded":
        return list(model_server.COMMAND)
    return server.command(kind, base)


@pytest.fixture(scope="module")
def half(kinds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory in which `half` has version 1."""
    base = tmp_path_factory.mktemp("start")
    Directory("half", (1,)).make(kinds / "half_plus_two", base / "half")
    return base


@pytest.mark.parametrize("kind", OURS_TO_START)
@pytest.mark.parametrize("case", REFUSALS, ids=lambda case: case.name)
def test_refusals(kind: str, case: Refusal, half: Path, tmp_path: Path, monkeypatch):
    """The exit code, the words, and nobody listens."""
    base = tmp_path / "base"
    base.mkdir()
    (base / "half").symlink_to(half / "half")
    for name, content in case.files.items():
        (base / name).write_text(content.format(base=base))
    flags = [f"--port={free_port()}", "--rest_api_port=0"]
    flags += [flag.format(base=base) for flag in case.flags]
    if kind == "embedded" and not case.after_tensorflow:
        for name in ("GRPC_VERBOSITY", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"):
            monkeypatch.setenv(name, os.environ.get(name, "0"))  # set for good otherwise
        found = CliRunner().invoke(main, flags)
        code, output = found.exit_code, found.output
    else:
        whole = [*command(kind, base), *flags]
        done = subprocess.run(whole, capture_output=True, text=True, timeout=LONG_S, cwd=tmp_path)
        code, output = done.returncode, done.stdout + done.stderr
    assert code == REFUSED, output
    if case.words:
        words = f"Failed to start server. Error: {case.words.format(base=base)}"
        assert words in output.splitlines()


@pytest.fixture(scope="module", params=OURS_TO_START)
def many(
    request: pytest.FixtureRequest, kinds: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """A server of all `DIRECTORIES`, each as `m0`, `m1`, …; of `twin`, which has the path of m0;
    and of one without a name. It looks once; its metrics have a path without a slash."""
    base = tmp_path_factory.mktemp("many")
    entries = []
    for number, each in enumerate(DIRECTORIES):
        each.make(kinds / "half_plus_two", base / f"m{number}")
        entries.append((f"m{number}", f"m{number}", each.more))
    entries += [("twin", "m0", ""), ("", "m0", "")]
    (base / "models.config").write_text(
        "model_config_list {"
        + "".join(
            f'config {{ name: "{name}" base_path: "{base}/{path}" model_platform: "tensorflow" '
            f"{more} }}\n"
            for name, path, more in entries
        )
        + "}"
    )
    (base / "monitoring.config").write_text('prometheus_config { enable: true path: "metrics" }')
    port, rest = free_port(), free_port()
    flags = [f"--port={port}", f"--rest_api_port={rest}", "--file_system_poll_wait_seconds=0"]
    flags += [f"--model_config_file={base}/models.config", "--model_name=ignored"]
    flags += [f"--monitoring_config_file={base}/monitoring.config", "--num_load_threads=2"]
    flags += ["--allow_version_labels_for_unavailable_models=true"]
    with running([*command(request.param, base), *flags], base / "log") as process:
        found = Server(f"127.0.0.1:{port}", f"127.0.0.1:{rest}", base, kinds)

        def is_up() -> bool:
            if process.poll() is not None:
                return True
            try:
                return found.http("GET", "/v1/models/m0", None, {}).status == 200
            except OSError:
                return False

        wait_for(is_up, LONG_S, "the model server")
        assert process.poll() is None, said(base / "log")
        yield found
        found.stop()


def available(many: Server, model: str) -> list[int]:
    body = json.loads(many.http("GET", f"/v1/models/{model}", None, {}).body)
    states = {one["state"] for one in body["model_version_status"]}
    assert states == {"AVAILABLE"}, body
    return [int(one["version"]) for one in body["model_version_status"]]


@pytest.mark.parametrize("number", range(len(DIRECTORIES)), ids=lambda n: DIRECTORIES[n].name)
def test_versions_that_are_found(many: Server, number: int):
    """By the names of their directories, and by what the config says."""
    assert available(many, f"m{number}") == list(DIRECTORIES[number].versions)


def test_names_of_models(many: Server):
    """Two of one path, one without a name, and none by the flag beside a file."""
    assert available(many, "twin") == [7]
    request = get_model_status_pb2.GetModelStatusRequest()
    assert ask_status(many, request) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "Missing ModelSpec",
    )
    request.model_spec.name = "ignored"
    assert ask_status(many, request) == (
        grpc.StatusCode.NOT_FOUND,
        "Could not find any versions of model ignored",
    )


def ask_status(many: Server, request: get_model_status_pb2.GetModelStatusRequest) -> tuple:
    with pytest.raises(grpc.RpcError) as caught:
        many.call("GetModelStatus", request)
    return caught.value.code(), caught.value.details()


def test_a_path_of_metrics_without_a_slash(many: Server):
    """Nobody can ask for it."""
    for path in ("/metrics", "/monitoring/prometheus/metrics"):
        assert many.http("GET", path, None, {}).status == 404
