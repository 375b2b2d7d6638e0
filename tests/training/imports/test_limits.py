"""Limits of what is imported, before anything of its size is loaded."""

import re
import resource
import zipfile

import h5py
import pytest
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

from tests.training.imports import foreign
from tests.training.imports.foreign import imported, keras_file, layers, rewritten
from vitrine_training.imports import ImportRefused, graph, limits
from vitrine_training.imports.loading import load

GREY = (28, 28, 1)


def test_a_zip_bomb(tmp_path):
    path = keras_file(tmp_path, GREY, *foreign.ending())
    rewritten(path, **{"assets/zeros": bytes(50 << 20)})
    with pytest.raises(ImportRefused, match=r"unpacks `assets/zeros` from .* as no weights do"):
        load(path)


def test_a_configuration_without_end(tmp_path):
    path = keras_file(tmp_path, GREY, *foreign.ending())
    rewritten(path, **{"config.json": b"[" * 100_000})
    with pytest.raises(ImportRefused, match=r"is damaged: its config.json is no JSON"):
        load(path)


def test_wider_than_its_weights(tmp_path):
    """A small file that would have 200 GB allocated."""
    path = keras_file(tmp_path, GREY, *foreign.ending())
    with zipfile.ZipFile(path) as archive:
        config = archive.read("config.json").replace(b'"units": 4', b'"units": 99999999')
    rewritten(path, **{"config.json": config})
    with pytest.raises(ImportRefused, match="its `units` is 99,999,999, and no weight is so"):
        load(path)


def test_no_weights_at_all(tmp_path):
    """Nothing bounds its layers then."""
    path = keras_file(tmp_path, GREY, *foreign.ending())
    with zipfile.ZipFile(path) as archive:
        config = archive.read("config.json")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", config)
    with pytest.raises(ImportRefused, match=r"or it is damaged: .*model.weights.h5"):
        load(path)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
@pytest.mark.parametrize("sides", ["[20000, 20000]", "[10000000, 10000000]"])
def test_products_that_are_larger_than_its_weights(tmp_path, name, sides):
    """No number is so large by itself; nothing is allocated for them."""
    middle = layers.Conv2D(3, 3, padding="same")
    model = foreign.sequential(GREY, middle, *foreign.ending())
    path = foreign.saved(model, tmp_path / name)
    kernel = re.compile(rb'"kernel_size": \[3, 3\]')
    changed = b'"kernel_size": ' + sides.encode()
    if name.endswith(".h5"):
        with h5py.File(path, "r+") as file:
            config = str(file.attrs["model_config"]).encode()
            file.attrs["model_config"] = kernel.sub(changed, config).decode()
    else:
        with zipfile.ZipFile(path) as archive:
            config = archive.read("config.json")
        rewritten(path, **{"config.json": kernel.sub(changed, config)})
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ImportRefused) as refused:
        load(path)
    assert "\n" not in str(refused.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - most < 400_000


def test_layers_without_weights_that_are_there(tmp_path):
    """A layer more than the file has weights for, with few numbers in each dimension."""
    path = tmp_path / "model.keras"
    with pytest.raises(ImportRefused, match=r"weights of 2,000,000,000 bytes, and 10 are"):
        limits.check_built(path, 2_000_000_000, 10)
    limits.check_built(path, 60_000_000, 10)


@pytest.mark.parametrize(
    "middle",
    [
        [layers.UpSampling2D(10_000), layers.GlobalAveragePooling2D()],
        [layers.ZeroPadding2D(100_000), layers.GlobalAveragePooling2D()],
        [layers.Flatten(), layers.RepeatVector(1_000_000), layers.GlobalAveragePooling1D()],
    ],
    ids=["upsampling", "padding", "repeating"],
)
def test_pictures_that_become_too_large(tmp_path, middle):
    """Is seen in the graph, before a picture is asked for."""
    model = foreign.sequential(GREY, *middle, layers.Dense(4))
    path = foreign.saved(model, tmp_path / "model.keras")
    with pytest.raises(ImportRefused, match=r"takes too much memory: .* of a single picture"):
        imported(path, tmp_path / "models")


@pytest.mark.parametrize("options", [{}, {"chunks": True, "compression": "gzip"}])
def test_weights_that_are_not_there(tmp_path, options):
    """HDF5 files may say shapes without having the numbers."""
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "{}"
        file.create_dataset("kernel", (20_000, 20_000), "f4", **options)
    with pytest.raises(ImportRefused, match="weights of 1,600,000,000 bytes, of which 0 are"):
        limits.check_h5(path)


def test_larger_than_memory(tmp_path):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("kernel", (200_000, 200_000), "f4", chunks=True)
    with pytest.raises(ImportRefused, match=r"takes 160.0 GB once it is unpacked"):
        limits.check_h5(path)


def test_a_weight_in_another_file(tmp_path):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("kernel", (4,), "f4", external=[("/dev/zero", 0, 16)])
    with pytest.raises(ImportRefused, match="a weight is in another file"):
        limits.check_h5(path)


def test_a_saved_model_that_is_too_large(tmp_path):
    directory = foreign.exported(foreign.functional(GREY), tmp_path / "exported")
    with (directory / "variables" / "hole").open("wb") as file:
        file.truncate(limits.MOST_BYTES + 1)
    with pytest.raises(ImportRefused, match="are the most that are loaded"):
        load(directory)


def saved(folder, serve):
    spec = tf.TensorSpec([None, 28, 28], tf.float32, name="x")
    return foreign.saved_function(serve, folder / "saved", spec)


def classes_of(images):
    return tf.reduce_mean(images, axis=1)[:, : foreign.COUNT]


def enlarged(folder):
    middle = (layers.UpSampling2D(40), layers.GlobalAveragePooling2D(), layers.Dense(4))
    return foreign.exported(foreign.sequential(GREY, *middle), folder / "exported")


def made_of_nothing(folder):
    """Numbers that no file has."""
    return saved(folder, lambda x: {"y": classes_of(x) + tf.reduce_sum(tf.zeros([1024, 512]))})


def made_in_a_branch(folder):
    """In a function of a function that is called for each row."""

    @tf.function
    def inner(row):
        many = tf.tile(row, [200_000])
        return tf.cond(row[0] > 0, lambda: row + tf.reduce_sum(many), lambda: row)

    return saved(folder, lambda x: {"y": tf.map_fn(inner, classes_of(x))})


def a_table(folder):
    table = tf.constant(foreign.weights(512, 1024))
    return saved(folder, lambda x: {"y": classes_of(x) + tf.reduce_sum(table)})


@pytest.mark.parametrize("make", [enlarged, made_of_nothing, made_in_a_branch, a_table])
def test_tensors_inside_a_saved_model(tmp_path, make, monkeypatch):
    """They are looked for in the functions that its signature calls."""
    path = make(tmp_path)
    imported(path, tmp_path / "models")
    monkeypatch.setattr(graph, "MOST_BYTES", 1 << 20)
    with pytest.raises(ImportRefused, match=r"too much memory: [\d,]{9,} bytes in .* of a single"):
        imported(path, tmp_path / "models", name="other")


@pytest.mark.parametrize("operation", ["Const", "HostConst"])
def test_constants_that_are_larger_than_their_file(tmp_path, operation, monkeypatch):
    """A single number may stand for all; it is known before the model is loaded, whichever the
    operation that has it."""

    def serve(images):
        return {"y": classes_of(images) + tf.reduce_sum(tf.constant(7.0, shape=(1024, 512)))}

    path = saved(tmp_path, serve)
    graphs = path / "saved_model.pb"
    found = saved_model_pb2.SavedModel.FromString(graphs.read_bytes())
    for function in found.meta_graphs[0].graph_def.library.function:
        for node in function.node_def:
            if node.op == "Const" and node.attr["dtype"].type == types_pb2.DT_FLOAT:
                node.op = operation
    graphs.write_bytes(found.SerializeToString())
    size = sum(each.stat().st_size for each in path.rglob("*") if each.is_file())
    assert size < 1 << 20
    monkeypatch.setattr(limits, "MOST_BYTES", 1 << 20)
    with pytest.raises(ImportRefused, match=r"takes 0.0 GB once it is unpacked"):
        load(path)
