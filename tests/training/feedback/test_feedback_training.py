"""Training with feedback: a version that answers the flagged pictures otherwise, and says so."""

import json
import shutil
from unittest.mock import Mock

import numpy as np
import pytest
from click.testing import CliRunner

from tests.training.feedback.made_feedback import flagged, flags_file, logged, noise
from tests.training.own.made_arrays import WRITERS
from tests.training.own.test_own_training import drawn
from vitrine_training.cli import main
from vitrine_training.data.feedback import budget
from vitrine_training.data.feedback import logged as prediction_logs
from vitrine_training.evaluation.metrics import answers
from vitrine_training.publish import cards

pytestmark = pytest.mark.slow

SETTINGS = ("--epochs", 60, "--batch-size", 8)
"""Steps enough to learn a handful of pictures."""

ODD = noise(6, 9, 9, seed=5)
"""Pictures that the data has nothing like."""


def train(base, *options, words=("train", "softmax")):
    """Runs the command on the data in `base`, for a few epochs."""
    own = ("--data", base / "digits.csv.gz", "--models-dir", base / "models", "--as", "m")
    return CliRunner().invoke(main, [*map(str, (*words, *own, *SETTINGS, *options))])


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """Data, version 1 without feedback, and version 2 with it."""
    folder = tmp_path_factory.mktemp("feedback")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITRINE_CACHE_DIR", str(folder / "cache"))
        WRITERS["CSV"](folder, *drawn())
        done = train(folder)
        assert done.exit_code == 0, done.output
        answered = answers(folder / "models/m/1", ODD)["class_ids"]
        right = [str((each + 1) % 3) for each in answered]  # nobody else says so
        flags_file(
            folder / "flags.1",
            *(flagged(f"r{n}", label, key="[red]ann") for n, label in enumerate(right[:3])),
        )
        flags_file(
            folder / "flags",
            *(flagged(f"r{n}", label, key="bob") for n, label in enumerate(right) if n > 2),
            flagged("gone", "2"),
        )
        lines = (logged(f"r{n}", each, answered="2") for n, each in enumerate(ODD))
        flags_file(folder / "log", *lines)
        yield folder


@pytest.fixture(scope="module")
def learnt(base):
    done = train(base, *with_feedback(base), "--json")
    assert done.exit_code == 0, done.output
    return done


def with_feedback(base):
    return "--with-feedback", base / "flags", "--predictions", base / "log"


def test_flagged_pictures_are_answered_otherwise(base, learnt):
    one, two = (answers(base / "models/m" / each, ODD)["class_ids"] for each in ("1", "2"))
    assert (one != two).all()
    assert two.tolist() == [(each + 1) % 3 for each in one]


def test_the_output_says_who_changed_what(learnt):
    said = learnt.stderr
    assert "feedback on m: 6 flagged pictures to learn from, 6 of them new" in said
    assert "1 not in the prediction log: picture 0 of 'gone' as '2'" in said
    assert "[red]ann" in said
    assert "6 of 6 flagged ones" in said
    assert "0 of 6 flagged ones with version 1" in said


def test_the_card_says_it(base, learnt):
    card, before = (cards.checked(base / "models/m" / each) for each in ("2", "1"))
    told = card["feedback"]
    assert (told["added"], told["relabelled"]) == (6, 0)
    assert told["by_key"] == {"[red]ann": 3, "bob": 3}
    assert sum(told["by_label"].values()) == 6
    assert told["left_out"] == {"not_logged": 1}
    assert told["before"] == {"version": 1, "validation": 12, "flagged": 0}
    assert (told["after"]["flagged"], told["pictures"]) == (6, {"validation": 12, "flagged": 6})
    assert card["data"] == before["data"] | {"feedback": told["rows_sha256"]}
    assert "feedback" not in before
    assert "r0" not in json.dumps(card["feedback"])
    (outcome,) = json.loads(learnt.stdout)
    assert outcome["feedback"] == told


def test_same_feedback_gives_same_weights(base, learnt, tmp_path):
    """Whatever the order of lines and files is; nothing is published again."""
    shutil.copytree(base / "models", tmp_path / "models")
    for name in ("flags", "flags.1", "log"):
        lines = (base / name).read_bytes().splitlines(keepends=True)
        (tmp_path / f"more-{name}").write_bytes(b"".join(reversed(lines)))
    options = ("--models-dir", tmp_path / "models")
    files = ("--with-feedback", tmp_path / "more-flags", "--predictions", tmp_path / "more-log")
    done = train(base, *files, *options)
    assert done.exit_code == 0, done.output
    assert "the same weights as" in done.stdout
    assert "6 of 6 flagged ones with version 2" in done.stdout


def test_a_first_version_says_that_there_is_none_before(base, tmp_path):
    done = train(base, *with_feedback(base), "--models-dir", tmp_path / "new")
    assert done.exit_code == 0, done.output
    assert "6 of 6 flagged ones; there is no version before" in done.stdout
    assert cards.checked(tmp_path / "new/m/1")["feedback"]["before"] is None


@pytest.mark.wide
def test_an_incumbent_of_other_classes(base, tmp_path):
    """The gate keeps it, unless it is forced; then the reason is told."""
    images, labels = drawn()
    WRITERS["CSV"](tmp_path, images[labels < 2], labels[labels < 2])
    assert train(tmp_path).exit_code == 0
    options = ("--models-dir", tmp_path / "models", *with_feedback(base))
    done = train(base, *options)
    assert done.exit_code == 1
    assert "it is for other classes" in done.stderr
    done = train(base, *options, "--force")
    assert done.exit_code == 0, done.output
    assert "version 1 cannot be compared with: it is for other classes" in done.stdout


def test_a_worse_model_is_kept_back(base, learnt, tmp_path):
    """With both counts of both versions told before."""
    shutil.copytree(base / "models", tmp_path / "models")
    options = ("--models-dir", tmp_path / "models", "--epochs", 1, "--learning-rate", 0.0001)
    done = train(base, *with_feedback(base), *options)
    assert done.exit_code == 1
    assert "of 6 flagged ones; 12 of 12 validation pictures right and 6 of 6" in done.stdout
    assert "is worse than version 2" in done.stderr
    assert sorted(each.name for each in (tmp_path / "models/m").glob("[0-9]*")) == ["1", "2"]


def nothing_left(base):
    return ("--with-feedback", flags_file(base / "other", flagged(model="n")))


def nothing_there(base):
    return ("--with-feedback", flags_file(base / "empty"))


WRONG = {
    "no log": (lambda base: ("--with-feedback", base / "flags"), 2, "PREDICTION_LOG_IMAGES=1"),
    "a log alone": (lambda base: ("--predictions", base / "log"), 2, "goes with --with-feedback"),
    "no file": (lambda base: (*with_feedback(base), "--with-feedback", "no"), 1, "is not there"),
    "no log there": (lambda base: (*with_feedback(base), "--predictions", "no"), 1, "not there"),
    "a folder": (lambda base: (*with_feedback(base), "--predictions", base), 1, "is a folder"),
    "nothing left": (
        lambda base: (*nothing_left(base), "--predictions", base / "log"),
        1,
        "m was not trained: no flagged picture is left to learn from",
    ),
    "nothing flagged": (
        lambda base: (*nothing_there(base), "--predictions", base / "log"),
        1,
        "m was not trained: nothing is flagged in the feedback",
    ),
}


@pytest.mark.parametrize(("options", "code", "said"), WRONG.values(), ids=WRONG)
def test_what_makes_no_sense(base, tmp_path, options, code, said):
    """One sentence, and nothing is written."""
    done = train(base, *options(base), "--models-dir", tmp_path / "models")
    assert (done.exit_code, said in " ".join(done.output.split())) == (code, True), done.output
    assert not (tmp_path / "models").exists()


@pytest.mark.parametrize("counted", ["prediction log", "pixels"])
def test_more_than_memory_is_meant_for(base, monkeypatch, counted):
    monkeypatch.setattr(budget, "MEMORY_PARTS", 1 << 60)
    if counted == "pixels":
        monkeypatch.setattr(prediction_logs, "Budget", Mock())
    done = train(base, *with_feedback(base))
    said = " ".join(done.stderr.split())
    assert (done.exit_code, "take more than 0 bytes, a tenth of the memory" in said) == (1, True)
    assert counted in said


def test_a_regression_has_no_pictures(base):
    words = ("train", "linear", *map(str, with_feedback(base)))
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, "leave out --with-feedback" in done.output) == (2, True)


def test_fashion_mnist_learns_too(few, dataset, tmp_path):
    """In its own labels, and of several models each what is flagged of it."""
    from vitrine_training.cli import feedback
    from vitrine_training.cli.batch import Batch
    from vitrine_training.models.recipes import RECIPES
    from vitrine_training.run import Run
    from vitrine_training.tasks import Classification

    task = Classification.of(dataset, 0)
    pictures = [dataset.validation.images[3], np.rot90(dataset.validation.images[4]).copy()]
    flag_lines = [
        flagged(f"r{number}", "Coat", model=model)
        for number in range(2)
        for model in ("softmax", "mlp")
    ]
    log_lines = [logged(f"r{n}", each, model="softmax") for n, each in enumerate(pictures)]
    files = flags_file(tmp_path / "f", *flag_lines), flags_file(tmp_path / "l", *log_lines)
    found = feedback.read(files[:1], files[1:])
    batch = Batch()
    runs = [(Run(RECIPES[name], 0, tmp_path), task) for name in ("softmax", "mlp")]
    ((run, changed),) = feedback.taught(runs, found, batch)
    assert (run.recipe.model, batch.failed) == ("softmax", True)
    assert changed.feedback.card["left_out"] == {"held_out": 1, "other_model": 2}
    assert len(changed.train[1]) == 55_001
    assert (changed.train[0][-1] == pictures[1]).all()
    assert changed.train[1][-1] == task.labels.index("Coat")
    assert changed.validation is task.validation
    assert changed.flagged.validation[1].tolist() == [4]
