"""`evaluate` and `report` go on past what is wrong with one of several versions."""

import json
import os
import shutil
import subprocess
import sys

import pytest
from click.testing import CliRunner, Result

from tests.training.made_versions import make_card, write_card
from vitrine_training.cli import main


@pytest.fixture(scope="module")
def models_dir(softmax_dir, tmp_path_factory):
    """Two good classifiers, and those that something is wrong with between them."""
    folder = tmp_path_factory.mktemp("models")
    for model in ("a-good", "cut", "empty", "no-card", "text-card", "z-good"):
        version_dir = shutil.copytree(softmax_dir, folder / model / "1")
        write_card(version_dir, make_card(model=model, version=1))
    os.truncate(next((folder / "cut/1/variables").glob("variables.data-*")), 1000)
    (folder / "empty/1/saved_model.pb").write_bytes(b"")
    (folder / "text-card/1/assets.extra/card.json").write_text("[1]")
    (folder / "no-card/1/assets.extra/card.json").unlink()
    return folder


def vitrine_train(*words) -> Result:
    """Runs a command in this process, where TensorFlow is there already."""
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.mark.parametrize("command", ["evaluate", "report"])
def test_the_others_are_judged_and_the_exit_code_says_so(models_dir, tmp_path, command):
    """A line for each that cannot be judged, no traceback, and what is whole; a model that is no
    classifier of ours is passed over unless it is named."""
    reports = ("--reports-dir", tmp_path) if command == "report" else ()
    done = vitrine_train(command, "--json", "--models-dir", models_dir, *reports)
    assert [one["model"] for one in json.loads(done.stdout)] == ["a-good", "z-good"]
    assert (done.exit_code, type(done.exception)) == (1, SystemExit)
    told = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert len(told) == 3
    for model in ("cut", "empty", "text-card"):
        assert any(f"{models_dir / model / '1'} is damaged" in line for line in told), told
    if command == "report":
        pages = {path.name for path in tmp_path.iterdir()}
        assert pages == {"a-good-1.html", "z-good-1.html", "index.html"}


def test_a_model_without_a_version_keeps_no_other_back(models_dir):
    """Named, as one that is no classifier of ours."""
    done = vitrine_train("evaluate", "none", "no-card", "z-good", "--models-dir", models_dir)
    assert done.exit_code == 1
    assert f"{models_dir / 'none'} has no version" in done.stderr
    assert f"{models_dir / 'no-card' / '1'} is no classifier with a card" in done.stderr
    assert f"{models_dir / 'z-good' / '1'}: test accuracy" in done.stdout


def test_all_is_well_where_all_are_whole(models_dir):
    """Exit code 0, and a process of its own has nothing else to say."""
    words = ["evaluate", "z-good", "--models-dir", models_dir]
    command = [sys.executable, "-m", "vitrine_training", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert (done.returncode, done.stderr) == (0, "")


CARDS = [
    '{"metrics": {"test_accuracy": NaN}}',
    "[1]",
    '{"metrics": [1], "trained_at": 5}',
    "\ud800",
    "[" * 100_000,
    '{"metrics": {}}',
    "1",
]


@pytest.mark.parametrize("content", CARDS, ids=range(len(CARDS)))
def test_versions_are_listed_whatever_their_cards_say(tmp_path, content):
    """A card that makes no sense says nothing."""
    card = tmp_path / "mlp/1/assets.extra/card.json"
    card.parent.mkdir(parents=True)
    card.write_bytes(content.encode(errors="surrogatepass"))
    words = ["versions", "--models-dir", str(tmp_path)]
    done = CliRunner().invoke(main, [*words, "--json"])
    (entry,) = json.loads(done.stdout)
    assert (entry["trained_at"], entry["test_accuracy"], done.exit_code) == (None, None, 0)
    assert CliRunner().invoke(main, words).exit_code == 0
