"""What is no image classifier, or is not fit to be served, is refused in one sentence."""

import json
import os
import zipfile

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training.imports import foreign
from tests.training.imports.foreign import CLASSES, imported, keras_file, layers
from vitrine_training.imports import ImportRefused
from vitrine_training.imports.loading import load
from vitrine_training.publish import versions as publish
from vitrine_training.publish.wholeness import first_line

GREY, COLOUR = (28, 28, 1), (32, 32, 3)


def exported_with_flips(folder):
    flips = (layers.RandomFlip(), layers.RandomRotation(0.2))
    model = foreign.sequential(COLOUR, *flips, *foreign.ending())
    return foreign.exported(model, folder / "flips")


def dropout_in_training(folder):
    inner = foreign.AlwaysTraining(layers.Dropout(0.5))
    return keras_file(folder, GREY, inner, *foreign.ending())


def moving_averages(folder):
    inner = foreign.AlwaysTraining(layers.BatchNormalization())
    return keras_file(folder, GREY, inner, *foreign.ending())


def exported_moving_averages(folder):
    inner = foreign.AlwaysTraining(layers.BatchNormalization())
    model = foreign.sequential(GREY, inner, *foreign.ending())
    return foreign.exported(model, folder / "moving")


def deep_randomness(folder):
    """Draws at random in a branch of a function of a function."""

    @tf.function
    def inner(rows):
        return tf.cond(
            tf.reduce_sum(rows) > -1e9, lambda: rows + tf.random.normal([4]), lambda: rows
        )

    def serve(images):
        return {"probs": tf.map_fn(inner, tf.reduce_mean(images, axis=1)[:, :4])}

    spec = tf.TensorSpec([None, 28, 28], tf.float32, name="x")
    return foreign.saved_function(serve, folder / "deep", spec)


def counting(folder):
    """Keeps count of its calls."""
    module = tf.Module()
    module.calls = tf.Variable(0.0)

    @tf.function(input_signature=[tf.TensorSpec([None, 28, 28], tf.float32, name="x")])
    def serve(images):
        module.calls.assign_add(1.0)
        return {"probs": tf.reduce_mean(images, axis=1)[:, :4]}

    module.serve = serve
    tf.saved_model.save(module, str(folder / "counting"), signatures=serve)
    return folder / "counting"


def two_inputs(folder):
    one, other = keras.Input(GREY, name="left"), keras.Input(GREY, name="right")
    both = layers.Flatten()(layers.Concatenate()([one, other]))
    model = keras.Model([one, other], layers.Dense(4)(both))
    return foreign.saved(model, folder / "two.keras")


def without_signatures(folder):
    module = tf.Module()
    module.weights = tf.Variable([1.0])
    tf.saved_model.save(module, str(folder / "bare"))
    return folder / "bare"


def file_of(name, content):
    def make(folder):
        path = folder / name
        path.write_bytes(content)
        return path

    return make


def weights_alone(folder):
    path = folder / "model.weights.h5"
    foreign.functional(GREY).save_weights(path)
    return path


def empty_folder(folder):
    (folder / "empty").mkdir()
    return folder / "empty"


def version_beside(folder):
    return foreign.exported(foreign.functional(GREY), folder / "model" / "1").parent


def graph_file(folder):
    return foreign.exported(foreign.functional(GREY), folder / "exported") / "saved_model.pb"


def without_variables(folder):
    directory = foreign.exported(foreign.functional(GREY), folder / "exported")
    (directory / "variables" / "variables.index").unlink()
    return directory


def cut_keras(folder):
    path = keras_file(folder, GREY, *foreign.ending())
    path.write_bytes(path.read_bytes()[:-1000])
    return path


def other_archive(folder):
    path = folder / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "nothing")
    return path


def renamed(folder):
    path = keras_file(folder, GREY, *foreign.ending())
    return path.rename(folder / "model.bin")


def unbuilt(folder):
    return foreign.saved(foreign.Subclassed(), folder / "unbuilt.keras")


REFUSED = {
    "random layers of an export": (exported_with_flips, "draws at random .*training=False"),
    "dropout that is always on": (dropout_in_training, "draws at random .*training=True"),
    "averages that move": (moving_averages, "changes itself with each call .*training=True"),
    "an export of those": (exported_moving_averages, "changes itself with each call"),
    "randomness deep inside": (deep_randomness, r"draws at random \(RandomStandardNormal\)"),
    "a counter": (counting, r"changes itself with each call \(AssignAddVariableOp\)"),
    "two inputs": (two_inputs, "takes `left` .*`right`.*, and not one picture"),
    "no signatures": (without_signatures, "no signatures"),
    "numbers and no picture": (
        lambda f: keras_file(f, (13,), layers.Dense(4)),
        r"no image classifier .*`images` float32 \[n, 13\]",
    ),
    "pictures out": (
        lambda f: keras_file(f, COLOUR, layers.Conv2D(3, 3)),
        "and not one output of classes",
    ),
    "one number": (
        lambda f: keras_file(f, GREY, *foreign.ending("sigmoid", 1)),
        "`output` float32",
    ),
    "another number of labels": (
        lambda f: keras_file(f, GREY, *foreign.ending(count=7)),
        "--labels does not fit the model: there are 4, and 7 classes",
    ),
    "text": (file_of("model.keras", b"hello"), "is no model that can be imported"),
    "nothing": (file_of("model.h5", b""), "is no model that can be imported"),
    "weights alone": (weights_alone, "has weights and no model"),
    "an empty folder": (empty_folder, "is no SavedModel"),
    "a folder of versions": (version_beside, "is no SavedModel: .*model/1 has one"),
    "the graph of one": (graph_file, "name its folder"),
    "no variables": (without_variables, "is damaged: variables/variables.index is not there"),
    "a file that was cut": (cut_keras, "no model|damaged"),
    "another archive": (other_archive, "is no Keras model, or it is damaged"),
    "another name": (renamed, "is a .keras file by its content: rename it"),
    "never called": (unbuilt, "never called|cannot be"),
}


def a_pipe(folder):
    os.mkfifo(folder / "model.keras")
    return folder / "model.keras"


def configured(folder, **members):
    """A file of Keras whose dense layers are configured otherwise than they can be."""
    path = keras_file(folder, GREY, *foreign.ending())
    with zipfile.ZipFile(path) as archive:
        content = {each: archive.read(each) for each in archive.namelist()}
    config = json.loads(content["config.json"])
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "Dense":
            layer["config"] |= members
    content["config.json"] = json.dumps(config).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, each in content.items():
            archive.writestr(name, each)
    return path


def a_pipe_inside(folder):
    directory = foreign.exported(foreign.sequential(GREY, *foreign.ending()), folder / "exported")
    os.mkfifo(directory / "variables" / "more")
    return directory


def many_classes(folder):
    pooled = (layers.GlobalAveragePooling2D(), layers.Dense(100_001))
    return keras_file(folder, COLOUR, *pooled)


REFUSED |= {
    "more classes than are described": (many_classes, "100,001 classes, and 100,000 are the most"),
    "a pipe inside": (a_pipe_inside, "variables/more is no file"),
    "a pipe": (a_pipe, "is no file"),
    "a width that is none": (lambda f: configured(f, units=-3), "cannot be loaded: .*units=-3"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_in_a_sentence(case, tmp_path):
    """Which says why; nothing is published."""
    make, words = REFUSED[case]
    path = make(tmp_path)
    with pytest.raises(ImportRefused, match=words) as refused:
        imported(path, tmp_path / "models")
    assert "\n" not in str(refused.value)
    assert publish.models(tmp_path / "models") == []


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("one\ntwo", "one"),
        ("", "ValueError"),
        (
            "Exception encountered when calling A.call().\n\n\x1b[1mtoo large\x1b[0m\n\nArgs",
            "too large",
        ),
        ('in user code:\n\n  File "a.py", line 1\n\n    TypeError: no such op\n', "no such op"),
        (
            "<class 'A'> could not be deserialized properly. Look.\n\nException encountered: "
            "<class 'B'> could not be deserialized properly.\n\nException encountered: bad units",
            "bad units",
        ),
        ("in user code:", "in user code:"),
    ],
)
def test_the_line_of_an_error_that_has_the_reason(text, reason):
    """Keras says the place before it, and colours it."""
    assert first_line(ValueError(text)) == reason


def two_outputs(folder):
    given = keras.Input(COLOUR, name="pixels")
    flat = layers.Flatten()(given)
    species = layers.Dense(4, name="species")(flat)
    age = layers.Dense(1, "sigmoid", name="age")(flat)
    return foreign.saved(keras.Model(given, {"species": species, "age": age}), folder / "two.keras")


def ending_with(*ending):
    return lambda folder: keras_file(folder, COLOUR, *foreign.ending(*ending))


FOUR, SHARES, ONE = ending_with(), ending_with("softmax"), ending_with("sigmoid", 1)

MISFITS = {
    "an output": (FOUR, {"output": "nope"}, "--output .*tell one that it has: `output` float32"),
    "one of two outputs": (two_outputs, {"output": "x"}, r"--output .*`age` .*\[n, 1\], `species`"),
    "a signature": (FOUR, {"signature": "nope"}, "--signature .*it has serving_default: tell one"),
    "binary, of four classes": (
        FOUR,
        {"kind": "binary"},
        r"--kind .*`output` float32 \[n, 4\] has more: tell another `kind`, or leave it out",
    ),
    "binary, of another output": (
        two_outputs,
        {"kind": "binary", "output": "species"},
        r"--kind .*`species` float32 \[n, 4\] has more: tell another",
    ),
    "binary without a sigmoid": (
        ending_with(None, 1),
        {"kind": "binary", "labels": CLASSES[:2]},
        "--kind .*end it with a sigmoid",
    ),
    "scores of one number": (ONE, {"kind": "scores"}, r"--kind .*one number .*: tell binary"),
    "logits of shares": (SHARES, {"kind": "logits"}, "--kind .*its rows sum to 1, so they are"),
    "shares of logits": (
        FOUR,
        {"kind": "probabilities"},
        "--kind .*sum to 1, .*tell that, or leave",
    ),
    "scores of logits": (FOUR, {"kind": "scores"}, "--kind .*in 0..1, .*tell that, or leave"),
    "levels": (
        FOUR,
        {"scaling": "mean/std", "mean": (0.5, 0.5), "std": (1.0,)},
        "--mean does not fit the model: mean/std wants one, or one for each channel",
    ),
    "a fit": (FOUR, {"fit": "item"}, "--fit .*is for pictures of 28x28"),
    "labels": (FOUR, {"labels": CLASSES[:3]}, "--labels .*there are 3, and 4 classes"),
}


@pytest.mark.parametrize("case", MISFITS)
def test_options_that_do_not_fit(tmp_path, case):
    """Each is named, with what the model has, and what to write."""
    make, options, words = MISFITS[case]
    path = make(tmp_path)
    with pytest.raises(ImportRefused, match=f"^{words}"):
        imported(path, tmp_path / "models", options)


def test_the_only_output_of_one_number_is_the_binary_one(tmp_path):
    options = {"kind": "binary", "labels": CLASSES[:2]}
    _, card = imported(two_outputs(tmp_path), tmp_path / "models", options)
    assert card["labels"] == list(CLASSES[:2])


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_code_is_run_only_where_that_is_allowed(tmp_path, name):
    """A Lambda layer is refused, and says what allows it."""
    model = foreign.sequential(GREY, layers.Lambda(lambda x: x * 2), *foreign.ending())
    path = foreign.saved(model, tmp_path / name)
    with pytest.raises(
        ImportRefused, match=r"has code of its own.*--allow-code runs what is in it"
    ):
        load(path)
    version_dir, _ = imported(path, tmp_path / "models", allow_code=True)
    assert version_dir.name == "1"


def test_a_class_that_is_missing_is_named(tmp_path):
    """With what to do instead."""
    model = foreign.Subclassed()
    model(np.zeros((1, *GREY), np.float32))
    path = foreign.saved(model, tmp_path / "own.keras")
    with keras.saving.CustomObjectScope({}):
        registered = keras.saving.get_custom_objects()
        kept = {name: registered.pop(name) for name in list(registered) if "Subclassed" in name}
        try:
            with zipfile.ZipFile(path) as archive:
                parts = {each: archive.read(each) for each in archive.namelist()}
            parts["config.json"] = parts["config.json"].replace(b"foreign", b"elsewhere")
            with zipfile.ZipFile(path, "w") as archive:
                for name, content in parts.items():
                    archive.writestr(name, content)
            with pytest.raises(ImportRefused, match="needs `Subclassed`, a class that is not"):
                load(path)
        finally:
            registered.update(kept)


@pytest.mark.parametrize("name", ["profile.json", "labels.txt"])
@pytest.mark.parametrize("folder", [".", "assets.extra"])
def test_files_beside_a_saved_model_that_cannot_be_read(tmp_path, name, folder):
    """By the bounds of those that are served."""
    directory = foreign.exported(foreign.functional(GREY), tmp_path / "exported")
    (directory / folder).mkdir(exist_ok=True)
    (directory / folder / name).write_bytes(b"\xff\xfe")
    with pytest.raises(ImportRefused, match=f"{name} is not UTF-8"):
        load(directory)


def test_the_keras_that_safe_mode_was_looked_at_in():
    """Another one is looked at first: imports rest on it, and on building without memory. Then the
    bound in training/pyproject.toml moves, and this with it."""
    assert keras.__version__.startswith("3.15.")
