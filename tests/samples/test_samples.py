"""Own data, real: from pictures that others made to a model that is as good as it has to be."""

import json
import statistics
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.samples.forms import FORMS
from vitrine_training.cli import main
from vitrine_training.publish import cards
from vitrine_training.publish.gate import weights_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

SEEDS = range(5)


@pytest.fixture
def models_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for models, with a cache of its own."""
    monkeypatch.setenv("VITRINE_CACHE_DIR", str(tmp_path / "cache" / "data"))
    return tmp_path / "models"


def published(models_dir: Path, *words: object) -> Path:
    """Trains by the real command; returns the version directory."""
    every = ("train", *words, "--models-dir", models_dir, "--json", "--force")
    done = CliRunner().invoke(main, [*map(str, every)])
    assert done.exit_code == 0, done.output
    (outcome,) = json.loads(done.stdout)
    return models_dir / outcome["model"] / str(outcome["version"])


def test_forms_give_equal_weights(sample, models_dir, tmp_path):
    """The same digits as a folder, .npz, CSV and IDX, bit for bit."""
    digits = np.load(sample("digits.npz"))
    found = {}
    for form, write in FORMS.items():
        (tmp_path / form).mkdir()
        path = write(tmp_path / form, digits["x"], digits["y"])
        size = ("--size", 8) if form == "folder" else ()
        words = ("softmax", "--data", path, "--as", form, "--epochs", 2, *size)
        found[form] = weights_of(published(models_dir, *words))
    first, *others = found.values()
    assert len(others) == 3
    assert all(each == first for each in others), found


def test_digits(sample, models_dir):
    """Median of five seeds, each with parts of its own."""
    accuracies = []
    for seed in SEEDS:
        words = ("cnn", "--data", sample("digits.npz"), "--seed", seed)
        accuracies.append(cards.checked(published(models_dir, *words))["metrics"]["test_accuracy"])
    print(accuracies)
    assert statistics.median(accuracies) >= 0.97, accuracies


def test_mnist_digits(sample, models_dir):
    words = ("cnn", "--data", sample("mnist_5k.csv.gz"), "--label-column", "last")
    card = cards.checked(published(models_dir, *words))
    assert card["labels"] == [*"0123456789"]
    print(card["metrics"])
    assert card["metrics"]["test_accuracy"] >= 0.95


def test_drawings(sample, models_dir):
    """Few pictures, in colours, eleven times as many of one class as of another: each class counts
    the same. One picture is too large to be read, and is told of."""
    path = sample("drawings")
    card = cards.checked(
        published(models_dir, "cnn", "--data", path, "--size", 32, "--class-weights")
    )
    assert card["input_shape"] == [32, 32, 3]
    assert sum(card["own_data"]["pictures"].values()) > 1_100
    assert "files that are too large" in "\n".join(card["own_data"]["notes"])
    recalls = {one["label"]: one["recall"] for one in card["classes"]}
    print(recalls)
    assert statistics.mean(recalls.values()) >= 0.45, recalls
