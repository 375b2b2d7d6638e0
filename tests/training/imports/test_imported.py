"""Imported classifiers answer as they did, are explained, and say what they take."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.training.imports import foreign
from tests.training.imports.foreign import (
    CLASSES,
    COLOUR,
    GREY,
    Written,
    imported,
    layers,
    pictures,
    profile_of,
)
from vitrine_client.images.preprocessing import fit_picture, model_input
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_training.imports.loading import load
from vitrine_training.publish import incumbent, picture_bytes


def functional(path):
    model = foreign.functional(COLOUR)
    return foreign.saved(model, path / "cnn.keras"), model, {"scaling": "-1..1"}


def logits(path):
    model = foreign.sequential((28, 28), *foreign.ending())
    return foreign.saved(model, path / "cnn.keras"), model, {}


def scores(path):
    model = foreign.sequential(GREY, *foreign.ending("sigmoid"))
    return foreign.saved(model, path / "tags.keras"), model, {}


def subclassed(path):
    model = foreign.Subclassed()
    model(np.zeros((3, *COLOUR), np.float32))
    return foreign.saved(model, path / "own.keras"), model, {}


def h5(path):
    model = foreign.sequential(GREY, *foreign.ending("softmax"))
    return foreign.saved(model, path / "old.h5"), model, {}


def by_keras(path):
    model = foreign.functional(GREY)
    return foreign.exported(model, path / "exported"), model, {"polarity": "negative"}


def flipped(path):
    model = foreign.sequential(
        COLOUR, layers.RandomFlip(), layers.RandomRotation(0.2), *foreign.ending()
    )
    return foreign.saved(model, path / "augmented.keras"), model, {}


def normalized(path):
    model = foreign.sequential(COLOUR, layers.BatchNormalization(), *foreign.ending("softmax"))
    model = foreign.moved_averages(model, COLOUR)
    return (
        foreign.saved(model, path / "bn.keras"),
        model,
        {"mean": (0.5,), "std": (0.25,)} | {"scaling": "mean/std"},
    )


def rescaled(path):
    model = foreign.sequential(COLOUR, layers.Rescaling(1 / 255), *foreign.ending("softmax"))
    return foreign.saved(model, path / "tutorial.keras"), model, {}


def whole_numbers(path):
    model = foreign.sequential(
        COLOUR, layers.Rescaling(1 / 255), *foreign.ending("softmax"), dtype="uint8"
    )
    return foreign.saved(model, path / "uint8.keras"), model, {}


def free(path):
    model = foreign.sequential(
        (None, None, 3), layers.Conv2D(4, 3), layers.GlobalAveragePooling2D(), *foreign.ending()[1:]
    )
    return foreign.saved(model, path / "free.keras"), model, {}


def fixed(path):
    weights = foreign.weights(28 * 28, len(CLASSES))

    def serve(images):
        return {"probs": tf.nn.softmax(tf.reshape(images, [8, 28 * 28]) @ weights)}

    spec = tf.TensorSpec([8, 28, 28], tf.float32, name="x")
    directory = foreign.saved_function(serve, path / "fixed", spec)

    def asked(images):
        return tf.nn.softmax(tf.reshape(images, [-1, 28 * 28]) @ weights)

    return directory, lambda images, training: asked(images), {}


FORMS = {
    "functional": (functional, "probabilities", COLOUR, "-1..1", True),
    "logits without an axis of channels": (logits, "logits", (28, 28), "0..1", True),
    "scores": (scores, "scores", GREY, "0..1", True),
    "subclassed": (subclassed, "logits", COLOUR, "0..1", True),
    "h5": (h5, "probabilities", GREY, "0..1", True),
    "SavedModel by Keras": (by_keras, "probabilities", GREY, "0..1", True),
    "random layers": (flipped, "logits", COLOUR, "0..1", True),
    "batch normalization": (normalized, "probabilities", COLOUR, "mean/std", True),
    "levels": (rescaled, "probabilities", COLOUR, "0..255", True),
    "uint8": (whole_numbers, "probabilities", COLOUR, "0..255", False),
    "free size": (free, "logits", (None, None, 3), "0..1", True),
    "a fixed batch": (fixed, "probabilities", (28, 28), "0..1", True),
}


@pytest.fixture(params=FORMS, scope="module")
def form(request, tmp_path_factory):
    """A model, its answers in memory, and the version that was written."""
    make, kind, shape, scaling, explained = FORMS[request.param]
    folder = tmp_path_factory.mktemp("imported")
    path, model, options = make(folder)
    written = Written(*imported(path, folder / "models", options))
    return written, model, (kind, shape, scaling, explained)


def expected_of(model, images, kind):
    rows = np.asarray(model(images, training=False))
    return keras.ops.softmax(rows) if kind == "logits" else rows


def test_it_answers_as_it_did(form):
    """All made-up pictures get the numbers of the model in memory, 1 alone and 20 together; and
    the description says what pictures it takes."""
    written, model, (kind, shape, scaling, _) = form
    profile = profile_of(written)
    assert (profile.shape, profile.scaling, profile.batchable) == (shape, scaling, True)
    assert profile.input == "images"
    images = pictures(profile)
    found = written.ask("serving_default", images=images)
    expected = expected_of(model, images, kind)
    np.testing.assert_allclose(found[profile.output], expected, atol=1e-5)
    np.testing.assert_array_equal(found["class_ids"], np.argmax(expected, axis=1))
    alone = written.ask("serving_default", images=images[:1])
    np.testing.assert_allclose(alone[profile.output], expected[:1], atol=1e-5)
    assert ("scores" in found) == (kind == "scores") == (profile.kind == "scores")


def test_it_says_what_it_is(form):
    """Labels, card and profile, as the gateway reads them; the card has the profile, too."""
    written, _, _ = form
    described = incumbent.description(written.loaded)
    assert described.labels == CLASSES
    assert described.card == json.loads(json.dumps(written.card))
    assert described.card["profile"]["shape"] == list(profile_of(written).shape)
    assert described.card["imported"]["format"] in ("Keras", "SavedModel")


def test_it_is_explained(form):
    """Attributions of the answered class, one for each pixel; none where there is no gradient."""
    written, model, (kind, _, _, explained) = form
    assert ("explain" in written.signatures) == explained
    told = any("nothing is explained" in note for note in written.card["notes"])
    assert told == (not explained)
    if not explained:
        return
    images = pictures(profile_of(written), 3)
    found = written.ask("explain", images=images, class_ids=np.array([-1, 2, 0]))
    assert found["attributions"].shape == images.shape[:3]
    assert found["attributions"].dtype == np.float32
    assert found["class_ids"].tolist()[1:] == [2, 0]
    assert np.abs(found["attributions"]).max() > 1e-6
    expected = expected_of(model, images, kind)
    np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)


def test_each_weight_is_stored_once(form):
    """No variable is there twice, under another name."""
    written, _, _ = form
    names = [each.name for each in getattr(written.loaded, "_all_variables", [])]
    assert len(names) == len(set(names))


def test_encoded_pictures(form):
    """What a plain PNG of the model's size gets by `serve_bytes` is what the gateway's way to make
    an input of it gets."""
    written, _, (_, shape, _, _) = form
    assert ("serve_bytes" in written.signatures) == (None not in shape)
    if None in shape:
        return
    profile = profile_of(written)
    rng = np.random.default_rng(2)
    channels = 1 if len(shape) == 2 else shape[2]
    pixels = rng.integers(0, 256, (*shape[:2], channels), np.uint8)
    png = tf.io.encode_png(pixels).numpy()
    found = written.ask("serve_bytes", image_bytes=[png, png])[profile.output]
    plain = pixels if len(shape) == 3 else pixels[..., 0]
    levels = 255 - plain if profile.polarity == "negative" else plain
    images = model_input(levels[np.newaxis], profile)
    expected = written.ask("serving_default", images=images)[profile.output]
    np.testing.assert_allclose(found, np.repeat(expected, 2, axis=0), atol=1e-5)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("resize", ["bilinear", "bilinear-antialias", "nearest", "pillow-bicubic"])
def test_encoded_pictures_of_other_sizes(fit, resize):
    """They are fitted by the filter that the profile names, as the gateway does it; with Pillow's
    filters within some levels where a picture is smooth."""
    profile = ModelProfile(shape=(24, 32, 3), fit=fit, resize=resize, scaling="0..255")
    pillows = resize.startswith("pillow")
    rng = np.random.default_rng(2)
    pixels = rng.integers(0, 256, (7, 6, 3) if pillows else (61, 50, 3), np.uint8)
    if pillows:
        pixels = np.asarray(Image.fromarray(pixels).resize((50, 61), Image.Resampling.BICUBIC))
    png = tf.io.encode_png(pixels).numpy()
    found = picture_bytes.decoded(tf.constant(png), profile).numpy()
    expected = fit_picture(png, profile).instance.astype(np.float32)
    assert np.abs(found - expected).max() <= (4 if pillows else 1e-2)


def test_a_softmax_at_the_end_gives_logits(tmp_path):
    """So that a class of which the model is sure is explained, too, and logits are answered."""
    model = foreign.functional(GREY)
    model.layers[-1].set_weights([100 * each for each in model.layers[-1].get_weights()])
    path = foreign.saved(model, tmp_path / "sure.keras")
    written = Written(*imported(path, tmp_path / "models"))
    images = pictures(profile_of(written), 4)
    found = written.ask("serving_default", images=images)
    np.testing.assert_allclose(found["probabilities"], model(images), atol=1e-5)
    assert found["probabilities"].max() > 0.9999
    assert np.abs(found["logits"]).max() > 10
    attributions = written.ask("explain", images=images, class_ids=np.full(4, -1))["attributions"]
    assert (np.abs(attributions).max(axis=(1, 2)) > 0.1).all()


def test_one_number_for_two_classes(tmp_path):
    """`binary` becomes two probabilities."""
    model = foreign.sequential(GREY, *foreign.ending("sigmoid", 1))
    path = foreign.saved(model, tmp_path / "cats.keras")
    options = {"kind": "binary", "labels": ("cat", "dog")}
    written = Written(*imported(path, tmp_path / "models", options))
    profile = profile_of(written)
    images = pictures(profile)
    second = np.asarray(model(images))
    found = written.ask("serving_default", images=images)
    np.testing.assert_allclose(found["probabilities"], np.hstack([1 - second, second]), atol=1e-6)
    assert profile.kind == "probabilities"


def nested(*first):
    given = keras.Input((40, 40, 3))
    found = given
    for layer in first:
        found = layer(found)
    return keras.Model(given, found)


SCALED_BY_ITSELF = {
    "after resizing": lambda: [layers.Resizing(16, 16), layers.Rescaling(1 / 255)],
    "after a crop": lambda: [layers.CenterCrop(16, 16), layers.Rescaling(1 / 127.5, -1)],
    "in a functional model": lambda: [nested(layers.Rescaling(1 / 255))],
    "deeper": lambda: [nested(nested(layers.Resizing(20, 20), layers.Rescaling(1 / 255)))],
    "after nothing": lambda: [layers.Identity(), layers.Rescaling(1 / 255)],
}


@pytest.mark.parametrize("case", SCALED_BY_ITSELF)
def test_a_model_that_scales_levels_itself_gets_levels(case, tmp_path):
    """Wherever it does so before it looks at them."""
    model = foreign.sequential((40, 40, 3), *SCALED_BY_ITSELF[case](), *foreign.ending())
    loaded = load(foreign.saved(model, tmp_path / "m.keras"))
    assert [each.members for each in loaded.layers] == [{"scaling": "0..255"}]


def test_a_rescaling_in_the_middle_is_none_of_levels(tmp_path):
    middle = [layers.Conv2D(3, 3), layers.Rescaling(1 / 255)]
    model = foreign.sequential((40, 40, 3), *middle, *foreign.ending())
    assert not load(foreign.saved(model, tmp_path / "m.keras")).layers
