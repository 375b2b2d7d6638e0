"""SavedModels that are imported bring along what they hold, and what files beside them say."""

import json

import numpy as np
import pytest
import tensorflow as tf

from tests.training.imports import foreign
from tests.training.imports.foreign import (
    CLASSES,
    COLOUR,
    Written,
    imported,
    pictures,
    profile_of,
)
from vitrine_client.results.profiles.profile import FASHION_MNIST
from vitrine_training.imports import ImportRefused
from vitrine_training.publish import incumbent


def test_outputs_are_taken_by_name(tmp_path):
    """Of several the one that is named, wherever it comes."""
    weights = foreign.weights(28 * 28, len(CLASSES))

    def serve(images):
        rows = tf.reshape(images, [-1, 28 * 28]) @ weights
        return {"a": rows[:, ::-1], "b": rows, "count": tf.shape(rows)[0]}

    spec = tf.TensorSpec([None, 28, 28], tf.float32, name="x")
    directory = foreign.saved_function(serve, tmp_path / "two", spec)
    for name, step in (("a", -1), ("b", 1)):
        written = Written(*imported(directory, tmp_path / name, {"output": name}))
        images = pictures(profile_of(written))
        found = written.ask("serving_default", images=images)["logits"]
        rows = images.reshape(-1, 28 * 28) @ weights
        np.testing.assert_allclose(found, rows[:, ::step], atol=1e-4)


def test_one_that_decodes_pictures_takes_bytes(tmp_path):
    """As before; nothing is explained."""
    weights = foreign.weights(28 * 28 * 3, len(CLASSES))

    def serve(image_bytes):
        spec = tf.TensorSpec([28, 28, 3], tf.float32)
        rows = tf.map_fn(
            lambda one: tf.image.resize(
                tf.ensure_shape(tf.io.decode_png(one, 3), [None, None, 3]), [28, 28]
            ),
            image_bytes,
            fn_output_signature=spec,
        )
        return {"logits": tf.reshape(rows, [-1, 28 * 28 * 3]) / 255 @ weights}

    spec = tf.TensorSpec([None], tf.string, name="image_bytes")
    directory = foreign.saved_function(serve, tmp_path / "bytes", spec)
    written = Written(*imported(directory, tmp_path / "models"))
    assert sorted(written.signatures) == ["describe", "serving_default"]
    assert profile_of(written).dtype == "string"
    png = tf.io.encode_png(np.zeros((5, 5, 3), np.uint8)).numpy()
    found = written.ask("serving_default", image_bytes=[png])["logits"]
    np.testing.assert_allclose(found, [[0, 0, 0, 0]], atol=1e-6)


def test_a_table_of_a_saved_model_comes_along(tmp_path):
    """Whatever else a SavedModel holds is written, too."""
    module = tf.Module()
    module.table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(tf.constant([7], tf.int64), tf.constant([0.5])), 0.0
    )
    module.weights = tf.Variable(foreign.weights(28 * 28, len(CLASSES)))

    def serve(images):
        added = module.table.lookup(tf.constant([7], tf.int64))
        return {"probs": tf.nn.softmax(tf.reshape(images, [-1, 28 * 28]) @ module.weights + added)}

    spec = tf.TensorSpec([None, 28, 28], tf.float32, name="x")
    module.serve = tf.function(serve, input_signature=[spec])
    tf.saved_model.save(module, str(tmp_path / "table"), signatures=module.serve)
    written = Written(*imported(tmp_path / "table", tmp_path / "models"))
    images = pictures(profile_of(written))
    found = written.ask("serving_default", images=images)["probabilities"]
    np.testing.assert_allclose(found, serve(images)["probs"], atol=1e-5)


def test_files_beside_a_saved_model_say_what_it_takes(tmp_path):
    """`labels.txt` and `profile.json`, in its folder or in `assets.extra`; options say it first."""
    directory = foreign.exported(foreign.functional(COLOUR), tmp_path / "exported")
    (directory / "assets.extra").mkdir()
    (directory / "labels.txt").write_text("one\ntwo\nthree\nfour\n")
    said = {"scaling": "-1..1", "fit": "crop", "resize": "nearest"}
    (directory / "assets.extra" / "profile.json").write_text(json.dumps(said))
    found = Written(*imported(directory, tmp_path / "models", {"fit": "pad"}, labels=None))
    assert incumbent.description(found.loaded).labels == ("one", "two", "three", "four")
    profile = profile_of(found)
    assert (profile.scaling, profile.fit, profile.resize) == ("-1..1", "pad", "nearest")
    assert found.card["notes"][0] == "assumed: polarity as is; --polarity says otherwise"


def test_files_beside_a_saved_model_are_no_links_elsewhere(tmp_path):
    """Their content would be in the version for all to see."""
    directory = foreign.exported(foreign.functional(COLOUR), tmp_path / "exported")
    (tmp_path / "secret").write_text("one\ntwo\nthree\nfour\n")
    (directory / "labels.txt").symlink_to(tmp_path / "secret")
    with pytest.raises(ImportRefused, match=r"labels\.txt is a link out of"):
        imported(directory, tmp_path / "models", labels=None)


def test_ours_are_imported_as_they_are(training_run, tmp_path):
    """A version of ours is one of Fashion-MNIST again, with its labels."""
    ours = training_run.models_dir / "mlp" / "1"
    written = Written(*imported(ours, tmp_path / "models", labels=None))
    described = incumbent.description(written.loaded)
    assert described.profile is FASHION_MNIST
    assert described.labels[0] == "T-shirt/top"


def test_one_that_takes_a_single_picture_and_does_not_say_so(tmp_path):
    """Gets any number, one after the other."""
    weights = foreign.weights(28 * 28, len(CLASSES))

    def serve(images):
        return {"probs": tf.nn.softmax(tf.reshape(images, [1, 28 * 28]) @ weights)}

    spec = tf.TensorSpec([None, 28, 28], tf.float32, name="x")
    directory = foreign.saved_function(serve, tmp_path / "single", spec)
    written = Written(*imported(directory, tmp_path / "models"))
    profile = profile_of(written)
    images = pictures(profile, 5)
    found = written.ask("serving_default", images=images)["probabilities"]
    for row, image in zip(found, images, strict=True):
        np.testing.assert_allclose(row, serve(image)["probs"][0], atol=1e-5)
    assert profile.batchable
    assert any("takes 1 pictures a call" in note for note in written.card["notes"])
