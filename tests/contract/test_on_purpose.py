"""What the embedded server does otherwise on purpose: docs/model-server.md has a table, and here is
a test for each row. What the real one does was seen on 2.20.0, November 2026; of a model without a
version it is from its code (server_core.cc)."""

import json
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from harness.model_server import COMMAND
from harness.paths import ROOT
from harness.ports import free_port
from harness.processes import Process, running, wait_until_up
from tests.contract.server import Server
from vitrine_client.results.profiles.profile import ProfileError
from vitrine_client.store import profile_files
from vitrine_client.tfserving import management, messages
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.model_server.__main__ import main

HERE = "tests/contract/test_on_purpose.py"
SERVING = "tests/serving"

HELD = {
    "SIGTERM, SIGINT, SIGHUP": (
        f"{SERVING}/test_model_server_signals.py",
        "test_a_request_in_flight",
    ),
    "a version that fails at the start, the newest or all": (
        HERE,
        "test_versions_that_fail_end_nobody",
    ),
    "a model without a version at the start": (
        f"{SERVING}/test_reload.py",
        "test_a_model_without_versions_is_not_waited_for",
    ),
    "a reload": (
        f"{SERVING}/test_reload.py",
        "test_a_reload_tells_of_a_new_model_that_failed",
    ),
    "a version whose every call must fail (variables missing)": (
        f"{SERVING}/test_broken_versions.py",
        "test_a_version_whose_variables_are_missing_is_found_out",
    ),
    "a file by a version's name": (HERE, "test_a_file_is_no_version"),
    "a reload that is refused for a model's platform": (
        f"{SERVING}/test_reload.py",
        "test_a_reload_that_is_refused_changes_no_label",
    ),
    "an entry that cannot be looked at": (
        f"{SERVING}/test_broken_versions.py",
        "test_an_entry_that_cannot_be_looked_at_is_passed_over_and_said_once",
    ),
    "a base path that cannot be read, at a poll": (
        f"{SERVING}/test_repository.py",
        "test_a_directory_that_cannot_be_read_keeps_what_is_loaded",
    ),
    "rows of other shapes in one batch": (
        f"{SERVING}/test_batching.py",
        "test_shapes_are_not_mixed",
    ),
    "a batch that fails": (
        f"{SERVING}/test_batching.py",
        "test_a_bad_request_does_not_spoil_its_neighbours",
    ),
    "a REST port that is taken or is gRPC's, a monitoring file that makes no sense": (
        HERE,
        "test_rest_that_cannot_be_is_told",
    ),
    "a gRPC port or socket of another server": (HERE, "test_a_second_server_ends"),
    "a port beyond 65535": (HERE, "test_a_port_beyond_the_last"),
    "a word that is no flag": (
        f"{SERVING}/test_flags.py",
        "test_what_is_no_flag_is_told_and_ignored",
    ),
    "`--flag value`, a relative `--model_base_path`": (HERE, "test_words_that_are_taken"),
    "a key twice in one row of several": (
        f"{SERVING}/test_json_parsing.py",
        "test_first_of_equal_keys",
    ),
    "`NaN.5`, `Inf.5` and `NInf` in JSON": (
        f"{SERVING}/test_json_parsing.py",
        "test_numbers_with_a_slip",
    ),
    "HEAD below `/v1`": (f"{SERVING}/test_rest_server.py", "test_head_has_no_body"),
    "a request line or a head that is malformed, but for its address": (
        f"{SERVING}/test_rest_server.py",
        "test_malformed_heads",
    ),
    "a request over REST whose end others could see elsewhere: by its lengths, codings, or chunks "
    "that are not framed to the letter": (HERE, "test_requests_of_two_ends"),
    "names of models in `request_count`": (
        f"{SERVING}/test_metrics.py",
        "test_names_that_are_not_served_are_one",
    ),
    "the metadata field `profile` over gRPC": (HERE, "test_profile_files_are_metadata"),
    "words of an error beyond 7 KiB on the wire": (
        f"{SERVING}/test_grpc_api.py",
        "test_words_of_any_length_travel",
    ),
    "a body over REST of more than 100 MiB, or of more than a million values": (
        f"{SERVING}/test_rest_server.py",
        "test_values_and_memory_are_bounded",
    ),
    "JSON nested a thousand deep and more": (
        f"{SERVING}/test_json_parsing.py",
        "test_broken_json",
    ),
    "more than a million escapes in JSON with strings that are no UTF-8": (
        f"{SERVING}/test_json_parsing.py",
        "test_escapes_beside_what_is_no_text_are_bounded",
    ),
    "a string of more than 10,000 characters, shown in an error": (
        f"{SERVING}/test_json_echoes.py",
        "test_end",
    ),
    "a head over REST of more than 1 MiB, or 10,000 lines": (
        f"{SERVING}/test_rest_server.py",
        "test_long_heads",
    ),
    "many idle connections over REST": (
        f"{SERVING}/test_rest_server.py",
        "test_idle_connections_stop_nobody",
    ),
    "a connection over REST that is idle, or whose answer nobody reads": (
        f"{SERVING}/test_rest_requests.py",
        "test_idle_connections_end",
    ),
}
"""Each row of the table, and the test that holds it."""


def table() -> dict[str, list[str]]:
    """The rows of the table: the first cell, and the others."""
    page = (ROOT / "docs/model-server.md").read_text()
    section = page.split("## Where it differs, on purpose")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (.*) \|$", section, re.MULTILINE)
    return {first: rest for first, *rest in (row.split(" | ") for row in rows[1:])}


def test_each_row_is_held():
    """Neither a row without a test, nor a test of a row that is gone; and each says why."""
    assert table().keys() == HELD.keys()
    for row, cells in table().items():
        assert [bool(cell.strip()) for cell in cells] == [True] * 3, row
    for file, name in HELD.values():
        assert f"\ndef {name}(" in (ROOT / file).read_text(), name


@dataclass
class Odd:
    """A server that was started by odd words, on versions of which one is good."""

    server: Server
    process: Process
    log: Path
    grpc_port: int
    rest_port: int


@pytest.fixture(scope="module")
def odd(kinds: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    base = tmp_path_factory.mktemp("odd")
    half = base / "half"
    half.mkdir()
    for kind, version in (("half_plus_two", "1"), ("broken", "2")):
        shutil.copytree(kinds / kind, half / version)
    (half / "3").mkdir()
    (half / "4").touch()
    (base / "batching").write_text("batch_timeout_micros { value: 1500000 }")
    ports = free_port(), free_port()
    words = ["word", "--nonsense", "--modle_name=x", "--model_name", "half"]
    words += ["--model_base_path", "half", "--max_num_load_retries=-1"]
    words += ["--load_retry_interval_micros=-1", "--enable_batching", "--batching_parameters_file"]
    words += ["batching", "--port", str(ports[0]), "--rest_api_port", str(ports[1])]
    log = base / "log"
    with running([*COMMAND, *words], log, cwd=base) as process:
        wait_until_up(process, log, lambda: "Running gRPC" in log.read_text(), "the model server")
        server = Server(f"127.0.0.1:{ports[0]}", f"127.0.0.1:{ports[1]}", base, kinds)
        yield Odd(server, process, log, *ports)


@pytest.fixture
def refuse(monkeypatch: pytest.MonkeyPatch):
    """Runs the command in this process, which it is to leave as it was; returns its exit code and
    what it says."""
    for name in ("GRPC_VERBOSITY", "TF_CPP_MIN_LOG_LEVEL", "TF_ENABLE_ONEDNN_OPTS"):
        monkeypatch.setenv(name, "0")

    def run(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(main, ["--model_base_path=/nowhere", *words])
        return done.exit_code, done.stderr

    return run


def test_words_that_are_taken(odd: Odd):
    """Values without `=`, a relative path; and what is no flag changes nothing but the log."""
    assert "nearest flag is --model_name" in odd.log.read_text()
    body = odd.server.http("GET", "/v1/models/half/versions/1", None, {}).body
    assert b"AVAILABLE" in body


def test_versions_that_fail_end_nobody(odd: Odd):
    """A broken one, and an empty directory; the good one stands in."""
    reply = odd.server.http("GET", "/v1/models/half", None, {})
    states = {
        int(one["version"]): one["state"] for one in json.loads(reply.body)["model_version_status"]
    }
    assert states == {3: "END", 2: "END", 1: "AVAILABLE"}


def test_profile_files_are_metadata(odd: Odd):
    """Those that are there when it is asked, beside the signatures; one that cannot be read is an
    error for the reader, who else would take it for none."""

    def asked(*fields: str) -> wire.GetModelMetadataResponse:
        request = wire.GetModelMetadataRequest(metadata_field=fields)
        request.model_spec.name = "half"
        path = messages.path_of(management.METADATA)
        answer = odd.server.call(path, request)
        return wire.GetModelMetadataResponse.FromString(answer)

    def read() -> dict[str, str]:
        return management.read_profile_files(asked("profile").SerializeToString())

    found = asked("profile")
    assert (list(found.metadata), found.model_spec.version.value) == (["profile"], 1)
    assert read() == {}
    folder = odd.server.models / "half" / "1" / profile_files.FOLDER
    folder.mkdir()
    texts = {"profile.json": '{"scaling": "-1..1"}', "labels.txt": "ärgerlich\n\0\n"}
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "card.json").write_text("{}")
    assert read() == texts
    assert set(asked("profile", "signature_def").metadata) == {"profile", "signature_def"}
    with pytest.raises(grpc.RpcError, match="Metadata field profiles is not supported"):
        asked("profile", "profiles")
    reply = odd.server.http("GET", "/v1/models/half/metadata", None, {})
    assert list(json.loads(reply.body)["metadata"]) == ["signature_def"]
    for content, reason in (
        (b"\xff", "is not UTF-8"),
        (b" " * 4_000_001, "it has 4,000,001 bytes"),
    ):
        (folder / "labels.txt").write_bytes(content)
        with pytest.raises(ProfileError, match=rf"labels\.txt.*{reason}"):
            read()
    (folder / "labels.txt").unlink()
    (folder / "labels.txt").mkdir()
    with pytest.raises(ProfileError, match="cannot be read"):
        read()


def test_a_file_is_no_version(odd: Odd):
    """Version 4 is one."""
    assert (odd.server.models / "half" / "4").is_file()
    assert odd.server.http("GET", "/v1/models/half/versions/4", None, {}).status == 404


def test_a_second_server_ends(odd: Odd, refuse, tmp_path: Path):
    """At its gRPC port, and at a socket at which another answers."""
    code, said = refuse(f"--port={odd.grpc_port}", "--rest_api_port=0")
    assert (code, f"Port {odd.grpc_port} is taken by another program" in said) == (2, True)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "socket"))
        other.listen()
        words = [f"--port={free_port()}", "--rest_api_port=0"]
        code, said = refuse(*words, f"--grpc_socket_path={tmp_path / 'socket'}")
    assert (code, "another model server answers at" in said) == (2, True)


def test_rest_that_cannot_be_is_told(odd: Odd, refuse, tmp_path: Path):
    """Its port is taken, is gRPC's, or its monitoring file is missing or wrong."""
    code, said = refuse(f"--port={free_port()}", f"--rest_api_port={odd.rest_port}")
    assert (code, f"Port {odd.rest_port} is taken by another program" in said) == (2, True)
    port = free_port()
    code, said = refuse(f"--port={port}", f"--rest_api_port={port}")
    assert (code, "--rest_api_port" in said) == (2, True)
    free = [f"--port={free_port()}", f"--rest_api_port={free_port()}"]
    code, said = refuse(*free, f"--monitoring_config_file={tmp_path / 'none'}")
    assert (code, "none; No such file or directory" in said) == (255, True)


def test_a_port_beyond_the_last(refuse):
    """65536 would be port 0, and 99999 another one."""
    for flag in ("--port=99999", "--rest_api_port=65536"):
        code, said = refuse(flag)
        assert (code, "is not in the range 0<=x<=65535" in said) == (255, True)


@pytest.mark.parametrize("flag", ["--rest_api_num_threads", "--grpc_max_threads"])
@pytest.mark.parametrize("count", ["0", "-1"])
def test_no_threads(refuse, flag: str, count: str):
    """A number of threads is 1 or more."""
    code, said = refuse(f"{flag}={count}")
    assert (code, f"Invalid value for '{flag}'" in said) == (255, True)


SIZED, CHUNKED = b"Content-Length: 2\r\n", b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("rest", "status"),
    [
        (SIZED + CHUNKED + b"\r\n0\r\n\r\n", 400),
        (SIZED + b"Content-Length: 3\r\n\r\n{}", 400),
        (b"Content-Length : 2\r\n\r\n{}", 400),
        (b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (CHUNKED + b"\r\n2\n{}\n0\n\n", 413),
        (SIZED + b"Transfer-Encoding: identity\r\n\r\n{}", 404),
    ],
)
def test_requests_of_two_ends(odd: Odd, rest: bytes, status: int):
    """Nothing that comes after such a request is one."""
    sent = b"POST /v1/models/none:predict HTTP/1.1\r\n" + rest
    reply = odd.server.reply(sent + b"GET /v1/models/half HTTP/1.1\r\n\r\n")
    assert (reply.status, reply.headers["connection"]) == (status, "close")
