"""Versions that cannot work, or not yet: an older one stands in, and none stops the others."""

import shutil
import threading
from pathlib import Path

import grpc
import keras
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.config import model_server_config_pb2

from harness.waiting import wait_for
from tests.serving.fake_models import answers, publish, reach, remove, states
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.repository.config import ModelConfig, configs_of
from vitrine_serving.model_server.repository.lifecycle import Failure
from vitrine_serving.model_server.runtime.servable import Servable
from vitrine_serving.model_server.runtime.trial import try_signatures


def test_at_a_start_the_newest_version_that_loads_stands_in(base, start):
    """Until the newest is set aside, repaired and put back; then that one answers alone."""
    publish(base, 2)
    publish(base, 3, broken=True)
    publish(base, 4, broken=True)
    repository = start(ModelConfig("mlp", base))
    assert states(repository) == {4: "END", 3: "END", 2: "AVAILABLE"}
    repository.refresh()
    repository.refresh()
    assert answers(repository) == 2
    remove(base, 4)
    repository.refresh()
    publish(base, 4)
    repository.refresh()
    wait_for(lambda: answers(repository) == 4, 30, "the version that was repaired")
    repository.refresh()
    reach(repository, {4: "AVAILABLE", 3: "END", 2: "END"})


def test_where_versions_are_named_no_other_stands_in(base, start):
    """The operator asked for that one."""
    publish(base, 2, broken=True)
    repository = start(ModelConfig("mlp", base, specific=(2,)))
    repository.refresh()
    assert states(repository) == {2: "END"}


def test_a_version_that_is_copied_slowly_is_loaded_by_a_later_try(base, load, start):
    """Directories first, data later, which changes no time of the version directory itself."""
    repository = start(ModelConfig("mlp", base), load_retries=1000, retry_interval_s=0.05)
    (base / ".2" / "variables").mkdir(parents=True)
    (base / ".2").rename(base / "2")
    load.errors[2] = ValueError("half of it")
    repository.refresh()
    wait_for(lambda: load.failures["mlp", 2] > 1, 30, "the second try")
    assert states(repository) == {2: "LOADING", 1: "AVAILABLE"}
    (base / "2" / "variables" / "variables.data-00000-of-00001").write_bytes(b"x")
    del load.errors[2]
    reach(repository, {2: "AVAILABLE", 1: "END"})


def test_an_entry_that_cannot_be_looked_at_is_passed_over_and_said_once(base, start, caplog):
    """A link to itself; the others are served."""
    (base / "9").symlink_to("9")
    publish(base, 10)
    repository = start(ModelConfig("mlp", base))
    assert answers(repository) == 10
    for _ in range(3):
        repository.refresh()
    assert caplog.text.count("is passed over: Too many levels of symbolic links") == 1


@pytest.mark.parametrize("name", ["a,b", 'a"b', "a\nb"])
def test_nothing_ends_the_poll_thread(base, start, tmp_path, name):
    """A path that no system call takes, beside a model with an odd name."""
    publish(tmp_path / name, 1)
    odd = ModelConfig("odd", base.with_name("x\0y"))
    repository = start(ModelConfig("mlp", base), odd, ModelConfig(name, tmp_path / name))
    polling = threading.Thread(target=repository.poll, args=(0.01,))
    polling.start()
    publish(base, 2)
    publish(tmp_path / name, 2)
    reach(repository, {2: "AVAILABLE", 1: "END"})
    reach(repository, {2: "AVAILABLE", 1: "END"}, name)
    repository.stop()
    polling.join(30)
    assert not polling.is_alive()


def test_a_nul_in_a_base_path_is_refused():
    """As INVALID_ARGUMENT, before anything looks at it."""
    message = model_server_config_pb2.ModelServerConfig()
    message.model_config_list.config.add(name="mlp", base_path="/x\0y", model_platform="tensorflow")
    with pytest.raises(ServingError, match="NUL in its base_path") as caught:
        configs_of(message)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def export(path, *, broken: bool) -> None:
    """Writes a SavedModel; a broken one as people do, with a Keras model in a `tf.Module`."""
    model = keras.Sequential([keras.layers.Input((3,)), keras.layers.Dense(2)])

    class Wrapped(tf.Module):
        def __init__(self) -> None:
            self.model = model
            if not broken:
                self.shown = [weight.value for weight in model.weights]

        @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
        def predict(self, x):
            return {"y": self.model(x)}

        @tf.function(input_signature=[tf.TensorSpec([None, 3], tf.float32)])
        def picky(self, x):
            with tf.control_dependencies([tf.debugging.assert_positive(tf.reduce_sum(x))]):
                return {"y": x + 1}

    module = Wrapped()
    signatures = {"serving_default": module.predict, "picky": module.picky}
    tf.saved_model.save(module, str(path), signatures=signatures)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "1"
    export(path, broken=False)
    return path


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:7])


def _flip(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(bytes([content[0] ^ 1]) + content[1:])


DATA = "variables.data-00000-of-00001"


@pytest.mark.parametrize(
    ("file", "damage", "code", "words"),
    [
        (DATA, Path.unlink, grpc.StatusCode.NOT_FOUND, f"{DATA}; No such file or directory\n"),
        (DATA, _cut, grpc.StatusCode.OUT_OF_RANGE, "Read less bytes than requested\n"),
        (DATA, _flip, grpc.StatusCode.DATA_LOSS, "Checksum does not match"),
        ("variables.index", _cut, grpc.StatusCode.DATA_LOSS, "file is too short to be an sstable"),
        ("variables.index", _flip, grpc.StatusCode.DATA_LOSS, "block checksum mismatch"),
    ],
)
def test_variables_that_are_damaged(exported, tmp_path, file, damage, code, words):
    """They have the code and the words of the kernel that restores them, in the status as well."""
    path = shutil.copytree(exported, tmp_path / "1")
    damage(path / "variables" / file)
    with pytest.raises(tf.errors.OpError) as caught:
        Servable("mlp", 1, path)
    failure = Failure.of(caught.value)
    assert (failure.code, words in failure.message) == (code.value[0], True), failure
    assert "{{node RestoreV2}}" in failure.message


def test_variables_that_are_not_there(exported, tmp_path):
    """Such a version loads, as there; the trial finds it out, and says what to copy."""
    path = shutil.copytree(exported, tmp_path / "1")
    shutil.rmtree(path / "variables")
    servable = Servable("mlp", 1, path)
    with pytest.raises(ServingError, match=r"variables.index is not there: copy the version") as it:
        try_signatures(servable, path)
    assert it.value.code is grpc.StatusCode.FAILED_PRECONDITION
    servable.close()


def test_a_graph_that_cannot_be_imported(exported, tmp_path):
    """Its error is INVALID_ARGUMENT, not one of Python's."""
    path = shutil.copytree(exported, tmp_path / "1")
    message = saved_model_pb2.SavedModel.FromString((path / "saved_model.pb").read_bytes())
    message.meta_graphs[0].graph_def.node[0].input.append("nowhere")
    (path / "saved_model.pb").write_bytes(message.SerializeToString())
    with pytest.raises(ServingError, match="nowhere") as caught:
        Servable("mlp", 1, path)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


def test_a_version_whose_variables_are_missing_is_found_out(tmp_path):
    """It loads, and each call must fail; one that merely refuses zeros is served."""
    for name in ("good", "broken"):
        export(tmp_path / name, broken=name == "broken")
    good, broken = (Servable("mlp", 1, tmp_path / name) for name in ("good", "broken"))
    try_signatures(good)
    with pytest.raises(ServingError, match=r"model\.export\(directory\)") as caught:
        try_signatures(broken)
    assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
    good.close()
    broken.close()
