"""A Keras CNN of photos in colour that was trained elsewhere is imported and served, right."""

from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner

from harness.service import started_service
from tests.e2e.foreign import photos
from vitrine_client import Client
from vitrine_client.images.preprocessing import fit_picture
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_training.cli.imports import import_model
from vitrine_training.publish.archive import TOLERANCE

# test_imported_model.py has a grey one; tests/training/imports has models in colour.
pytestmark = [pytest.mark.wide, pytest.mark.timeout(900)]

COLOUR_NAME = "photos"


@pytest.fixture(scope="module")
def in_colour(tmp_path_factory) -> photos.Trained:
    """A CNN of photos of all sizes, in a folder for each class."""
    folder = tmp_path_factory.mktemp("photos")
    photos.draw(folder)
    return photos.trained(folder)


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
def service(in_colour, tmp_path_factory):
    folder = tmp_path_factory.mktemp("imported")
    import_photos(in_colour, folder)
    log = folder / "service.log"
    with started_service(folder / "models", log, request_timeout_s=60) as running:  # 50 at once
        yield running


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
