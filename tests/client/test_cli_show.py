"""`vitrine models`, `status` and `metadata`."""

import json

import pytest
from click.testing import CliRunner, Result

from harness.ports import free_port
from tests.client.cli_gateway import ERROR, METADATA, answering
from tests.client.fake_gateway import FakeGateway, problem
from vitrine_client.cli import main

COMMANDS = [["models"], ["status", "mlp"], ["metadata", "mlp"]]


@pytest.fixture(scope="module")
def gateway():
    with FakeGateway(answering) as running:
        yield running


def vitrine(gateway, *words: str) -> Result:
    return CliRunner().invoke(main, [*words, "--url", gateway.url])


def cells(done: Result) -> list[list[str]]:
    return [line.split() for line in done.stdout.splitlines()]


def test_models(gateway):
    """A line for each version with its version labels, the error whole: a pipe has no width."""
    done = vitrine(gateway, "models")
    assert done.exit_code == 0, done.output
    assert cells(done)[:2] == [
        ["model", "version", "state", "labels"],
        ["mlp", "3", "AVAILABLE", "canary,", "stable"],
    ]
    assert f"linear  2        END                        NOT_FOUND: {ERROR}\n" in done.stdout
    listed = json.loads(vitrine(gateway, "models", "--json").stdout)
    assert list(listed) == ["mlp", "linear"]
    assert listed["mlp"][0] == {
        "version": 3,
        "state": "AVAILABLE",
        "error_code": "OK",
        "error_message": "",
        "version_labels": ["canary", "stable"],
    }


def test_status(gateway):
    """The versions of one model with their labels; exit code 1 where none answers, or there is no
    such model: the message says which there are."""
    done = vitrine(gateway, "status", "mlp")
    assert done.exit_code == 0, done.output
    assert cells(done)[1] == ["mlp", "3", "AVAILABLE", "canary,", "stable"]
    assert [
        one["version"] for one in json.loads(vitrine(gateway, "status", "mlp", "--json").stdout)
    ] == [3, 2]
    done = vitrine(gateway, "status", "linear")
    assert done.exit_code == 1
    assert "no [graph]" in done.stdout
    done = vitrine(gateway, "status", "nobody")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: No model nobody; there are linear, mlp\n"


def test_metadata(gateway):
    """Tensors with dtype and shape as people write them, without TensorFlow's own signatures; JSON
    is what the gateway said."""
    done = vitrine(gateway, "metadata", "mlp")
    assert done.exit_code == 0, done.output
    assert cells(done) == [
        ["signature", "name", "dtype", "shape"],
        ["serving_default", "input", "images", "float32", "[n,", "28,", "?]"],
        ["output", "anything", "string", "any"],
        ["output", "class_ids", "int64", "[]"],
    ]
    assert json.loads(vitrine(gateway, "metadata", "mlp", "--json").stdout) == METADATA


def test_metadata_of_a_version(gateway):
    """By its number or its label, and not by both."""
    gateway.asked.clear()
    for words in (["--version", "2"], ["--label", "stable"]):
        assert vitrine(gateway, "metadata", "mlp", *words).exit_code == 0
    assert [asked.path for asked in gateway.asked] == [
        "/v1/models/mlp/versions/2/metadata",
        "/v1/models/mlp/labels/stable/metadata",
    ]
    done = vitrine(gateway, "metadata", "mlp", "--version", "2", "--label", "stable")
    assert (done.exit_code, done.stdout) == (2, "")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_nobody_there(words):
    """Exit code 2, nothing on standard output, and what to do."""
    done = CliRunner().invoke(main, [*words, "--url", f"http://127.0.0.1:{free_port()}"])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "make serve" in done.stderr


@pytest.mark.parametrize("words", [*COMMANDS, ["predict", "samples/bag.png"]], ids=" ".join)
def test_a_key_that_is_missing(words):
    """The command names its own option for it, and not the header."""
    told = "This gateway wants an API key; send it as `X-API-Key: <key>`"
    with FakeGateway(lambda asked: problem(401, told)) as gateway:
        done = vitrine(gateway, *words)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == (
        "Error: This gateway wants an API key; --key (VITRINE_API_KEY) gives one\n"
    )
