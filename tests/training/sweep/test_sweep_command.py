"""Command line of a sweep: what is refused, in one sentence, before the first run."""

import json
import subprocess
import sys
from dataclasses import asdict

import numpy as np
import pytest
from click.testing import CliRunner

from tests.training.own.made_arrays import WRITERS
from vitrine_training.cli import main
from vitrine_training.cli.sweep_report import SweepReport
from vitrine_training.data.own.finding import load
from vitrine_training.data.own.splitting import split
from vitrine_training.models.recipes import RECIPES
from vitrine_training.publish.provenance import packages
from vitrine_training.sweep.folder import SweptData, claimed
from vitrine_training.sweep.plan import SweepRun, Variant
from vitrine_training.sweep.training import Trainer

LINES = ("mlp", "--data", "lines.csv.gz")
VARIANT = Variant("mlp", RECIPES["mlp"].varied({}, "lines"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder to be in, with pictures as CSV and as files."""
    random = np.random.default_rng(3)
    images, labels = random.integers(0, 256, (60, 9, 9), np.uint8), np.arange(60) % 3
    WRITERS["CSV"](tmp_path, images, labels).rename(tmp_path / "lines.csv.gz")
    (tmp_path / "empty").mkdir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("VITRINE_DATA_DIR", raising=False)
    return tmp_path


def sweep(*words):
    return CliRunner().invoke(main, ["sweep", *map(str, words)])


def said(done):
    return " ".join(done.output.split())


WRONG = {
    "no recipe": ((), "name the recipes to compare"),
    "unknown recipe": (("resnet",), "'resnet' is not one of"),
    "a recipe twice": (("mlp", "mlp"), "mlp is there twice"),
    "unknown setting": (("mlp", "--vary", "rate=1"), "'rate' is no setting"),
    "nearly a setting": (("mlp", "--vary", "learning-rat=1"), "did you mean learning-rate?"),
    "no values": (("mlp", "--vary", "epochs"), "write 'epochs' as in learning-rate=0.1,0.03"),
    "an empty value": (("mlp", "--vary", "epochs="), "epochs has an empty value"),
    "an empty value among others": (("mlp", "--vary", "epochs=1,,2"), "epochs has an empty value"),
    "empty widths": (("mlp", "--vary", "hidden-units=9;"), "none is for no layers"),
    "a value twice": (("mlp", "--vary", "learning-rate=0.1,0.10"), "has the value 0.1 twice"),
    "widths twice": (("mlp", "--vary", "hidden-units=9,8;9,8"), "has the value 9,8 twice"),
    "a setting twice": (
        ("mlp", "--vary", "epochs=1", "--vary", "epochs=2"),
        "--vary epochs is there twice",
    ),
    "no number": (("mlp", "--vary", "epochs=two"), "'--epochs': 'two' is not a valid integer"),
    "nan": (("mlp", "--vary", "learning-rate=nan"), "nan is no finite number"),
    "neither yes nor no": (("mlp", "--vary", "flip=perhaps"), "'--flip'"),
    "no word of these": (("mlp", "--vary", "optimizer=lion"), "'lion' is not one of"),
    "out of range": (("mlp", "--vary", "dropout=0.5,1"), "dropout must be at least 0 and below 1"),
    "of one of two": (("softmax", "mlp", "--vary", "dropout=0.5"), "without effect on softmax"),
    "a step of more than all": (("mlp", "--vary", "batch-size=99999"), "is more than the 55,000"),
    "seeds that are words": (("mlp", "--seeds", "all"), "write seeds as in 0-4 or 0,1,7"),
    "no seeds": (("mlp", "--seeds", ""), "write seeds as in 0-4 or 0,1,7"),
    "a seed twice": (("mlp", "--seeds", "0-4,3"), "3 is there twice"),
    "seeds backwards": (("mlp", "--seeds", "4-0"), "4-0 has its lower end last"),
    "a seed too high": (("mlp", "--seeds", "4294967296"), "is above 4294967295"),
    "seeds without end": (("mlp", "--seeds", "0-4000000000"), "has more than 10,000 seeds"),
    "too many runs": (("mlp", "--seeds", "0-999"), "these are 1,000 runs, and --most-runs allows"),
    "combinations without end": (
        (
            "mlp",
            *(
                f"--vary={name}=" + ",".join(f"0.{n:03}" for n in range(999))
                for name in ("dropout", "weight-decay", "ema", "turn", "scale")
            ),
        ),
        "runs, and --most-runs allows 200",
    ),
    "sizes without pictures": (("mlp", "--sizes", "28,32"), "--size: it goes with --data"),
    "a size that is none": ((*LINES, "--sizes", "28,x"), "'x' is not a valid integer"),
    "a size too large": ((*LINES, "--sizes", "9999"), "is not in the range 4<=x<=512"),
    "a size twice": ((*LINES, "--sizes", "28,28"), "28 is there twice"),
    "sizes for arrays": ((*LINES, "--sizes", "9,12"), "--size is for picture files"),
    "more than all pictures": ((*LINES, "--vary", "batch-size=99"), "pictures to train on"),
    "a recipe for clothes": (("photo", "--data", "empty"), "photo is for data of its own"),
    "Fashion-MNIST's option": ((*LINES, "--data-dir", "empty"), "it is for Fashion-MNIST"),
    "dirt of Fashion-MNIST's": (
        (*LINES, "--vary", "dirt=0.1,0.3"),
        "--vary dirt: it is for Fashion-MNIST, not for --data",
    ),
    "none of it": ((*LINES, "--vary", "grain=0"), "--vary grain: it is for Fashion-MNIST"),
    "a loss among accuracies": (("linear", "mlp"), "linear has a loss and no accuracy"),
    "data for none": (("linear", "--data-dir", "empty"), "leave out --data-dir"),
    "the same twice": (
        ("mlp", "mlp-tanh", "--vary", "activation=tanh"),
        "mlp activation=tanh and mlp-tanh activation=tanh are the same training",
    ),
    "a name that no model has": ((*LINES, "--as", "a/b"), "a model's name has"),
    "no process": (("mlp", "--processes", "0"), "is not in the range"),
    "no folder of a sweep": ((*LINES, "--out", "full"), "full is not empty, and not from"),
    "a file": ((*LINES, "--out", "file"), "'file' is a file"),
    "below a file": ((*LINES, "--out", "file/out"), "file/out cannot be written"),
    "nowhere to write": ((*LINES, "--out", "/proc/out"), "/proc/out cannot be written"),
}


@pytest.mark.parametrize(("words", "hint"), WRONG.values(), ids=WRONG)
def test_wrong_words_are_told_at_once(here, words, hint):
    done = sweep(*words)
    assert (done.exit_code, hint in said(done)) == (2, True), done.output
    assert not (here / "sweep").exists()
    assert "Traceback" not in done.output


def test_a_folder_without_pictures_is_refused_as_by_train(here):
    done = sweep("mlp", "--data", "empty")
    assert (done.exit_code, "has none of folders of pictures" in said(done)) == (1, True)
    assert not (here / "sweep").exists()


def test_more_runs_are_allowed_by_who_says_so(here):
    """They get as far as the next mistake."""
    done = sweep(*LINES, "--seeds", "0-999", "--most-runs", "1000", "--out", "full")
    assert "full is not empty" in said(done)


@pytest.mark.parametrize(
    ("words", "told"),
    [((), 1), (("--vary", "class-weights=yes"), 0), (("--vary", "class-weights=no,yes"), 0)],
    ids=["nobody decided", "decided", "compared"],
)
def test_unbalanced_classes_are_told_of_once(here, words, told):
    """Not for each variant, and by an option that `sweep` has."""
    random = np.random.default_rng(3)
    images, labels = random.integers(0, 256, (60, 9, 9), np.uint8), np.arange(60) % 12 == 0
    table = WRITERS["CSV"](here, images, labels.astype(np.int64))
    rates = ("--vary", "learning-rate=0.1,0.2,0.3")
    done = sweep("mlp", "--data", table, "--as", "m", *rates, *words, "--out", "full")
    assert "full is not empty" in said(done)
    assert said(done).count("classes differ much in size") == told
    assert said(done).count("--vary class-weights=yes makes each weigh the same") == told


def test_a_page_that_cannot_be_written_is_told(here):
    """And the table is printed all the same."""
    done_before(here / "sweep", seeds=(0, 1, 2))
    (here / "sweep" / "sweep.html").mkdir()
    done = sweep(*LINES)
    assert done.exit_code == 1, done.output
    assert "sweep.html cannot be written" in said(done)
    assert "0.7000" in said(done)


OTHER_CARDS = {
    "of other packages": ('"keras": "', '"keras": "0.'),
    "of another recipe": ('"dropout": 0.0', '"dropout": 0.5'),
    "without a recipe": ('"recipe"', '"receipt"'),
    "of another seed": ('"seed": 1', '"seed": 0'),
}


@pytest.mark.parametrize(("old", "new"), OTHER_CARDS.values(), ids=OTHER_CARDS)
def test_other_cards_do_not_count(here, old, new):
    """Their runs are trained again."""
    done_before(here / "sweep", seeds=(0, 1, 2))
    assert "3 of which are done already" in said(sweep(*LINES))
    for path in here.glob("sweep/runs/*/seed-1/models/*/1/assets.extra/card.json"):
        path.write_text(path.read_text().replace(old, new))
    runs = [SweepRun(VARIANT, seed) for seed in range(3)]
    report = SweepReport(here / "sweep", runs, 1, "lines")
    assert report.left == [SweepRun(VARIANT, 1)]
    again = []
    command = (sys.executable, "-c", "")
    trainer = Trainer(here / "sweep", lambda run: [f"--seed={run.seed}"], 1, command)
    trainer.train(report.left, lambda result, _: again.append(result.run))
    assert again == report.left
    assert not list(here.glob("sweep/runs/*/seed-1/models/*/1"))


def done_before(out, seeds):
    """Cards of runs that nobody has trained."""
    data = load(out.parent / "lines.csv.gz")
    reading = {"fit": "pad", "label_column": "first"}
    source = str(out.parent / "lines.csv.gz")
    with claimed(out, SweptData(source, reading, {"28": dict(split(data, 0).checksums)})):
        pass
    for seed in seeds:
        run = SweepRun(VARIANT, seed)
        version = out / run.path / "models" / "lines" / "1"
        (version / "assets.extra").mkdir(parents=True)
        (version / "saved_model.pb").touch()
        card = {
            "seed": seed,
            "recipe": asdict(VARIANT.recipe) | {"batch_size": 48},
            "packages": packages(),
            "metrics": {"validation_accuracy": 0.7, "test_accuracy": 0.6},
            "history": [{"duration_s": 0.5}],
        }
        (version / "assets.extra" / "card.json").write_text(json.dumps(card))


def test_tensorflow_is_not_imported():
    """Neither by the command, nor by what it draws with."""
    subprocess.run([sys.executable, "-c", NO_TENSORFLOW], check=True)


NO_TENSORFLOW = """
import sys
import vitrine_training.cli.sweep
sys.exit(not {"tensorflow", "keras"}.isdisjoint(sys.modules))
"""


def test_help_teaches():
    done = sweep("--help")
    assert "vitrine-train sweep mlp --vary learning-rate=0.1,0.03" in done.output
    assert "the same command goes on" in said(done)
