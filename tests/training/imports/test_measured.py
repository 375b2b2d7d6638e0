"""Imported classifiers are measured by labelled pictures, and gated by the version before."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.training.imports import foreign
from tests.training.imports.foreign import imported, layers
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_training.data.fashion_mnist import LABELS
from vitrine_training.imports import ImportRefused, measurement, publication
from vitrine_training.imports.measurement import of_fashion_mnist, of_folder
from vitrine_training.publish import versions as publish
from vitrine_training.publish.gate import SameModel, WorseModel
from vitrine_training.publish.incumbent import Incomparable

SHAPE = (8, 8, 3)
PROFILE = ModelProfile(shape=SHAPE, fit="stretch", scaling="0..255", sources={})
COLOURS = {"blue": (0, 0, 250), "green": (0, 250, 0), "red": (250, 0, 0)}


def by_colour(path, *, right=True):
    """A model that tells the colours apart, or takes each for the next one."""
    model = foreign.sequential(SHAPE, layers.GlobalAveragePooling2D(), layers.Dense(3))
    kernel = np.eye(3, dtype=np.float32)[::-1] / 25  # blue, green, red of red, green, blue
    model.layers[-1].set_weights([kernel if right else np.roll(kernel, 1, axis=1), np.zeros(3)])
    return foreign.saved(model, path)


@pytest.fixture
def folder(tmp_path):
    """Eight pictures of each colour, one of which is a darker one."""
    rng = np.random.default_rng(0)
    for name, colour in COLOURS.items():
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(8):
            noise = rng.integers(-40, 1, (20, 30, 3))
            pixels = (np.array(colour) + noise).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photos" / name / f"{number}.png")
    return tmp_path / "photos"


def silent(*_):
    pass


def data_of(folder):
    return of_folder(folder, PROFILE, list(COLOURS), silent)


OPTIONS = {"labels": tuple(COLOURS), "scaling": "0..255"}


def test_the_card_says_how_good_it_is(folder, tmp_path):
    """Accuracy, each class, what it was measured on, and a baseline for drift where pictures of
    its shape are watched."""
    path = by_colour(tmp_path / "m.keras")
    _, card = imported(path, tmp_path / "models", OPTIONS, data=data_of(folder))
    assert card["metrics"]["test_accuracy"] == 1
    assert card["measured_on"] == {"source": str(folder), "pictures": 24}
    assert [each["recall"] for each in card["classes"]] == [1, 1, 1]
    assert "baseline" in card or any("drift is not watched" in note for note in card["notes"])


def test_nothing_worse_is_published_and_nothing_twice(folder, tmp_path):
    """By the same gate as trained ones; --force is another matter, and so is another profile."""
    models_dir, data = tmp_path / "models", data_of(folder)
    good, bad = by_colour(tmp_path / "m.keras"), by_colour(tmp_path / "bad.keras", right=False)
    assert imported(good, models_dir, OPTIONS, data=data)[0].name == "1"
    with pytest.raises(SameModel):
        imported(good, models_dir, OPTIONS, data=data)
    with pytest.raises(WorseModel, match="0 of 24 pictures right, against 24 of 24"):
        imported(bad, models_dir, OPTIONS, data=data)
    with pytest.raises(Incomparable, match="nothing to measure by: add --test-data"):
        imported(bad, models_dir, OPTIONS)
    with pytest.raises(Incomparable, match="it takes other pictures"):
        imported(good, models_dir, OPTIONS | {"fit": "pad"}, data=data)
    assert publish.versions(models_dir, "mine") == [1]
    assert imported(bad, models_dir, OPTIONS, data=data, force=True)[0].name == "2"
    assert imported(good, models_dir, OPTIONS, data=data)[0].name == "3"


def test_a_folder_is_read_as_keras_does(folder):
    """Classes by name; what is no picture is left out and counted; hidden files are nothing."""
    (folder / "red" / "notes.txt").write_text("no picture")
    (folder / "red" / ".hidden.png").write_text("no picture")
    (folder / ".git").mkdir()
    data = data_of(folder)
    assert data.test.class_ids.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    assert len(data.notes) == 1
    assert data.notes[0].startswith("1 files are no pictures and were left out, such as ")


def test_a_file_that_is_too_large_for_a_picture(folder):
    """It is left out as one that is no picture; none of it is read."""
    with (folder / "red" / "film.png").open("wb") as file:
        file.truncate(1 << 40)
    (note,) = data_of(folder).notes
    assert "film.png (it has 1,099,511,627,776 bytes, and 268,435,456 are the most)" in note


def test_of_many_pictures_some_of_each_class(folder):
    data = of_folder(folder, PROFILE, list(COLOURS), silent, most=10)
    assert np.bincount(data.test.class_ids).tolist() == [3, 3, 3]
    assert data.notes == ["9 of 24 pictures were measured"]


def test_free_channels_are_as_many_as_the_profile_has(folder, monkeypatch):
    """And not as many as a free side has pixels."""
    profile = ModelProfile(shape=(8, 8, None), fit="stretch", scaling="0..255", sources={})
    monkeypatch.setattr(measurement, "MOST_LEVELS", 24 * 8 * 8 * profile.channels)
    data = of_folder(folder, profile, list(COLOURS), silent)
    assert len(data.test.levels) == 24
    assert not data.notes


def test_pictures_of_nothing_are_left_out_and_counted(folder):
    """Where the model is for items: no model is asked about them."""
    Image.new("L", (60, 60), 200).save(folder / "red" / "nothing.png")
    drawn = np.full((200, 200), 255, np.uint8)
    drawn[50:160, 70:130] = 20
    drawn[50:80, 40:160] = 20
    Image.fromarray(drawn).save(folder / "blue" / "item.png")
    profile = ModelProfile(shape=(28, 28), fit="item", sources={})
    data = of_folder(folder, profile, list(COLOURS), silent)
    assert all(each.any() for each in data.test.levels)
    (note,) = data.notes
    assert "pictures have nothing in them and were left out" in note


def test_what_a_kernel_overshoots_by_is_no_reason_to_leave_drift_alone(tmp_path):
    """It is cut off, as the gateway does it."""
    rng = np.random.default_rng(0)
    levels = list(rng.uniform(-20, 280, (200, *SHAPE)).astype(np.float32))
    class_ids = np.arange(200) % 3
    labelled = measurement.Labelled(levels, class_ids)
    data = measurement.DataToMeasureBy(labelled, labelled, "made up")
    options = OPTIONS | {"resize": "bicubic-antialias"}
    _, card = imported(by_colour(tmp_path / "m.keras"), tmp_path / "models", options, data=data)
    assert card["baseline"]["images"] == 200


def test_the_written_version_is_compared_on_pictures_of_all_classes(folder, tmp_path, monkeypatch):
    """Though those of the first class come first."""
    monkeypatch.setattr(publication, "CHECKED_ROWS", 6)
    checked = []
    monkeypatch.setattr(publication.archive, "check", lambda *words: checked.append(words[2]))
    imported(by_colour(tmp_path / "m.keras"), tmp_path / "models", OPTIONS, data=data_of(folder))
    assert set(checked[0].argmax(axis=1)) == {0, 1, 2}
    assert len(checked[0]) <= 6


def frozen(path, factor):
    """A SavedModel without weights."""
    kernel = np.eye(3, dtype=np.float32)[::-1] * factor

    def serve(images):
        return {"probs": tf.nn.softmax(tf.reduce_mean(images, axis=[1, 2]) @ kernel)}

    return foreign.saved_function(serve, path, tf.TensorSpec([None, *SHAPE], tf.float32, name="x"))


def test_models_without_weights_are_never_the_same(folder, tmp_path):
    """What they know is in their graphs."""
    models_dir, data = tmp_path / "models", data_of(folder)
    assert imported(frozen(tmp_path / "a", 0.1), models_dir, OPTIONS, data=data)[0].name == "1"
    assert imported(frozen(tmp_path / "b", 0.2), models_dir, OPTIONS, data=data)[0].name == "2"


def test_the_same_weights_in_another_graph_are_another_model(folder, tmp_path):
    """As its answers tell."""
    models_dir, data = tmp_path / "models", data_of(folder)
    good = by_colour(tmp_path / "m.keras")
    assert imported(good, models_dir, OPTIONS, data=data)[0].name == "1"
    model = keras.models.load_model(good)
    more = keras.Sequential([keras.Input(SHAPE), *model.layers, layers.Rescaling(3.0)])
    path = foreign.saved(more, tmp_path / "more.keras")
    assert imported(path, models_dir, OPTIONS, data=data)[0].name == "2"


def empty(folder):
    for each in folder.rglob("*.png"):
        each.unlink()


def no_folders(folder):
    empty(folder)
    for each in folder.iterdir():
        each.rmdir()


def no_pictures(folder):
    for each in folder.rglob("*.png"):
        each.write_text("text")


FOLDERS = {
    "another class": (lambda f: (f / "pink").mkdir(), "pink is named by no label of the model"),
    "empty": (empty, "are empty"),
    "no folders": (no_folders, "has no folders: make one for each class"),
    "no pictures": (no_pictures, "has no picture that can be read"),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_folders_that_measure_nothing(folder, case):
    """Are refused, and say what is wanted."""
    make, words = FOLDERS[case]
    make(folder)
    with pytest.raises(ImportRefused, match=words):
        data_of(folder)


def test_pictures_of_any_size_are_asked_for_one_by_one(folder, tmp_path):
    """Where the model leaves the size free."""
    Image.new("RGB", (60, 90), COLOURS["red"]).save(folder / "red" / "tall.png")
    profile = ModelProfile(shape=(None, None, 3), fit="stretch", scaling="0..255", sources={})
    data = of_folder(folder, profile, list(COLOURS), silent)
    assert len({each.shape for each in data.test.levels}) == 2
    judge = measurement.ImportJudge(list(COLOURS), profile, data, silent)
    model = keras.models.load_model(by_colour(tmp_path / "m.keras"))
    outputs = judge.outputs(lambda rows: model.layers[-1](model.layers[0](rows)), data.test)
    assert judge.score(outputs) == 25


def test_fashion_mnist_is_for_pictures_of_its_size(dataset):
    """With the polarity of the model; others are refused."""
    grey = ModelProfile(shape=(28, 28, 1), sources={})
    data = of_fashion_mnist(dataset, grey)
    assert data.test.levels[0].shape == (28, 28, 1)
    negative = ModelProfile(shape=(28, 28), polarity="negative", sources={})
    other = of_fashion_mnist(dataset, negative)
    np.testing.assert_array_equal(other.test.levels[0], 255 - data.test.levels[0][..., 0])
    with pytest.raises(ImportRefused, match="those of Fashion-MNIST are 28x28, grey: --test-data"):
        of_fashion_mnist(dataset, PROFILE)


def test_fashion_mnist_gives_a_baseline(dataset, tmp_path):
    """So that the gateway notices drift."""
    model = foreign.sequential((28, 28, 1), *foreign.ending("softmax", len(LABELS)))
    path = foreign.saved(model, tmp_path / "m.keras")
    profile = ModelProfile(shape=(28, 28, 1), sources={})
    options = {"labels": LABELS}
    data = of_fashion_mnist(dataset, profile)
    _, card = imported(path, tmp_path / "models", options, data=data)
    assert card["baseline"]["images"] == 5_000
    assert card["data"] == dataset.checksums
    assert card["measured_on"] == {"source": "Fashion-MNIST", "pictures": 10_000}
    assert set(card["metrics"]) == {
        *("test_accuracy", "validation_accuracy", "test_loss", "calibration_error")
    }
