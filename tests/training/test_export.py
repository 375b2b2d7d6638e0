"""What an export says of itself, and what it is told apart by."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from vitrine_client.results.profiles.description import DESCRIBED, Description
from vitrine_client.results.profiles.profile import FASHION_MNIST
from vitrine_training.data.fashion_mnist import LABELS
from vitrine_training.models.networks import MODELS
from vitrine_training.models.recipes import RECIPES
from vitrine_training.publish import cards
from vitrine_training.publish.export import write_version
from vitrine_training.publish.gate import is_same

CARD = {"model": "softmax", "labels": list(LABELS), "input_shape": [28, 28]}


def written(directory, seed=0):
    keras.utils.set_random_seed(seed)
    model = MODELS["softmax"](RECIPES["softmax"], seed)
    write_version(directory, model, CARD, np.zeros((32, 28, 28), np.uint8))
    return directory


@pytest.fixture(scope="module")
def version_dir(tmp_path_factory):
    return written(tmp_path_factory.mktemp("export") / "1")


def described(version_dir, *keys):
    describe = tf.saved_model.load(str(version_dir)).signatures["describe"]
    return describe(keys=tf.constant(keys))["values"].numpy()


def test_it_says_its_profile_whole(version_dir):
    """Each member but where it is from, so that nothing has to be assumed: it is the profile of
    Fashion-MNIST again."""
    values = described(version_dir, *DESCRIBED)
    members = FASHION_MNIST.to_dict()
    del members["sources"]
    assert json.loads(values[DESCRIBED.index("profile")]) == members
    assert Description.from_outputs({"values": values}).profile is FASHION_MNIST


def test_keys_that_it_does_not_know(version_dir):
    """Have no value, wherever they come; as many values as keys, so that calls can be batched."""
    values = described(version_dir, "profile", "nope", "labels", "labels")
    assert [bool(each) for each in values] == [True, False, True, True]
    assert json.loads(values[3]) == list(LABELS)


def test_a_regression_has_no_profile(tmp_path):
    """It takes no pictures."""
    model = MODELS["linear"](RECIPES["linear"], 0)
    card = {"model": "linear", "labels": [], "input_shape": [2]}
    write_version(tmp_path / "1", model, card, np.zeros((32, 2), np.float32))
    values = described(tmp_path / "1", *DESCRIBED)
    assert values[DESCRIBED.index("profile")] == b""
    assert Description.from_outputs({"values": values}).profile is None


def test_its_identity_is_its_weights(version_dir, tmp_path):
    """The same model is written to other bytes each time, fingerprint included: what tells models
    apart is their weights, labels and profile, and not the hash of a file."""
    same, other = written(tmp_path / "same"), written(tmp_path / "other", seed=1)
    for name in ("saved_model.pb", "fingerprint.pb"):
        assert (version_dir / name).read_bytes() != (same / name).read_bytes()
    assert is_same(version_dir, same)
    assert not is_same(version_dir, other)
    card = json.loads((same / cards.PATH).read_text())
    (same / cards.PATH).write_text(json.dumps(card | {"profile": {"scaling": "0..255"}}))
    assert not is_same(version_dir, same)
