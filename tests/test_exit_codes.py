"""Exit codes: what the table says is what the commands do, all three alike."""

import importlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.paths import ROOT, SAMPLES
from harness.ports import free_port
from tests.client.fake_gateway import FakeGateway, problem
from tests.docs.generated import COMMANDS
from vitrine_client.process import signals
from vitrine_client.process.exit_codes import FAILED, MEANINGS, NOT_BEGUN, SUMMARY, WELL


def exit_code(name: str, *words: object) -> int:
    return CliRunner().invoke(COMMANDS[name], [str(word) for word in words]).exit_code


@pytest.mark.parametrize("name", COMMANDS)
def test_help_says_them_in_short(name):
    """Each command the same, and every code of the table."""
    text = " ".join(CliRunner().invoke(COMMANDS[name], ["--help"]).output.split())
    assert SUMMARY in text
    assert {int(code) for code in re.findall(r"\d+", SUMMARY)} == set(MEANINGS)


def test_each_code_has_its_name():
    """The three of the commands, and those of the signals that end one."""
    of_signals = {signals.exit_code(number) for number in signals.ENDING}
    assert {WELL, FAILED, NOT_BEGUN} | of_signals == set(MEANINGS)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("words", [["--no-such-option"], ["no-such-command"]])
def test_wrong_usage(name, words):
    """2, whichever command."""
    assert exit_code(name, *words) == NOT_BEGUN


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize(
    "words",
    [
        ("vitrine_client", "--help"),
        ("vitrine_client", "doctor", "--json"),
        ("vitrine_training", "recipes"),
        ("vitrine_training", "recipes", "--json"),
        ("vitrine_serving", "--version"),
    ],
    ids=" ".join,
)
def test_a_full_disk(words):
    """1, and one sentence, also of what is only written when the process ends."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", *words], stdout=full, stderr=subprocess.PIPE, text=True
        )
    expected = "Error: Standard output cannot be written: No space left on device\n"
    assert (done.returncode, done.stderr) == (FAILED, expected)


def test_nobody_answers(tmp_path):
    """2, from a gateway as from a model server."""
    address = f"127.0.0.1:{free_port()}"
    (tmp_path / "models.config").write_text(
        'model_config_list { config { name: "mlp" base_path: "/models/mlp" } }'
    )
    words = [f"--config={tmp_path}/models.config", f"--model-server={address}"]
    for asked in (
        ["models", f"--url=http://{address}"],
        ["predict", SAMPLES[0], f"--url=http://{address}"],
        ["predict", SAMPLES[0], "--model=mlp", f"--model-server={address}"],
        ["loadtest", "closed", SAMPLES[0], "--model=mlp", f"--url=http://{address}"],
        ["promote", "mlp", "1", *words],
    ):
        assert exit_code("vitrine", *asked) == NOT_BEGUN, asked


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
def test_what_is_refused(status):
    """1, as somebody answered; a model that is not there is one of these."""
    with FakeGateway(lambda _: problem(status, "no")) as gateway:
        url = f"--url={gateway.url}"
        for asked in (
            ["status", "nope", url],
            ["metadata", "nope", url],
            ["predict", SAMPLES[0], "--model=nope", url],
            ["loadtest", "closed", SAMPLES[0], "--model=nope", url],
        ):
            assert exit_code("vitrine", *asked) == FAILED, asked


def test_what_is_not_there(tmp_path):
    """1, of what is looked for in a directory; 2, where that is all that a service has."""
    models = f"--models-dir={tmp_path}"
    assert exit_code("vitrine-train", "rollback", "nope", models) == FAILED
    assert exit_code("vitrine-train", "evaluate", "nope", models) == FAILED
    assert exit_code("vitrine-serve", "up", models) == NOT_BEGUN  # there is nothing to serve
    assert exit_code("vitrine-serve", "keys", "remove", "a", f"--file={tmp_path}/no") == FAILED


@pytest.mark.parametrize("member", ["client", "serving", "training"])
def test_scripts_are_what_python_m_runs(member):
    """An installed command and `python -m` end alike, as they begin alike."""
    project = tomllib.loads((ROOT / member / "pyproject.toml").read_text())["project"]
    for target in project["scripts"].values():
        module, _, function = target.partition(":")
        assert (module.rpartition(".")[2], function) == ("__main__", "run")
        assert callable(getattr(importlib.import_module(module), function))
