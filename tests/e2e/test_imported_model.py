"""A Keras CNN of Fashion-MNIST that was trained elsewhere is imported and served beside ours:
right, explained, and watched for drift. test_imported_photos.py has one of photos in colour."""

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
from PIL import Image

from harness.service import started_service
from harness.waiting import wait_for

# In `make test` tests/contract serves one like it, and tests/training imports more.
pytestmark = [pytest.mark.wide, pytest.mark.slow, pytest.mark.timeout(900)]

NAME = "cnn"
ASKED = 1_000
"""Test images that are sent as pictures."""

EPOCHS = 4
BATCH = 200

layers = keras.layers


def trained(dataset) -> keras.Model:
    """A small CNN, as Keras' tutorials have it, in as little time as gives .90."""
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(24, 5, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2D(48, 3, strides=2, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    steps = EPOCHS * len(dataset.train.labels) // BATCH
    rate = keras.optimizers.schedules.CosineDecay(4e-3, steps, alpha=0.02)
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
def models_dir(model, training_run, tmp_path_factory) -> Path:
    """The imported CNN beside the text's mlp."""
    folder = tmp_path_factory.mktemp("imported")
    shutil.copytree(training_run.models_dir / "mlp", folder / "models" / "mlp")
    model.save(folder / "model.keras")
    words = ("import", folder / "model.keras", "--as", NAME, "--models-dir", folder / "models")
    command = [sys.executable, "-m", "vitrine_training", *map(str, words), "--fashion-mnist"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{NAME}: 28x28x1 float32 pictures, 0..1, 10 classes" in done.stdout
    return folder / "models"


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
