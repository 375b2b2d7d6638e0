"""Keras CNNs that were trained elsewhere are imported and served beside ours: a grey one of
Fashion-MNIST, right, explained and watched for drift, and one of photos in colour, right."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import requests
import tensorflow as tf
from click.testing import CliRunner
from PIL import Image

from harness.service import started_service
from harness.waiting import wait_for
from tests.e2e.foreign import photos
from vitrine_client import Client
from vitrine_client.images.preprocessing import fit_picture
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_training.cli.imports import import_model
from vitrine_training.publish.archive import TOLERANCE

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

NAME, COLOUR_NAME = "cnn", "photos"
ASKED = 1_000
"""Test images that are sent as pictures."""

EPOCHS = 4
BATCH = 250

layers = keras.layers


def trained(dataset) -> keras.Model:
    """A small CNN, as Keras' tutorials have it, in as little time as gives .90."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 5, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(64, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    steps = EPOCHS * len(dataset.train.labels) // BATCH
    rate = keras.optimizers.schedules.CosineDecay(3e-3, steps, alpha=0.02)
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", steps_per_execution=20
    )
    inputs = as_inputs(dataset.train.images)
    model.fit(inputs, dataset.train.labels, batch_size=BATCH, epochs=EPOCHS, verbose=0)
    return model


def as_inputs(images):
    return np.float32(images[..., np.newaxis]) / 255


@pytest.fixture(scope="module")
def model(dataset):
    return trained(dataset)


@pytest.fixture(scope="module")
def in_colour(tmp_path_factory) -> photos.Trained:
    """A CNN of photos of all sizes, in a folder for each class."""
    folder = tmp_path_factory.mktemp("photos")
    photos.draw(folder)
    return photos.trained(folder)


@pytest.fixture(scope="module")
def models_dir(model, in_colour, training_run, tmp_path_factory) -> Path:
    """The imported CNNs beside the text's mlp."""
    folder = tmp_path_factory.mktemp("imported")
    shutil.copytree(training_run.models_dir / "mlp", folder / "models" / "mlp")
    model.save(folder / "model.keras")
    words = ("import", folder / "model.keras", "--as", NAME, "--models-dir", folder / "models")
    command = [sys.executable, "-m", "vitrine_training", *map(str, words), "--fashion-mnist"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{NAME}: 28x28x1 float32 pictures, 0..1, 10 classes" in done.stdout
    import_photos(in_colour, folder)
    return folder / "models"


def import_photos(trained: photos.Trained, folder: Path) -> None:
    """Imports the CNN of photos; nothing is left to be assumed."""
    trained.model.save(folder / "photos.keras")
    (folder / "labels.txt").write_text("\n".join(trained.labels))
    words = [folder / "photos.keras", "--as", COLOUR_NAME, "--models-dir", folder / "models"]
    words += ["--labels", folder / "labels.txt", "--scale", "0..255", "--fit", "stretch"]
    words += ["--resize", "bilinear", "--polarity", "as is", "--kind", "logits"]
    done = CliRunner().invoke(import_model, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    assert f"{COLOUR_NAME}: 48x48x3 float32 pictures, 0..255, 10 classes" in done.output
    assert "assumed" not in done.output


@pytest.fixture(scope="module")
def service(models_dir, tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "service.log"
    with started_service(models_dir, log) as running:
        yield running


@pytest.fixture(scope="module")
def expected(model, dataset):
    """What Keras answers in memory."""
    return model.predict(as_inputs(dataset.test.images), verbose=0, batch_size=500)


def test_what_was_written_is_as_good(models_dir, dataset, expected):
    """At least .90 of the test set, by the SavedModel itself; and the card says the same."""
    serve = tf.saved_model.load(str(models_dir / NAME / "1")).signatures["serving_default"]
    images = as_inputs(dataset.test.images)
    parts = [serve(images=tf.constant(images[at : at + 500])) for at in range(0, 10_000, 500)]
    found = np.concatenate([part["class_ids"] for part in parts])
    accuracy = np.mean(found == dataset.test.labels)
    assert accuracy >= 0.90
    assert np.mean(found == expected.argmax(axis=1)) >= 0.9999
    card = json.loads((models_dir / NAME / "1" / "assets.extra" / "card.json").read_text())
    assert card["metrics"]["test_accuracy"] == pytest.approx(accuracy, abs=2e-4)


def test_pictures_get_the_classes_that_keras_gives(service, dataset, expected):
    """1,000 test images over HTTP, as the PNG that anybody would send."""
    with service.client() as client:
        found = list(client.predict_many(map(png, dataset.test.images[:ASKED]), NAME))
        ours = client.predict(png(dataset.test.images[0]), "mlp")
    class_ids = [each.class_id for each in found]
    rows = expected[:ASKED]
    sure = np.sort(rows, axis=1)[:, -1] - np.sort(rows, axis=1)[:, -2] > 1e-4
    np.testing.assert_array_equal(np.array(class_ids)[sure], rows.argmax(axis=1)[sure])
    assert sure.sum() > ASKED - 5
    assert ours.model == "mlp"


@pytest.fixture(scope="module")
def probabilities(in_colour):
    """What Keras answers in memory to all photos, as `image_dataset_from_directory` reads them."""
    return np.asarray(keras.ops.softmax(in_colour.logits))


def test_photos_in_colour_get_the_classes_that_keras_gives(service, in_colour, probabilities):
    """1,000 files over HTTP as they are, in batches: probabilities are equal, and so are classes
    wherever Keras is surer than export's tolerance. JPEG is left out, as TensorFlow reads it by
    faster arithmetic: `make bench-skew` has what that changes."""
    with Client(service.url, timeout_s=60) as client:
        found = list(client.predict_many(in_colour.files, COLOUR_NAME, batch_size=50))
    assert len(found) == photos.COUNT
    assert list(found[0].probabilities) == in_colour.labels
    rows = np.array([list(each.probabilities.values()) for each in found])
    np.testing.assert_allclose(rows, probabilities, atol=TOLERANCE)
    class_ids, expected = np.array([each.class_id for each in found]), probabilities.argmax(axis=1)
    *_, second, first = np.sort(probabilities, axis=1).T
    sure = first - second > TOLERANCE
    np.testing.assert_array_equal(class_ids[sure], expected[sure])
    assert sure.sum() >= photos.COUNT - 5
    assert np.bincount(expected, minlength=10).min() >= 20, "each class is answered"


@pytest.mark.parametrize(
    "member",
    [{"resize": "nearest"}, {"resize": "bilinear-antialias"}, {"fit": "crop"}],
    ids=lambda member: "-".join(*member.items()),
)
def test_photos_are_classed_otherwise_by_another_profile(member, in_colour, probabilities):
    """So that the test above would see it."""
    right = {"shape": (photos.SIDE, photos.SIDE, 3), "fit": "stretch", "resize": "bilinear"}
    profile = ModelProfile(**right | member)
    every = slice(None, None, 5)
    levels = [fit_picture(file, profile).instance for file in in_colour.files[every]]
    logits = in_colour.model.predict(np.float32(levels), batch_size=100, verbose=0)
    assert np.sum(logits.argmax(axis=1) != probabilities[every].argmax(axis=1)) >= 4


def png(image) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def test_it_is_explained(service, dataset, model):
    """By the gradient of the answered class, as Keras has it."""
    with service.client() as client:
        found = client.explain(png(dataset.test.images[0]), NAME)
    images = tf.constant(as_inputs(dataset.test.images[:1]))
    before = keras.Model(model.inputs, model.layers[-1].input)
    last = model.layers[-1]
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = tf.matmul(before(images, training=False), last.kernel) + last.bias
        asked = logits[:, found.class_id]
    expected = (tape.gradient(asked, images) * images)[0, ..., 0]
    np.testing.assert_allclose(found.attributions, expected, rtol=1e-2, atol=1e-3)


def test_it_is_watched_for_drift(service, dataset):
    """Its validation images are its baseline: test images as they are give no alarm, halves of
    them do."""
    address = f"{service.url}/v1/models/{NAME}/drift"

    def report():
        return requests.get(address, timeout=20).json()["versions"][0]

    assert report()["drift"] in ("none", "unknown")
    with service.client() as client:
        list(client.predict_many(map(png, dataset.test.images[2_000:2_500]), NAME))
        wait_for(lambda: report()["images"] >= 450, 30, "the images to be counted")
        assert (report()["drift"], report()["alarm"]) == ("none", False), report()["reason"]
        cut = map(half, dataset.test.images[3_000:3_500])
        list(client.predict_many(map(png, cut), NAME))
    wait_for(lambda: report()["alarm"], 30, "an alarm")
    assert report()["drift"] == "covariate"


def half(image):
    """A picture of the upper half of an item, the rest of it dim."""
    dim = image.copy()
    dim[14:] //= 4
    return dim
