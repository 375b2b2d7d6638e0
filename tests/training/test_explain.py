"""The signature `explain`: which pixels speak for a class."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from vitrine_training.data import fashion_mnist as data
from vitrine_training.models.layers import Averaged
from vitrine_training.models.networks import MODELS
from vitrine_training.models.recipes import RECIPES
from vitrine_training.publish.export import write_version

TEMPERATURE = 1.7
CLASSES = len(data.LABELS)


class Exported:
    """A recipe's model with weights that matter, though nobody trained them, as it is published."""

    def __init__(self, directory, name: str, **vary) -> None:
        recipe = RECIPES[name].varied(vary)
        keras.utils.set_random_seed(1)
        inner = MODELS[recipe.architecture](recipe, 0)
        rng = np.random.default_rng(0)
        # Positive where they may be variances; whole where they count steps.
        self.weights = [
            np.abs(rng.normal(0, 0.1, each.shape)).astype(each.dtype)
            if each.ndim < 2
            else rng.normal(0, 0.1, each.shape).astype(each.dtype)
            for each in inner.get_weights()
        ]
        inner.set_weights(self.weights)
        self.model = Averaged(inner, over=recipe.average_over, temperature=TEMPERATURE)
        self.model(tf.zeros([1, 28, 28]))  # the first call builds it
        card = {"model": name, "labels": list(data.LABELS), "input_shape": [28, 28]}
        write_version(directory, self.model, card, np.zeros((32, 28, 28), np.uint8))
        self._loaded = tf.saved_model.load(str(directory))

    def explain(self, images, class_ids):
        asked = {"images": tf.constant(images), "class_ids": tf.constant(class_ids, tf.int64)}
        answer = self._loaded.signatures["explain"](**asked)
        return {name: tensor.numpy() for name, tensor in answer.items()}

    def predict(self, images):
        answer = self._loaded.signatures["serving_default"](images=tf.constant(images))
        return {name: tensor.numpy() for name, tensor in answer.items()}


@pytest.fixture(scope="module")
def images():
    """Six images, of which half the pixels are black, as in a picture."""
    shades = np.random.default_rng(5).uniform(-1, 1, (6, 28, 28)).clip(0)
    return shades.astype(np.float32)


@pytest.fixture(scope="module")
def softmax(tmp_path_factory):
    return Exported(tmp_path_factory.mktemp("softmax") / "1", "softmax")


def test_softmax_is_weight_times_pixel(softmax, images):
    """Exactly the weights that the class has, by the temperature, times the pixels."""
    kernel, _ = softmax.weights
    for class_id in range(CLASSES):
        found = softmax.explain(images, [class_id] * 6)
        weights = kernel[:, class_id].reshape(28, 28) / TEMPERATURE
        np.testing.assert_allclose(found["attributions"], weights * images, rtol=1e-5, atol=1e-7)
        assert found["class_ids"].tolist() == [class_id] * 6


def test_a_linear_model_is_explained_completely(softmax, images):
    """All attributions and the bias make the logit of the class."""
    _, bias = softmax.weights
    logits = softmax.predict(images)["logits"]
    for class_id in range(CLASSES):
        sums = softmax.explain(images, [class_id] * 6)["attributions"].sum(axis=(1, 2))
        whole = sums + bias[class_id] / TEMPERATURE
        np.testing.assert_allclose(whole, logits[:, class_id], rtol=1e-4, atol=1e-4)


def test_scaling_inside_the_model_is_accounted_for(tmp_path, images):
    """Where the model shifts and scales pixels itself, what it makes of black is the rest."""
    scaled = Exported(tmp_path / "1", "softmax-best")
    black = scaled.predict(np.zeros((1, 28, 28), np.float32))["logits"][0]
    logits = scaled.predict(images)["logits"]
    for class_id in (0, 9):
        sums = scaled.explain(images, [class_id] * 6)["attributions"].sum(axis=(1, 2))
        whole = sums + black[class_id]
        np.testing.assert_allclose(whole, logits[:, class_id], rtol=1e-3, atol=1e-3)


def test_the_answered_class_is_the_default(softmax, images):
    """-1 stands for the class that the model answers, image by image; probabilities are those of
    a prediction."""
    answer = softmax.predict(images)
    found = softmax.explain(images, [-1] * 6)
    np.testing.assert_array_equal(found["class_ids"], answer["class_ids"])
    np.testing.assert_allclose(found["probabilities"], answer["probabilities"], rtol=1e-5)
    mixed = softmax.explain(images[:2], [-1, 4])
    assert mixed["class_ids"].tolist() == [answer["class_ids"][0], 4]
    np.testing.assert_allclose(mixed["attributions"][0], found["attributions"][0], rtol=1e-5)
    assert found["class_ids"].dtype == np.int64
    assert {found[name].dtype for name in ("attributions", "probabilities")} == {np.dtype("f4")}


@pytest.mark.parametrize("class_ids", [[10], [-2], [2**62], [1, 2], []])
def test_classes_that_are_none(softmax, images, class_ids):
    """An id that no class has, or not one for each image, is refused, in words."""
    with pytest.raises(tf.errors.InvalidArgumentError, match="class_ids are one for each image"):
        softmax.explain(images[:1], class_ids)


@pytest.mark.parametrize(
    ("name", "vary"),
    [
        ("mlp", {}),
        ("mlp-dropout", {}),
        ("mlp-best", {"hidden_units": (32,), "average_over": "neighbours"}),
    ],
)
def test_a_multilayer_perceptron_gets_its_gradient(tmp_path, images, name, vary):
    """What the model in memory has as its gradient, times the pixel; with all views that it
    averages over, and without dropout."""
    exported = Exported(tmp_path / "1", name, **vary)
    class_ids = [0, 1, 2, 3, 4, 5]
    given = tf.constant(images)
    with tf.GradientTape() as tape:
        tape.watch(given)
        asked = tf.gather(exported.model(given), class_ids, batch_dims=1)
    expected = tape.gradient(asked, given).numpy() * images
    found = exported.explain(images, class_ids)["attributions"]
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-5)


def test_it_is_what_a_small_change_does(tmp_path, images):
    """A pixel that gets a little brighter moves the logit by what its attribution says."""
    smooth = Exported(tmp_path / "1", "mlp-tanh")
    step, class_id = 0.02, 3
    attributions = smooth.explain(images[:1], [class_id])["attributions"][0]
    bright = np.argsort(-np.abs(attributions), axis=None)[:20]
    for row, column in zip(*np.unravel_index(bright, (28, 28)), strict=True):
        moved = np.repeat(images[:1], 2, axis=0)
        moved[:, row, column] += (step, -step)
        up, down = smooth.predict(moved)["logits"][:, class_id]
        slope = (up - down) / (2 * step)
        expected = slope * images[0, row, column]
        assert attributions[row, column] == pytest.approx(expected, rel=0.05, abs=1e-4)


def test_regressions_have_nothing_to_explain(tmp_path):
    """There is no class to speak for."""
    model = MODELS["linear"](RECIPES["linear"], 0)
    card = {"model": "linear", "labels": [], "input_shape": [2]}
    write_version(tmp_path / "1", model, card, np.zeros((32, 2), np.float32))
    signatures = tf.saved_model.load(str(tmp_path / "1")).signatures
    assert sorted(signatures) == ["describe", "regress", "serving_default"]
