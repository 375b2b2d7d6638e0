"""The version that a candidate is compared with: the newest whole one, if it can be compared."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import saved_model_pb2

from vitrine_training.models.recipes import RECIPES
from vitrine_training.publish import gate, incumbent
from vitrine_training.publish import versions as publish
from vitrine_training.publish.gate import Gate, SameModel, WorseModel
from vitrine_training.publish.incumbent import Incomparable
from vitrine_training.run import Run, RunListener, train_and_publish


@pytest.fixture(scope="module")
def trained(tmp_path_factory, small_task):
    """A softmax of ours, one epoch."""
    models_dir = tmp_path_factory.mktemp("models")
    version_dir, _ = train_and_publish(run(models_dir), small_task, RunListener())
    return version_dir


def run(models_dir, *, force=False, **vary):
    recipe = RECIPES["softmax"].varied({"epochs": 1, **vary})
    return Run(recipe, 0, models_dir, force, checkpoint_every_s=0)


def data_of(version_dir):
    return next((version_dir / "variables").glob("variables.data-*"))


def overwritten(path, position):
    content = bytearray(path.read_bytes())
    content[position] ^= 0xFF
    path.write_bytes(content)


DAMAGES = {
    "empty folder": lambda v: [shutil.rmtree(v), v.mkdir()],
    "empty graph": lambda v: (v / "saved_model.pb").write_bytes(b""),
    "graph cut to its head": lambda v: os.truncate(v / "saved_model.pb", 2),
    "graph cut": lambda v: os.truncate(v / "saved_model.pb", 50_000),
    "text for a graph": lambda v: (v / "saved_model.pb").write_text("<html>404</html>"),
    "no graph": lambda v: (v / "saved_model.pb").unlink(),
    "folder for a graph": lambda v: [
        (v / "saved_model.pb").unlink(),
        (v / "saved_model.pb").mkdir(),
    ],
    "variables cut": lambda v: os.truncate(data_of(v), 1000),
    "no bytes of variables": lambda v: os.truncate(data_of(v), 0),
    "a byte of variables": lambda v: overwritten(data_of(v), 10_000),
    "no data": lambda v: data_of(v).unlink(),
    "index cut": lambda v: os.truncate(v / "variables/variables.index", 20),
    "no index": lambda v: (v / "variables/variables.index").unlink(),
    "no variables": lambda v: shutil.rmtree(v / "variables"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_version_is_named_and_passed_over(trained, small_task, tmp_path, damage):
    """The whole one before it counts, whatever TensorFlow would raise for the damaged one."""
    for number in ("1", "2"):
        shutil.copytree(trained, tmp_path / "softmax" / number)
    DAMAGES[damage](tmp_path / "softmax" / "2")
    said = []
    found = incumbent.find(tmp_path, "softmax", small_task, said.append)
    assert found.version_dir == tmp_path / "softmax" / "1"
    (line,) = said
    assert line.startswith(f"{tmp_path / 'softmax' / '2'} is damaged and passed over: ")
    assert "\n" not in line


def test_a_damaged_version_never_costs_a_new_one(trained, small_task, tmp_path):
    """Where no other is whole, what is trained is published. Where one is, it is compared, and the
    same weights in the place of the damaged ones are worth publishing."""
    (tmp_path / "softmax" / "4").mkdir(parents=True)
    version_dir, _ = train_and_publish(run(tmp_path), small_task, RunListener())
    assert version_dir.name == "5"
    os.truncate(data_of(shutil.copytree(version_dir, tmp_path / "softmax" / "6")), 1000)
    version_dir, _ = train_and_publish(run(tmp_path), small_task, RunListener())
    assert version_dir.name == "7"
    assert gate.is_same(version_dir, tmp_path / "softmax" / "5")
    with pytest.raises(SameModel):
        train_and_publish(run(tmp_path), small_task, RunListener())
    os.truncate(data_of(version_dir), 1000)
    with pytest.raises(WorseModel, match="worse than version 5"):
        train_and_publish(run(tmp_path, learning_rate=1e-5), small_task, RunListener())


def exported(directory, *, inputs="images", output="probabilities", labels=None, classes=10):
    """Writes a model of somebody else's."""
    model = keras.Sequential(
        [keras.Input([28, 28]), keras.layers.Flatten(), keras.layers.Dense(classes)]
    )
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default",
        lambda images: {output: tf.nn.softmax(model(images))},
        input_signature=[tf.TensorSpec([None, 28, 28], tf.float32, name=inputs)],
    )
    if labels:
        names = tf.constant(labels)
        archive.add_endpoint(
            "describe", lambda: {"labels": names, "card": tf.constant("{}")}, input_signature=[]
        )
    archive.write_out(str(directory), verbose=False)


FOREIGN = {
    "says no classes": ({}, "it does not say which classes it knows"),
    "other classes": ({"labels": list("0123456789")}, "it is for other classes"),
    "fewer classes": ({"labels": ["cat", "dog"], "classes": 2}, "it is for other classes"),
    "another output": ({"labels": None, "output": "output_0"}, "which classes it knows"),
}


WIDE = {"fewer classes", "another output"}
"""What is said of them others have, too."""


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[pytest.mark.wide] if kind in WIDE else []) for kind in FOREIGN],
)
def test_a_foreign_model_wants_force_before_the_first_epoch(small_task, tmp_path, kind):
    """Nothing is trained, nothing published, and the model is as it was; also where a damaged
    version came after it."""
    options, reason = FOREIGN[kind]
    exported(tmp_path / "softmax" / "1700000000", **options)
    (tmp_path / "softmax" / "1700000001").mkdir()
    epochs, said = [], []
    with pytest.raises(Incomparable, match=f"1700000000 cannot be compared.*{reason}.*--force"):
        train_and_publish(
            run(tmp_path), small_task, RunListener(on_epoch=epochs.append, say=said.append)
        )
    assert not epochs
    assert "1700000001 is damaged and passed over" in said[0]
    assert publish.versions(tmp_path, "softmax") == [1700000000, 1700000001]
    version_dir, _ = train_and_publish(run(tmp_path, force=True), small_task, RunListener())
    assert version_dir.name == "1700000002"


def exported_by_tensorflow_1(directory, labels, described, served=("images",)):
    """Writes a model with these inputs of `describe` and of `serving_default`, one of which may be
    `sparse`."""
    v1 = tf.compat.v1
    info = v1.saved_model.utils.build_tensor_info
    written = v1.saved_model.signature_def_utils.build_signature_def
    with v1.Graph().as_default(), v1.Session() as session:
        placed = {
            "images": v1.placeholder(tf.float32, [None, 28, 28]),
            "keep": v1.placeholder(tf.float32, []),
            "keys": v1.placeholder(tf.string, [None]),
            "text": v1.placeholder(tf.string, [None]),
            "sparse": v1.sparse_placeholder(tf.float32, [None, 28, 28]),
        }
        card = json.dumps({"input_shape": [28, 28]})
        values = tf.constant([json.dumps(list(labels)), card, ""])
        shares = tf.nn.softmax(tf.reshape(placed["images"], [-1, 784])[:, :10])
        if "images" not in served:
            shares = tf.sparse.to_dense(placed["sparse"])[:, 0, :10]
        told = {"describe": (described, "values", values)}
        told["serving_default"] = (served, "probabilities", shares)
        signatures = {
            name: written({each: info(placed[each]) for each in inputs}, {output: info(made)})
            for name, (inputs, output, made) in told.items()
        }
        builder = v1.saved_model.Builder(str(directory))
        builder.add_meta_graph_and_variables(session, ["serve"], signature_def_map=signatures)
        builder.save()


TENSORFLOW_1 = {
    "another describe": ((["text"],), "it does not say which classes it knows"),
    "a describe of two": ((["keys", "text"],), "it does not say which classes it knows"),
    "a sparse describe": ((["sparse"],), "it does not say which classes it knows"),
    "two inputs": ((["keys"], ["images", "keep"]), "takes `images`, `keep`, and not pictures"),
    "a sparse input": ((["keys"], ["sparse"]), "takes `sparse_dense_shape`, .*, and not pictures"),
}


@pytest.mark.parametrize("kind", TENSORFLOW_1)
def test_a_version_that_tensorflow_1_wrote(small_task, tmp_path, kind):
    """Why it cannot be compared is said in a sentence of ours."""
    inputs, reason = TENSORFLOW_1[kind]
    exported_by_tensorflow_1(tmp_path / "softmax" / "1", small_task.labels, *inputs)
    with pytest.raises(Incomparable, match=f"1 cannot be compared with .*{reason}") as found:
        incumbent.find(tmp_path, "softmax", small_task, print)
    assert "Binding" not in str(found.value)
    loaded = tf.saved_model.load(str(tmp_path / "softmax" / "1"))
    if inputs[0] != ["keys"]:
        with pytest.raises(ValueError, match="its signature describe takes"):
            incumbent.description(loaded)


def test_a_version_that_tensorflow_1_wrote_and_that_says_its_classes(small_task, tmp_path):
    """It is compared as any other."""
    exported_by_tensorflow_1(tmp_path / "softmax" / "1", small_task.labels, ["keys"])
    found = incumbent.find(tmp_path, "softmax", small_task, print)
    assert 0 <= found.score <= 500


def test_a_whole_format_that_is_not_ours_is_no_damage(trained, small_task, tmp_path):
    """A graph as text, or of operations that this TensorFlow lacks."""
    for name in ("text", "operations"):
        directory = shutil.copytree(trained, tmp_path / name / "1")
        graph = saved_model_pb2.SavedModel.FromString((directory / "saved_model.pb").read_bytes())
        if name == "operations":
            for function in graph.meta_graphs[0].graph_def.library.function:
                for node in function.node_def:
                    node.op = "NobodysOp" if node.op == "MatMul" else node.op
            (directory / "saved_model.pb").write_bytes(graph.SerializeToString())
            with pytest.raises(Incomparable, match="Op type not registered 'NobodysOp'"):
                incumbent.find(tmp_path, name, small_task, print)
        else:
            (directory / "saved_model.pb").unlink()
            (directory / "saved_model.pbtxt").write_text(text_format.MessageToString(graph))
            assert incumbent.find(tmp_path, name, small_task, print) is not None


def test_a_model_by_hand_that_says_its_classes_is_compared(small_task, tmp_path):
    """By its probabilities, where it has no logits."""
    exported(tmp_path / "softmax" / "1", labels=small_task.labels)
    found = incumbent.find(tmp_path, "softmax", small_task, print)
    assert 0 <= found.score <= 500
    loaded = tf.saved_model.load(str(found.version_dir))
    images = tf.constant(small_task.validation[0].astype(np.float32) / 255)
    answers = loaded.signatures["serving_default"](images)["probabilities"].numpy().argmax(axis=1)
    assert found.score == (answers == small_task.validation[1]).sum()


def test_a_version_that_comes_meanwhile_is_looked_at(trained, small_task, tmp_path):
    """What was published during the training counts, and a foreign one wants force, too."""
    gate = Gate(tmp_path, "softmax", small_task)
    gate.check_no_worse(0)
    shutil.copytree(trained, tmp_path / "softmax" / "1")
    with pytest.raises(WorseModel, match="worse than version 1"):
        gate.check_no_worse(0)
    exported(tmp_path / "softmax" / "2")
    with pytest.raises(Incomparable):
        gate.check_no_worse(500)
    Gate(tmp_path, "softmax", small_task, force=True).check_no_worse(0)


SOMEBODY = """
import os, sys
from pathlib import Path
from vitrine_training.publish import incumbent
from vitrine_training.tasks import Regression
task = Regression.of(0)
os.setgroups([]); os.setgid(12345); os.setuid(12345)
try:
    incumbent.find(Path(sys.argv[1]), "softmax", task, print)
except incumbent.Incomparable as error:
    print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_a_version_that_may_not_be_read_is_not_damaged(trained):
    """It may be the better one: this wants force, too."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        version_dir = shutil.copytree(trained, Path(name) / "softmax" / "1")
        data_of(version_dir).chmod(0o600)
        done = subprocess.run(
            [sys.executable, "-c", SOMEBODY, name], capture_output=True, text=True, timeout=100
        )
    assert "damaged" not in done.stdout
    assert "cannot be compared with (it may not be read: [Errno 13] Permission" in done.stdout
    assert "--force" in done.stdout
