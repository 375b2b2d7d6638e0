"""A config replaces the one before: models, policies and labels."""

import threading
from pathlib import Path

import grpc
import pytest
from tensorflow_serving.apis import model_management_pb2

from tests.serving.fake_models import (
    answers,
    publish,
    reach,
    refusal,
    remove,
    states,
)
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.api.dataplane import ModelServerApi
from vitrine_serving.model_server.metrics import ServingMetrics
from vitrine_serving.model_server.repository.config import ModelConfig
from vitrine_serving.model_server.repository.repository import Repository


def test_a_reload_replaces_the_whole_set(base, start, tmp_path):
    """New models are there when it returns; unlisted ones unload, and stay listed."""
    publish(tmp_path / "softmax", 4)
    repository = start(ModelConfig("mlp", base))
    repository.configure([ModelConfig("softmax", tmp_path / "softmax")])
    assert states(repository, "softmax") == {4: "AVAILABLE"}
    reach(repository, {1: "END"})
    publish(base, 2)
    repository.refresh()
    assert states(repository) == {1: "END"}
    repository.configure([ModelConfig("mlp", base)])
    assert states(repository) == {2: "AVAILABLE", 1: "END"}
    reach(repository, {4: "END"}, "softmax")


def test_a_reload_does_not_wait_for_new_versions_of_a_known_model(base, load, start):
    """As `ReloadConfig`: the call returns while version 1 is loading."""
    publish(base, 2)
    repository = start(ModelConfig("mlp", base))
    load.gates[1] = threading.Event()
    repository.configure([ModelConfig("mlp", base, latest=2)])
    reach(repository, {2: "AVAILABLE", 1: "LOADING"})
    load.gates[1].set()
    reach(repository, {2: "AVAILABLE", 1: "AVAILABLE"})


def test_the_start_waits_for_all_versions(base, load, start):
    """It would be of no use to open the ports before the labels have versions."""
    load.gates[1] = threading.Event()
    publish(base, 2)
    idle = Repository(load, load_retries=0)
    starting_up = threading.Thread(target=idle.configure, args=([ModelConfig("mlp", base, 0)],))
    starting_up.start()
    reach(idle, {2: "AVAILABLE", 1: "LOADING"})
    assert starting_up.is_alive()
    load.gates[1].set()
    starting_up.join(30)
    assert states(idle) == {2: "AVAILABLE", 1: "AVAILABLE"}
    idle.stop()


def test_a_reload_waits_for_one_version_of_a_new_model(base, load, start):
    """As TensorFlow Serving, which asks for any version of it."""
    load.gates[1] = threading.Event()
    publish(base, 2)
    repository = start()
    repository.configure([ModelConfig("mlp", base, latest=0)])
    assert states(repository)[2] == "AVAILABLE"
    assert states(repository)[1] in ("START", "LOADING")


def test_a_reload_tells_of_a_new_model_that_failed(base, start, tmp_path):
    """In server_core.cc's words; the other models are as the new config has them."""
    publish(tmp_path / "bad", 3, broken=True)
    publish(tmp_path / "softmax", 1)
    repository = start(ModelConfig("mlp", base))
    configs = [ModelConfig(name, tmp_path / name) for name in ("softmax", "bad")]
    assert refusal(repository.configure, configs) == (
        grpc.StatusCode.UNKNOWN,
        "1 model(s) did not become available: "
        "{{{name: bad version: 3} due to error: UNKNOWN: ValueError: no graph}, }",
    )
    reach(repository, {1: "END"})
    assert states(repository, "softmax") == {1: "AVAILABLE"}


@pytest.mark.parametrize("latest", [1, 0])
def test_a_reload_tells_of_a_new_model_whose_newest_version_failed(base, start, tmp_path, latest):
    """Also where an older one stands in, or is wanted as well: it answers when the call returns."""
    publish(tmp_path / "half", 1)
    publish(tmp_path / "half", 2, broken=True)
    repository = start(ModelConfig("mlp", base))
    half = ModelConfig("half", tmp_path / "half", latest=latest)
    code, words = refusal(repository.configure, [half])
    assert code is grpc.StatusCode.UNKNOWN
    assert "{name: half version: 2} due to error: UNKNOWN: ValueError: no graph" in words
    assert states(repository, "half") == {2: "END", 1: "AVAILABLE"}
    repository.configure([half])  # it is no new one any more


def test_a_reload_waits_for_the_newest_version(base, load, start, tmp_path):
    """Not only for an older one that is loaded sooner."""
    publish(tmp_path / "half", 1)
    publish(tmp_path / "half", 2)
    load.gates[2] = threading.Event()
    repository = start(ModelConfig("mlp", base))
    half = ModelConfig("half", tmp_path / "half", latest=0)
    reloading = threading.Thread(target=repository.configure, args=([half],))
    reloading.start()
    reach(repository, {2: "LOADING", 1: "AVAILABLE"}, "half")
    assert reloading.is_alive()
    load.gates[2].set()
    reloading.join(30)
    assert states(repository, "half") == {2: "AVAILABLE", 1: "AVAILABLE"}


def test_at_the_start_a_model_that_fails_does_not_stop_the_others(base, start, tmp_path):
    """Where TensorFlow Serving would exit, the status tells of it; a reload does not repeat it."""
    publish(tmp_path / "bad", 1, broken=True)
    configs = [ModelConfig("bad", tmp_path / "bad"), ModelConfig("mlp", base)]
    repository = start(*configs)
    assert states(repository, "bad") == {1: "END"}
    assert answers(repository) == 1
    repository.configure(configs)


def test_a_model_without_versions_is_not_waited_for(base, start, tmp_path, caplog):
    """Neither at the start nor later, and it is loaded as soon as it has one."""
    (tmp_path / "empty").mkdir()
    empty = ModelConfig("empty", tmp_path / "empty")
    gone = ModelConfig("gone", tmp_path / "gone")
    repository = start(empty, ModelConfig("mlp", base))
    repository.configure([empty, gone])
    assert "No versions of empty found" in caplog.text
    publish(tmp_path / "empty", 1)
    publish(tmp_path / "gone", 1)
    repository.refresh()
    reach(repository, {1: "AVAILABLE"}, "empty")
    reach(repository, {1: "AVAILABLE"}, "gone")


def labelled(base: Path, latest: int = 0, **labels: int) -> ModelConfig:
    return ModelConfig("mlp", base, latest=latest, version_labels=labels)


UNAVAILABLE = (
    grpc.StatusCode.FAILED_PRECONDITION,
    "Request to assign label to version 2 of model mlp, "
    "which is not currently available for inference",
)


def test_labels_choose_versions(base, start):
    """They may move between AVAILABLE versions, and are gone with the config that has them."""
    publish(base, 2)
    repository = start(labelled(base))
    repository.configure([labelled(base, stable=1, canary=2)])
    assert (answers(repository, label="stable"), answers(repository, label="canary")) == (1, 2)
    repository.configure([labelled(base, stable=2)])
    assert answers(repository, label="stable") == 2
    unknown = (grpc.StatusCode.INVALID_ARGUMENT, "Unrecognized servable version label: canary")
    assert refusal(answers, repository, label="canary") == unknown


def test_a_label_of_an_unknown_model_is_an_unknown_label(start):
    """As in `GetModelVersionForLabel`, which looks at labels only."""
    code, message = refusal(start().use("x", label="stable").__enter__)
    assert code is grpc.StatusCode.INVALID_ARGUMENT
    assert message == "Unrecognized servable version label: stable"


def test_a_label_whose_version_was_removed(base, start):
    """It is still known, and what it stands for is not there."""
    publish(base, 2)
    repository = start(labelled(base))
    repository.configure([labelled(base, stable=1)])
    remove(base, 1)
    repository.refresh()
    reach(repository, {2: "AVAILABLE", 1: "END"})
    code, message = refusal(answers, repository, label="stable")
    assert code is grpc.StatusCode.NOT_FOUND
    assert message == "Servable not found for request: Specific(mlp, 1)"


def test_labels_at_the_start_need_the_flag(base, start):
    """Nothing is AVAILABLE before the first config is loaded, so every label is refused."""
    publish(base, 2)
    assert refusal(start, labelled(base, stable=2)) == UNAVAILABLE
    repository = start(labelled(base, stable=2), allow_unavailable_labels=True)
    assert answers(repository, label="stable") == 2


def test_a_label_that_is_refused_says_what_to_do(base, start):
    """The flag helps where the label is new, and not where it moves."""
    publish(base, 2)
    with pytest.raises(ServingError) as caught:
        start(labelled(base, stable=2))
    assert "--allow_version_labels_for_unavailable_models=true" in caught.value.hint
    repository = start(labelled(base, stable=1), allow_unavailable_labels=True)
    with pytest.raises(ServingError) as caught:
        repository.configure([labelled(base, stable=9)])
    assert caught.value.hint == "Move a label once the version that it goes to is AVAILABLE"


def test_a_label_comes_after_its_version(base, start):
    """A reload that loads a version can't label it; a refused reload changes nothing."""
    publish(base, 2)
    repository = start(ModelConfig("mlp", base, specific=(1,)))
    repository.configure([ModelConfig("mlp", base, specific=(1,), version_labels={"stable": 1})])
    assert refusal(repository.configure, [labelled(base, stable=2)]) == UNAVAILABLE
    assert states(repository) == {1: "AVAILABLE"}
    assert answers(repository, label="stable") == 1


def test_the_flag_does_not_let_a_label_move_to_nowhere(base, start):
    """A label in use goes to AVAILABLE versions only; a new one may wait for its version."""
    repository = start(labelled(base, stable=1), allow_unavailable_labels=True)
    assert refusal(repository.configure, [labelled(base, stable=2)]) == UNAVAILABLE
    repository.configure([labelled(base, stable=1, canary=2)])
    assert "Specific(mlp, 2)" in refusal(answers, repository, label="canary")[1]
    publish(base, 2)
    repository.refresh()
    reach(repository, {2: "AVAILABLE", 1: "AVAILABLE"})
    assert answers(repository, label="canary") == 2


def test_a_reload_that_is_refused_changes_no_label(base, start):
    """Where a new model has a platform that nobody knows, which is found out last."""
    publish(base, 2)
    repository = start(labelled(base))
    repository.configure([labelled(base, stable=1)])
    request = model_management_pb2.ReloadConfigRequest()
    models = request.config.model_config_list.config
    mlp = models.add(name="mlp", base_path=str(base), model_platform="tensorflow")
    mlp.version_labels["stable"] = 2
    models.add(name="odd", base_path=str(base), model_platform="caffe")
    api = ModelServerApi(repository, ServingMetrics())
    assert "unsupported platform caffe" in refusal(api.reload_config, request)[1]
    assert answers(repository, label="stable") == 1
    assert repository.names() == {"mlp"}
    mlp.version_labels["stable"] = 9
    assert refusal(api.reload_config, request)[0] is grpc.StatusCode.FAILED_PRECONDITION
