"""Commands in odd surroundings: closed standard streams, encodings that lack letters, names that
are no text, numbers that are none. Each ends with a sentence, and never with a traceback."""

import os
import subprocess
import sys

import pytest
from click.testing import CliRunner

from harness.paths import ROOT, SAMPLES
from tests.client.cli_gateway import answering
from tests.client.fake_gateway import FakeGateway
from vitrine_client.cli import main

USUAL = {("ascii",), ("latin-1", "--csv"), ("utf-8",), ("utf-8", "--json"), ("utf-16", "--csv")}
"""Encodings with what a command is asked for: each encoding, and each way to write, with letters
that are there and that are not."""

NO_SECONDS = ("nan", "inf", "1e400", "0", "-1", "1e10")


@pytest.fixture(scope="module")
def gateway():
    with FakeGateway(answering) as running:
        yield running


def run(script: str, *words: object, **environment: str) -> "subprocess.CompletedProcess[bytes]":
    """Runs a shell's line, in which "$@" is `vitrine` with these words."""
    command = [sys.executable, "-m", "vitrine_client", *words]
    done = subprocess.run(
        ["sh", "-c", script, "sh", *(os.fsencode(str(word)) for word in command)],
        env=os.environ | environment,
        cwd=ROOT,
        capture_output=True,
        timeout=60,
    )
    assert b"Traceback" not in done.stderr, done.stderr
    return done


@pytest.mark.parametrize("command", ["predict", "explain", "loadtest closed", "tune"])
def test_standard_input_that_is_closed(gateway, command):
    """`-` then names nothing; cron and services have it so."""
    words = ["--slo=p99=1s"] if command == "tune" else ["--url", gateway.url, "--model=mlp"]
    done = run('"$@" <&-', *command.split(), "-", *words)
    assert done.returncode == 2
    assert b"standard input is closed" in done.stderr


@pytest.mark.parametrize(
    "closed", [">&-", pytest.param("2>&-", marks=pytest.mark.wide), "<&- >&- 2>&-"]
)
def test_standard_output_that_is_closed(gateway, closed, tmp_path):
    """The command does its work, and nothing else gets into the files that it writes."""
    report = tmp_path / "report.json"
    words = ["--duration-s=0.2", "--warm-up-s=0", "--concurrency=1", "--model=mlp"]
    words += ["--url", gateway.url, "--json", report]
    assert run(f'"$@" {closed}', "loadtest", "closed", SAMPLES[0], *words).returncode == 0
    assert report.read_bytes().startswith(b"{")
    assert report.read_bytes().endswith(b"}\n")
    assert run(f'"$@" {closed}', "models", "--url", gateway.url).returncode == 0
    assert run(f'"$@" {closed}', "status", "gone", "--url", gateway.url).returncode == 1


@pytest.mark.parametrize("words", [["models"], ["doctor", "--json", "--timeout-s=1"]], ids=str)
def test_standard_output_that_is_full(gateway, words):
    """What cannot be written is an error."""
    done = run('"$@" > /dev/full', *words, "--url", gateway.url)
    assert done.returncode == 1
    assert done.stderr.startswith(b"Error: ")
    assert done.stderr.endswith(b"No space left on device\n")
    assert done.stderr.count(b"\n") == 1


@pytest.mark.parametrize(
    ("encoding", "how"),
    [
        pytest.param(encoding, how, marks=[] if (encoding, *how) in USUAL else [pytest.mark.wide])
        for encoding in ("ascii", "latin-1", "utf-8", "utf-16")
        for how in ([], ["--csv"], ["--json"])
    ],
    ids=str,
)
def test_letters_that_an_encoding_lacks(gateway, tmp_path, encoding, how):
    """A label and a file's name that are not ASCII are written in escapes where need be."""
    (tmp_path / "żółw.png").write_text("Żółw")
    (tmp_path / os.fsdecode(b"\xff.png")).write_text("Bag")
    words = ["predict", tmp_path, *how, "--url", gateway.url]
    done = run('"$@"', *words, PYTHONIOENCODING=f"{encoding}:strict")
    assert done.returncode == 0, done.stderr
    told = done.stdout.decode(encoding, "replace")
    assert "Bag" in told
    assert ("Żółw" if encoding.startswith("utf") and "--json" not in how else "\\u017b") in told


def test_a_name_that_is_no_text(gateway):
    """Of a model, and of a user in the address."""
    surroundings = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = run('"$@"', "status", "ż", "--url", gateway.url, **surroundings)
    assert done.returncode == 1
    assert b"is not Unicode" in done.stderr
    url = gateway.url.replace("://", "://ż:x@")
    assert run('"$@"', "models", "--url", url, **surroundings).returncode == 0


@pytest.mark.parametrize("seconds", NO_SECONDS)
@pytest.mark.parametrize(
    "words",
    [
        ["predict", SAMPLES[0], "--timeout-s"],
        ["doctor", "--timeout-s"],
        ["promote", "mlp", "1", "--timeout-s"],
        ["loadtest", "closed", SAMPLES[0], "--duration-s"],
        ["tune", SAMPLES[0], "--slo=p99=1s", "--for-s"],
    ],
    ids=lambda words: words[0],
)
def test_seconds_that_are_none(words, seconds):
    """Wrong usage, and the option is named."""
    done = CliRunner().invoke(main, [*map(str, words), seconds])
    assert done.exit_code == 2
    assert f"Invalid value for '{words[-1]}'" in done.stderr
