"""How the benchmark of skew draws, reads and compares."""

import numpy as np
import pytest

from benchmarks.skew.__main__ import MISTAKES
from benchmarks.skew.network import Trained
from benchmarks.skew.photos import draw
from benchmarks.skew.pipelines import PIPELINES, served
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_training.data.fashion_mnist import load

SIDE = 32
RIGHT = ModelProfile(shape=(SIDE, SIDE, 3), fit="stretch")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = draw(load().test, 60, tmp_path_factory.mktemp("skew") / "photos", 1)
    return sorted(folder.glob("*/*"))


def test_photos_lie_in_folders_of_their_classes(photos):
    labels = load().test.labels[:60]
    assert len(photos) == 60
    assert all(int(path.parent.name) == labels[int(path.stem)] for path in photos)
    assert {path.suffix for path in photos} == {".png", ".jpg"}


@pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda pipeline: pipeline.name)
def test_right_filter_gives_the_pixels_of_training(photos, pipeline):
    """But for JPEGs that Keras' pipeline decodes with TensorFlow's faster arithmetic."""
    own = served(photos, ModelProfile(**(vars(RIGHT) | {"resize": pipeline.resize})))
    difference = np.abs(own - pipeline.read(photos, SIDE))
    fast = pipeline.name == "image_dataset_from_directory"
    assert difference.max() < (15 if fast else 0.01)
    assert difference.mean() < (1 if fast else 1e-4)


def test_skew_counts_what_changes(photos):
    network = Trained(PIPELINES[1], photos, photos, SIDE, epochs=1)
    none = network.skew(served(photos, RIGHT), RIGHT)
    assert (none.changed, none.accuracy) == (0, network.accuracy)
    assert none.largest < 0.01
    wrong = ModelProfile(**(vars(RIGHT) | MISTAKES["`negative` for `as is`"]))
    negative = network.skew(served(photos, wrong), wrong)
    assert negative.mean > 30
    assert negative.largest <= 255.001
