"""Models as people have them on their disks, small and untrained, and how they are imported."""

import zipfile

import keras
import numpy as np
import tensorflow as tf

from vitrine_client.images.preprocessing import model_input
from vitrine_training.imports.inspection import inspected, made_up
from vitrine_training.imports.loading import load
from vitrine_training.imports.measurement import ImportJudge
from vitrine_training.imports.publication import Importing, publish_import
from vitrine_training.publish import incumbent

layers = keras.layers

CLASSES = ("ant", "bee", "cat", "dog")
COUNT = len(CLASSES)
GREY, COLOUR = (28, 28, 1), (32, 32, 3)


@keras.saving.register_keras_serializable("vitrine-tests")
class Subclassed(keras.Model):
    def __init__(self, **more):
        super().__init__(**more)
        self.flat, self.dense = layers.Flatten(), layers.Dense(len(CLASSES))

    def call(self, inputs):
        return self.dense(self.flat(inputs))


@keras.saving.register_keras_serializable("vitrine-tests")
class AlwaysTraining(keras.layers.Layer):
    """Calls another layer as in training, whoever calls it."""

    def __init__(self, inner, **more):
        super().__init__(**more)
        is_layer = isinstance(inner, keras.layers.Layer)
        self.inner = inner if is_layer else keras.saving.deserialize_keras_object(inner)

    def build(self, shape):
        if not self.inner.built:
            self.inner.build(shape)

    def call(self, inputs):
        return self.inner(inputs, training=True)

    def get_config(self):
        return super().get_config() | {"inner": keras.saving.serialize_keras_object(self.inner)}


def ending(activation=None, count=COUNT):
    return [layers.Flatten(), layers.Dense(count, activation=activation)]


def sequential(shape, *middle, dtype="float32"):
    keras.utils.set_random_seed(1)
    return keras.Sequential([keras.Input(shape, dtype=dtype), *middle])


def functional(shape, activation="softmax"):
    keras.utils.set_random_seed(1)
    given = keras.Input(shape, name="pixels")
    found = layers.Conv2D(4, 3, strides=3, activation="relu")(given)
    return keras.Model(given, layers.Dense(4, activation)(layers.Flatten()(found)))


def moved_averages(model, shape):
    """Has a model's batch normalization know other averages than at its beginning."""
    model.compile("sgd", "mse")
    rng = np.random.default_rng(0)
    rows = rng.uniform(0, 1, (64, *shape)).astype(np.float32)
    model.fit(rows, rng.uniform(0, 1, (64, len(CLASSES))), verbose=0)
    return model


def saved(model, path):
    model.save(path)
    return path


def exported(model, directory):
    model.export(directory, verbose=False)
    return directory


def saved_function(function, directory, *specs):
    """Saves a function, and the variables that are its module's, as a SavedModel."""
    module = tf.Module()
    module.serve = tf.function(function, input_signature=specs)
    tf.saved_model.save(module, str(directory), signatures=module.serve)
    return directory


def weights(*shape):
    return np.random.default_rng(3).normal(0, 0.1, shape).astype(np.float32)


def imported(
    path, models_dir, options=None, *, labels=CLASSES, data=None, name="mine", force=False, **more
):
    """Imports a model as the command does; returns its directory and its card. Labels of None are
    left to the model, and to files beside it."""
    loaded = load(path, **more)
    told = {"labels": labels} if labels else {}
    found = inspected(loaded, told | (options or {}))
    judge = ImportJudge(found.served.labels, found.served.profile, data, lambda *_: None)
    job = Importing(path, loaded.format, name, models_dir, force, found, judge, loaded.held)
    return publish_import(job, lambda _: None)


class Written:
    """A version that was written, loaded."""

    def __init__(self, version_dir, card):
        self.loaded = tf.saved_model.load(str(version_dir))
        self.signatures = self.loaded.signatures
        self.card = card

    def ask(self, signature, **inputs):
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        return {name: v.numpy() for name, v in self.signatures[signature](**tensors).items()}


def profile_of(written):
    """Returns the profile that a version describes."""
    found = incumbent.description(written.loaded).profile
    assert found is not None
    return found


def pictures(profile, count=20):
    """Made-up pictures as a model takes them."""
    return model_input(made_up(profile, count), profile)


def keras_file(folder, shape, *middle):
    return saved(sequential(shape, *middle), folder / "model.keras")


def rewritten(path, **parts):
    with zipfile.ZipFile(path) as archive:
        kept = {each: archive.read(each) for each in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in (kept | parts).items():
            archive.writestr(name, content)
    return path
