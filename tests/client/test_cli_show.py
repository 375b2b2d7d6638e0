"""`vitrine models`, `status`, `metadata` and `profile`."""

import json
import re

import pytest
from click.testing import CliRunner, Result

from harness.ports import free_port
from tests.client.cli_gateway import (
    ASSUMED,
    ERROR,
    METADATA,
    NO_PROFILE,
    PROFILE,
    REASON,
    answering,
)
from tests.client.fake_gateway import Asked, FakeGateway, Reply, problem
from vitrine_client.cli import main

COMMANDS = [["models"], ["status", "mlp"], ["metadata", "mlp"], ["profile", "mlp"]]


def listing(asked: Asked) -> Reply:
    """Lists `rows`, too."""
    reply = answering(asked)
    if asked.path != "/v1/models":
        return reply
    mlp, linear = reply.content["models"]
    rows = {"name": "rows", "classifier": False, "reason": REASON}
    rows |= {"model_version_status": mlp["model_version_status"][:1]}
    return Reply(content={"models": [mlp, linear, rows]})


@pytest.fixture(scope="module")
def gateway():
    with FakeGateway(listing) as running:
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
        ["model", "version", "state", "labels", "pictures"],
        ["mlp", "3", "AVAILABLE", "canary,", "stable", "yes"],
    ]
    assert re.search(rf"^linear  2 +END +{re.escape(f'NOT_FOUND: {ERROR}')} *$", done.stdout, re.M)
    assert re.search(rf"^rows +3 +AVAILABLE +no +{re.escape(REASON)} *$", done.stdout, re.M)
    assert done.stderr == (
        "mlp: scaling 0..1, fit stretch assumed: write profile.json to change it; labels 0, 1, 2… "
        "assumed: write labels.txt to name the classes\n"
    )
    listed = json.loads(vitrine(gateway, "models", "--json").stdout)
    assert list(listed) == ["mlp", "linear", "rows"]
    assert (listed["rows"][0]["classifier"], listed["rows"][0]["reason"]) == (False, REASON)
    assert (listed["mlp"][1]["classifier"], listed["linear"][0]["classifier"]) == (None, None)
    assert listed["mlp"][0] == {
        "version": 3,
        "state": "AVAILABLE",
        "error_code": "OK",
        "error_message": "",
        "version_labels": ["canary", "stable"],
        "classifier": True,
        "reason": "",
        "assumptions": ASSUMED,
    }


def test_status(gateway):
    """The versions of one model with their labels; exit code 1 where none answers, or there is no
    such model: the message says which there are."""
    done = vitrine(gateway, "status", "mlp")
    assert done.exit_code == 0, done.output
    assert cells(done)[1] == ["mlp", "3", "AVAILABLE", "canary,", "stable", "yes"]
    assert [
        one["version"] for one in json.loads(vitrine(gateway, "status", "mlp", "--json").stdout)
    ] == [3, 2]
    done = vitrine(gateway, "status", "linear")
    assert done.exit_code == 1
    assert "no [graph]" in done.stdout
    done = vitrine(gateway, "status", "nobody")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: No model nobody; there are linear, mlp, rows\n"


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


def test_profile(gateway):
    """Each member and where it is from; assumptions are noted with what to do; JSON is what the
    gateway said."""
    done = vitrine(gateway, "profile", "mlp")
    assert done.exit_code == 0, done.output
    rows = [re.split("  +", line.strip()) for line in done.stdout.splitlines()]
    assert rows[0] == ["member", "value", "from"]
    assert ["shape", "[null, 32, 3]"] in rows
    assert ["scaling", "0..1", "assumed"] in rows
    assert ["batchable", "true"] in rows
    assert rows[-1] == ["labels", "0, 1, 2, 3, 4, … (1,000)", "assumed"]
    assert not any(row[0] == "mean" for row in rows)
    assert done.stderr.splitlines() == ASSUMED
    told = json.loads(vitrine(gateway, "profile", "mlp", "--json").stdout)
    assert told == PROFILE | {"version": 3, "reason": ""}


def test_profile_of_what_takes_no_pictures(gateway):
    """It is said why; the exit code tells scripts."""
    done = vitrine(gateway, "profile", "rows")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"No picture can be sent to rows/3: {REASON}\n"
    done = vitrine(gateway, "profile", "rows", "--json")
    assert (done.exit_code, json.loads(done.stdout)) == (1, NO_PROFILE | {"version": 3})


@pytest.mark.parametrize("command", ["metadata", "profile"])
def test_which_version(gateway, command):
    """By its number or its label, and not by both."""
    gateway.asked.clear()
    for words in (["--version", "2"], ["--label", "stable"]):
        assert vitrine(gateway, command, "mlp", *words).exit_code == 0
    assert [asked.path for asked in gateway.asked] == [
        f"/v1/models/mlp/versions/2/{command}",
        f"/v1/models/mlp/labels/stable/{command}",
    ]
    done = vitrine(gateway, command, "mlp", "--version", "2", "--label", "stable")
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
