"""Training by own data: from files to a version that answers pictures as it was trained."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image

from tests.training.made_versions import make_card, write_card
from tests.training.own.made_arrays import WRITERS
from vitrine_client.images.preprocessing import fit_picture
from vitrine_client.results.profiles.profile import ModelProfile, read_members
from vitrine_training.cli import main
from vitrine_training.data.fashion_mnist import Split
from vitrine_training.data.rows_on_disk import RowsOnDisk
from vitrine_training.evaluation.metrics import answers
from vitrine_training.publish import cards
from vitrine_training.publish.gate import weights_of
from vitrine_training.report import page

pytestmark = pytest.mark.slow

SIDE, CLASSES, A_CLASS = 9, 3, 40
MATRIX = page.MATRIX


def drawn(*channels):
    """Bright lines, by class in another row, on noise."""
    random = np.random.default_rng(16)
    labels = np.arange(CLASSES * A_CLASS) % CLASSES
    images = random.integers(0, 120, (len(labels), SIDE, SIDE, *channels), np.uint8)
    for image, label in zip(images, labels, strict=True):
        image[2 + 2 * label] = random.integers(180, 256, (SIDE, *channels))
    order = random.permutation(len(labels))
    return images[order], labels[order]


def in_folders(folder, images, labels):
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(folder / str(label) / f"{number}.png")
    return folder


def train(models_dir, path, *options):
    words = ("train", "softmax", "--data", path, "--models-dir", models_dir, "--json", *options)
    return CliRunner().invoke(main, [*map(str, words)])


def published(models_dir, path, *options):
    """Trains for a few epochs; returns the version directory."""
    done = train(models_dir, path, "--epochs", 12, *options)
    assert done.exit_code == 0, done.output
    (outcome,) = json.loads(done.stdout)
    assert outcome["published"], outcome
    return models_dir / outcome["model"] / str(outcome["version"])


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory):
    """A cache for decoded pictures that is nobody's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VITRINE_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def trained(tmp_path_factory, own_cache):
    """Versions that were trained by the same grey pictures, as files and as CSV."""
    base = tmp_path_factory.mktemp("own")
    images, labels = drawn()
    folder = in_folders(base / "lines", images, labels)
    files = published(base / "models", folder, "--size", SIDE)
    table = WRITERS["CSV"](base, images, labels)
    return files, published(base / "models", table, "--as", "table")


def test_forms_give_equal_weights(trained):
    """Bit for bit: rows have the same order, whatever they were read from."""
    files, table = trained
    assert files.parent.name == "lines"  # the folder's name
    assert weights_of(files) == weights_of(table)


def test_card_tells_of_the_data(trained):
    card = cards.checked(trained[0])
    assert card["labels"] == ["0", "1", "2"]
    assert card["input_shape"] == [SIDE, SIDE]
    assert card["metrics"]["test_accuracy"] > 0.9
    assert set(card["data"]) == {"train", "validation", "test"}
    told = card["own_data"]
    assert "lines" in told["source"]
    assert sum(told["pictures"].values()) == CLASSES * A_CLASS
    assert "robustness" not in card
    assert "too few" in card["not_watched"]


def test_pictures_are_served_as_they_were_read(trained):
    """A picture of another size becomes by the published profile what training saw of it."""
    serve = tf.saved_model.load(str(trained[0])).signatures["describe"]
    told = serve(keys=tf.constant(["profile"]))["values"].numpy()[0]
    profile = ModelProfile(**read_members(json.loads(told)))
    assert (profile.shape, profile.fit, profile.polarity) == ((SIDE, SIDE), "pad", "as is")
    images, labels = drawn()
    levels = []
    for image in images:
        file = trained[0].parent / "asked.png"
        Image.fromarray(image).resize((4 * SIDE, 4 * SIDE), Image.Resampling.NEAREST).save(file)
        levels.append(fit_picture(file.read_bytes(), profile).instance)
        file.unlink()
    found = answers(trained[0], np.stack(levels))
    assert np.mean(found["class_ids"] == labels) > 0.95


def test_colours_stay(tmp_path, own_cache):
    images, labels = drawn(3)
    version_dir = published(
        tmp_path / "models",
        in_folders(tmp_path / "c", images, labels),
        "--size",
        SIDE,
        "--as",
        "colours",
    )
    serve = tf.saved_model.load(str(version_dir)).signatures["serving_default"]
    ((_, inputs),) = [serve.structured_input_signature]
    assert inputs["images"].shape.as_list() == [None, SIDE, SIDE, 3]


@pytest.mark.parametrize(
    ("options", "advised"), [((), True), (("--class-weights",), False)], ids=["off", "on"]
)
def test_unbalanced_classes_are_told_of_weights(options, advised, tmp_path):
    """Where one has three times as many pictures as another, and nobody asked for weights."""
    images, labels = drawn()
    kept = (labels > 0) | (np.arange(len(labels)) < 30)
    table = WRITERS["CSV"](tmp_path, images[kept], labels[kept])
    done = train(tmp_path / "m", table, "--as", "t", "--epochs", 12, *options)
    assert done.exit_code == 0, done.output
    assert ("--class-weights" in done.stderr) == advised
    card = cards.checked(tmp_path / "m" / "t" / "1")
    assert card["recipe"]["class_weights"] == (not advised)


def test_a_model_of_other_classes_is_not_replaced(trained, tmp_path):
    images, labels = drawn()
    kept = labels < 2
    done = train(
        trained[0].parent.parent,
        WRITERS["CSV"](tmp_path, images[kept], labels[kept]),
        *("--as", "lines", "--epochs", 1),
    )
    assert done.exit_code == 1
    assert "it is for other classes" in done.stderr


@pytest.fixture
def copied(trained, tmp_path):
    """A copy of the folder and one of its model."""
    models_dir = tmp_path / "models"
    shutil.copytree(trained[0].parent, models_dir / "lines")
    images, labels = drawn()
    return in_folders(tmp_path / "lines", images, labels), models_dir


def judged(command, *words):
    """Outcome and notes of a command on published versions."""
    done = CliRunner().invoke(main, [*map(str, (command, "lines", *words)), "--json"])
    return done, " ".join(done.stderr.split())


def test_evaluate_has_the_figures_of_the_card(copied, trained):
    """By the same test part, of the same size and fit."""
    folder, models_dir = copied
    done, said = judged("evaluate", "--data", folder, "--models-dir", models_dir)
    assert done.exit_code == 0, done.output
    (found,) = json.loads(done.stdout)
    card = cards.checked(trained[0])
    assert round(found["accuracy"], 6) == card["metrics"]["test_accuracy"]
    assert [one["label"] for one in found["classes"]] == card["labels"]
    assert "not the one of the training" not in said


def test_evaluate_tells_of_another_test_part(copied):
    folder, models_dir = copied
    for file in sorted((folder / "1").iterdir())[:20]:
        file.unlink()
    done, said = judged("evaluate", "--data", folder, "--models-dir", models_dir)
    assert done.exit_code == 0
    assert "this test part is not the one of the training: pictures were added, changed" in said


@pytest.mark.parametrize("classes", [MATRIX, pytest.param(2, marks=pytest.mark.wide)])
def test_report_shows_own_pictures(copied, tmp_path, monkeypatch, classes):
    """Its mistakes, its matrix unless that is too large, and what the data was."""
    monkeypatch.setattr(page, "MATRIX", classes)
    folder, models_dir = copied
    where = ("--data", folder, "--models-dir", models_dir, "--reports-dir", tmp_path / "reports")
    done, _ = judged("report", *where)
    assert done.exit_code == 0, done.output
    text = (tmp_path / "reports" / "lines-1.html").read_text()
    assert ('class="matrix"' in text) == (classes == MATRIX)
    assert "the folder " in text
    assert "SHA-256 " in text
    assert f"Parameters</dt><dd>{CLASSES * (SIDE * SIDE + 1)}<" in text
    assert text.count('alt="Weights of the class') == CLASSES


def test_report_of_pictures_on_disk(trained, tmp_path):
    """The same page as of those in memory, with pictures that are answered wrong."""
    images, labels = drawn()
    wrong = (labels + 1) % CLASSES
    pages = [
        page.write(trained[0], Split(pictures, wrong), tmp_path / f"{number}.html").read_text()
        for number, pictures in enumerate((images, RowsOnDisk([images[:50], images[50:]])))
    ]
    assert pages[0] == pages[1]
    assert pages[0].count("data:image/png") > page.MISTAKES


def test_other_data_is_refused(copied, tmp_path):
    folder, models_dir = copied
    where = ("--models-dir", models_dir, "--data")
    images, labels = drawn()
    other = WRITERS["npz"](tmp_path, images[labels < 2], labels[labels < 2])
    done, said = judged("evaluate", *where, other)
    assert done.exit_code == 1
    assert "which has classes (0, 1) that it does not know (0, 1, 2)" in said
    other = WRITERS["npz"](tmp_path, images[:, :-1, :-1], labels)
    done, said = judged("evaluate", *where, other)
    assert done.exit_code == 1
    assert "which has a shape (8, 8) that it does not know (9, 9)" in said
    card = models_dir / "lines" / "1" / "assets.extra" / "card.json"
    card.write_text(card.read_text().replace('"seed"', '"dees"'))
    done, said = judged("evaluate", *where, folder)
    assert (done.exit_code, "does not say by which data it was trained" in said) == (1, True)


def test_cards_of_before_do_not_say_the_fit(copied):
    """The profile does; where that is silent as well, only a new training helps."""
    folder, models_dir = copied
    where = ("--models-dir", models_dir, "--data", folder)
    card = models_dir / "lines" / "1" / "assets.extra" / "card.json"
    card.write_text(card.read_text().replace('"fit"', '"tif"'))
    done, said = judged("evaluate", *where)
    assert (done.exit_code, "not the one of the training" in said) == (0, False)
    (models_dir / "lines" / "1" / "saved_model.pb").unlink()
    done, said = judged("evaluate", *where)
    assert (done.exit_code, "how its pictures got their size" in said) == (1, True), said
    assert "train it anew" in said


def test_what_is_judged_without_data(copied, tmp_path):
    """Models of own data are no classifiers of Fashion-MNIST, and those no models of own data."""
    folder, models_dir = copied
    done, said = judged("evaluate", "--models-dir", models_dir)
    assert (done.exit_code, "say with --data PATH where that is" in said) == (1, True)
    done = CliRunner().invoke(main, ["report", "--models-dir", str(models_dir)])
    assert (done.exit_code, "name a model of own data with --data PATH" in done.stderr) == (1, True)
    write_card(models_dir / "lines" / "1", make_card())
    done, said = judged("evaluate", "--models-dir", models_dir, "--data", folder)
    assert (done.exit_code, "not trained on own data: leave out --data" in said) == (1, True)


WRONG = {
    "evaluate all": (("evaluate", "--data", "D"), 2, "--data goes with MODELS"),
    "a column of nothing": (("report", "--label-column", "last"), 2, "it goes with --data"),
    "two kinds of data": (
        ("evaluate", "m", "--data", "D", "--data-dir", "D"),
        2,
        "--data-dir: it is for Fashion-MNIST",
    ),
    "no data": (("train", "--size", "32"), 2, "--size: it goes with --data"),
    "two recipes": (("train", "mlp", "softmax", "--data", "D"), 2, "--data goes with one recipe"),
    "a recipe for clothes": (("train", "photo", "--data", "D"), 2, "photo is for data of its own"),
    "Fashion-MNIST's option": (("train", "--data", "D", "--hard-pictures", "1"), 2, "for Fashion"),
    "dirt of clothes": (("train", "--data", "D", "--dirt", "0.5"), 2, "--dirt: it is for Fashion"),
    "nothing there": (("train", "--data", "nowhere"), 2, "'nowhere' does not exist"),
    "no pictures": (("train", "--data", "D"), 1, "has none of folders of pictures by class"),
}


@pytest.mark.parametrize(("words", "code", "said"), WRONG.values(), ids=WRONG)
def test_what_makes_no_sense(words, code, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "D").mkdir()
    done = CliRunner().invoke(main, words)
    assert (done.exit_code, said in " ".join(done.output.split())) == (code, True), done.output
