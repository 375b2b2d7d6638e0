"""`--json` of the commands of `vitrine-train` that start TensorFlow: JSON alone on stdout."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from vitrine_training.cli import main


def in_process(*words: object) -> tuple[Any, str]:
    """Runs a command with `--json` here, where TensorFlow is there already."""
    done = CliRunner().invoke(main, [*map(str, words), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout, parse_constant=pytest.fail), done.stderr


def vitrine_train(*words: object, exit_code: int = 0) -> tuple[Any, str]:
    """Runs a command with `--json`, and returns what it printed, and said beside it."""
    command = [sys.executable, "-m", "vitrine_training", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == exit_code, done.stderr
    return json.loads(done.stdout, parse_constant=pytest.fail), done.stderr


@pytest.mark.slow
def test_train(tmp_path: Path):
    """An object for each recipe, published or not, and the progress beside it; one that is worse
    keeps no other from its turn, and a table at the end says what became of each."""
    words = ("train", "linear", "--epochs", "2", "--models-dir", tmp_path)
    (told,), said = in_process(*words)
    assert (told["model"], told["version"], told["published"]) == ("linear", 1, True)
    assert told["path"] == str(tmp_path / "linear" / "1")
    card = json.loads((tmp_path / "linear" / "1" / "assets.extra" / "card.json").read_text())
    assert (told["metrics"], told["verdict"]) == (card["metrics"], card["verdict"])
    assert "epoch 2/2" in said
    words = ("train", "linear", "mlp", "linear", "--learning-rate", "0", "--models-dir", tmp_path)
    told, said = vitrine_train(*words, "--epochs", "1", "--hard-pictures", "0", exit_code=1)
    worse, mlp, again = told
    for one in (worse, again):
        assert (one["model"], one["published"]) == ("linear", False)
        assert "is worse than version 1" in one["reason"]
    assert (mlp["model"], mlp["published"]) == ("mlp", True)
    assert mlp["verdict"]["word"] == "learned nothing"
    assert said.count("Error: This linear is worse than version 1") == 2
    table = said.splitlines()[-3:]
    assert [line.split()[0] for line in table] == ["linear", "mlp", "linear"]
    assert f"published as {tmp_path / 'mlp' / '1'}" in table[1]
    assert "not published: This linear is worse" in table[2]


@pytest.mark.slow
def test_evaluate_and_report(training_run, tmp_path: Path):
    """Figures of each class, and where the pages are."""
    models_dir = ("--models-dir", training_run.models_dir)
    (found,), _ = in_process("evaluate", "softmax", *models_dir)
    assert (found["model"], found["version"]) == ("softmax", 1)
    assert 0.8 < found["accuracy"] < 0.9
    assert [one["label"] for one in found["classes"]][8] == "Bag"
    assert set(found["classes"][0]) == {"label", "precision", "recall", "f1"}
    (written,), _ = in_process("report", "softmax", *models_dir, "--reports-dir", tmp_path)
    assert Path(written["page"]).read_text().startswith("<!DOCTYPE html>")
    assert written["model"] == "softmax"
