"""The command `vitrine-train import`: options, what it prints, exit codes."""

import json
import os

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from tests.training.imports import foreign
from tests.training.imports.foreign import layers
from vitrine_training.cli import main
from vitrine_training.publish import versions as publish


def vitrine_train(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def cnn(tmp_path_factory):
    return foreign.saved(foreign.functional((16, 16, 3)), tmp_path_factory.mktemp("m") / "c.keras")


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\ufeffant\nbee\ncat\ndog\n\n")
    return path


def test_it_is_published_and_says_what_it_assumed(cnn, labels, tmp_path):
    """Exit code 0; a second time it is the same, and left alone, unless by --force."""
    models_dir = tmp_path / "models"
    words = ("import", cnn, "--as", "insects", "--labels", labels, "--models-dir", models_dir)
    done = vitrine_train(*words)
    assert done.exit_code == 0, done.output
    assert f"published as {models_dir / 'insects' / '1'}" in done.output
    assert "insects: 16x16x3 float32 pictures, 0..1, 4 classes" in done.output
    assert (
        "assumed: scaling 0..1, resize bilinear, polarity as is, fit stretch; --scale, --resize, "
        "--polarity, --fit say otherwise" in done.output
    )
    assert "nothing was measured" in done.output
    again = vitrine_train(*words)
    assert again.exit_code == 1
    assert "there is nothing to measure by: add --test-data" in again.output
    assert vitrine_train(*words, "--force").exit_code == 0
    assert publish.versions(models_dir, "insects") == [1, 2]


def test_json(cnn, tmp_path):
    """One object; notes go to standard error."""
    for number in range(8):
        for name, level in {"a": 0, "b": 90, "c": 160, "d": 250}.items():
            (tmp_path / "photos" / name).mkdir(parents=True, exist_ok=True)
            noise = np.random.default_rng(number).integers(-5, 5, (9, 9, 3))
            picture = Image.fromarray((level + noise).clip(0, 255).astype(np.uint8))
            picture.save(tmp_path / "photos" / name / f"{number}.png")
    words = ("import", cnn, "--as", "x", "--models-dir", tmp_path / "models", "--json")
    words = (*words, "--test-data", tmp_path / "photos", "--mean", "0.5", "--std", "0.5")
    done = vitrine_train(*words)
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (told["model"], told["version"], told["published"]) == ("x", 1, True)
    assert told["labels"] == ["a", "b", "c", "d"]
    assert (told["profile"]["scaling"], told["profile"]["mean"]) == ("mean/std", [0.5])
    assert 0 <= told["metrics"]["test_accuracy"] <= 1
    again = vitrine_train(*words)
    assert again.exit_code == 0
    same = json.loads(again.stdout)
    assert same["published"] is False
    assert same["reason"].startswith("the same model as ")


def test_what_is_refused_has_exit_code_1(tmp_path):
    """And a sentence, in JSON, too."""
    path = foreign.saved(
        foreign.sequential((16, 16, 3), layers.Conv2D(4, 3)), tmp_path / "segmentation.keras"
    )
    words = ("import", path, "--as", "x", "--models-dir", tmp_path / "models", "--json")
    done = vitrine_train(*words)
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["published"] is False
    assert "and not one output of classes" in told["reason"]
    assert f"Error: {told['reason']}" in done.stderr
    assert "Traceback" not in done.output


WRONG = {
    "no name": ((), "Missing option '--as'"),
    "a name with a slash": (("--as", "a/b"), "a model's name has"),
    "a mean alone": (("--as", "x", "--mean", "0.5"), "--mean and --std go together"),
    "two scales": (
        ("--as", "x", "--scale", "0..1", "--mean", "0.5", "--std", "1"),
        "leave out --scale 0..1",
    ),
    "a scale without numbers": (("--as", "x", "--scale", "mean/std"), "wants --mean and --std"),
    "no numbers": (("--as", "x", "--mean", "a,b", "--std", "1"), "write numbers as in 0.5,0.5"),
    "two data": (("--as", "x", "--fashion-mnist", "--test-data", "."), "exclude each other"),
    "data for nothing": (("--as", "x", "--data-dir", "."), "is where --fashion-mnist looks"),
    "another scale": (("--as", "x", "--scale", "0-1"), "is not one of '0..1', '0..255'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_usage_has_exit_code_2(cnn, tmp_path, case):
    """Before TensorFlow is started."""
    words, reason = WRONG[case]
    done = vitrine_train("import", cnn, *words)
    assert done.exit_code == 2
    assert reason in " ".join(done.output.split())


def test_files_that_are_not_there(tmp_path, cnn):
    assert vitrine_train("import", tmp_path / "nope.keras", "--as", "x").exit_code == 2
    done = vitrine_train("import", cnn, "--as", "x", "--labels", tmp_path / "nope.txt")
    assert done.exit_code == 2
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    done = vitrine_train("import", cnn, "--as", "x", "--labels", tmp_path / "binary.txt")
    assert done.exit_code == 2
    assert "binary.txt" in done.output


def too_large(path):
    with path.open("wb") as file:
        file.truncate(4_000_001)


LABELS = {
    "too large": (too_large, "it has 4,000,001 bytes, and 4,000,000 are the most"),
    "a pipe": (os.mkfifo, "it is no regular file"),
    "another text": (
        lambda path: path.write_text("a\nb" + "c" * 300),
        "labels.txt: `labels`: that",
    ),
}


@pytest.mark.parametrize("case", LABELS)
def test_labels_that_are_none(cnn, tmp_path, case):
    """Nothing waits for them, and no memory is taken for them."""
    make, reason = LABELS[case]
    make(tmp_path / "names.txt")
    done = vitrine_train("import", cnn, "--as", "x", "--labels", tmp_path / "names.txt")
    assert done.exit_code == 2
    assert reason in " ".join(done.output.split())
    assert "Errno" not in done.output


def test_imported_ones_are_judged_by_name_alone(cnn, labels, tmp_path):
    """`evaluate` and `report` are about Fashion-MNIST: they leave out what was imported."""
    models_dir = tmp_path / "models"
    words = ("--as", "insects", "--labels", labels, "--models-dir", models_dir)
    assert vitrine_train("import", cnn, *words).exit_code == 0
    done = vitrine_train("evaluate", "--models-dir", models_dir)
    assert "There is no classifier in" in done.output
    named = vitrine_train("evaluate", "insects", "--models-dir", models_dir)
    assert named.exit_code == 1
    assert "was imported, perhaps for other pictures" in named.output
    listed = vitrine_train("versions", "--models-dir", models_dir)
    assert "insects/1" in listed.output
