"""Versions come and go as their directories do; loading is faked, directories are real."""

import threading

import grpc
import pytest

from tests.serving.fake_models import (
    answers,
    publish,
    reach,
    refusal,
    remove,
    states,
)
from vitrine_serving.model_server.repository.config import ModelConfig
from vitrine_serving.model_server.repository.repository import VersionStatus


def test_the_newest_version_answers_and_the_old_one_ends(base, start):
    """A new directory is loaded at the next look, and then the old version is unloaded."""
    repository = start(ModelConfig("mlp", base))
    assert answers(repository) == 1
    publish(base, 2)
    repository.refresh()
    reach(repository, {2: "AVAILABLE", 1: "END"})
    assert answers(repository) == 2
    assert repository.versions("mlp", 1) == [VersionStatus(1, "END")]
    assert [v.number for v in repository.versions("mlp")] == [2, 1]
    assert refusal(answers, repository, 1)[1] == "Servable not found for request: Specific(mlp, 1)"


def test_the_old_version_serves_while_the_new_one_loads(base, load, start):
    """Nothing is unloaded before something newer answers."""
    repository = start(ModelConfig("mlp", base))
    load.gates[2] = threading.Event()
    publish(base, 2)
    repository.refresh()
    reach(repository, {2: "LOADING", 1: "AVAILABLE"})
    assert answers(repository) == 1
    assert "Specific(mlp, 2)" in refusal(answers, repository, 2)[1]
    load.gates[2].set()
    reach(repository, {2: "AVAILABLE", 1: "END"})


def test_a_broken_version_does_not_take_the_good_one_down(base, load, start):
    """The old version serves on, and the new one tells its error and stays listed."""
    repository = start(ModelConfig("mlp", base))
    publish(base, 2, broken=True)
    repository.refresh()
    reach(repository, {2: "END", 1: "AVAILABLE"})
    assert answers(repository) == 1
    assert repository.versions("mlp", 2) == [VersionStatus(2, "END", 2, "ValueError: no graph")]
    publish(base, 3)
    repository.refresh()
    reach(repository, {3: "AVAILABLE", 2: "END", 1: "END"})
    assert repository.versions("mlp", 2)[0].error_message == "ValueError: no graph"


def test_removing_the_newest_brings_the_older_back(base, load, start):
    """A rollback is the removal of a directory; the newest serves until the older is loaded."""
    publish(base, 2)
    repository = start(ModelConfig("mlp", base))
    load.gates[1] = threading.Event()
    remove(base, 2)
    repository.refresh()
    reach(repository, {2: "AVAILABLE", 1: "LOADING"})
    load.gates[1].set()
    reach(repository, {2: "END", 1: "AVAILABLE"})


def test_what_is_no_version_is_ignored(base, start):
    """Half-written versions, locks and stray files have no integer name, or are no directory."""
    (base / ".unfinished-2").mkdir()
    (base / ".lock").touch()
    (base / "3").touch()
    assert states(start(ModelConfig("mlp", base))) == {1: "AVAILABLE"}


@pytest.mark.parametrize(
    ("policy", "served"),
    [
        ({}, {10}),
        ({"latest": 2}, {9, 10}),
        ({"latest": 0}, {1, 9, 10}),
        ({"specific": (1, 10, 11)}, {1, 10}),
    ],
)
def test_policies(base, start, policy, served):
    """`latest`, `all` and `specific` decide what is loaded; 10 is newer than 9."""
    publish(base, 9)
    publish(base, 10)
    repository = start(ModelConfig("mlp", base, **policy))
    assert states(repository) == dict.fromkeys(served, "AVAILABLE")
    assert answers(repository) == 10
    assert {answers(repository, version) for version in served} == served


def test_of_several_old_versions_one_stays_until_a_new_one_answers(base, load, start):
    """TensorFlow Serving's policy keeps the newest of the unwanted, and unloads the others."""
    publish(base, 2)
    repository = start(ModelConfig("mlp", base, latest=2))
    for version in (3, 4):
        load.gates[version] = threading.Event()
        publish(base, version)
    repository.refresh()
    reach(repository, {4: "LOADING", 3: "LOADING", 2: "AVAILABLE", 1: "END"})
    load.gates[3].set()
    reach(repository, {4: "LOADING", 3: "AVAILABLE", 2: "END", 1: "END"})
    load.gates[4].set()
    reach(repository, {4: "AVAILABLE", 3: "AVAILABLE", 2: "END", 1: "END"})
    publish(base, 5, broken=True)
    publish(base, 6, broken=True)
    repository.refresh()
    reach(repository, {6: "END", 5: "END", 4: "AVAILABLE", 3: "END", 2: "END", 1: "END"})


def test_unknown_names_and_versions(base, start):
    """TensorFlow Serving's words and codes for what is not there."""
    repository = start(ModelConfig("mlp", base))
    missing = grpc.StatusCode.NOT_FOUND
    for call, message in (
        (lambda: answers(repository, 9), "Servable not found for request: Specific(mlp, 9)"),
        (lambda: repository.use("x").__enter__(), "Servable not found for request: Latest(x)"),
        (lambda: repository.versions("x"), "Could not find any versions of model x"),
        (lambda: repository.versions("mlp", 9), "Could not find version 9 of model mlp"),
    ):
        assert refusal(call) == (missing, message)


def test_a_directory_that_cannot_be_read_keeps_what_is_loaded(base, start, tmp_path, caplog):
    """A base path that is gone, or is a file, is no order to unload; other models go on."""
    publish(tmp_path / "softmax", 1)
    repository = start(ModelConfig("mlp", base), ModelConfig("softmax", tmp_path / "softmax"))
    base.rename(tmp_path / "away")
    repository.refresh()
    base.touch()
    publish(tmp_path / "softmax", 2)
    repository.refresh()
    reach(repository, {2: "AVAILABLE", 1: "END"}, "softmax")
    assert states(repository) == {1: "AVAILABLE"}
    assert "Looking for versions of mlp failed" in caplog.text
    base.unlink()
    (tmp_path / "away").rename(base)
    publish(base, 2)
    repository.refresh()
    reach(repository, {2: "AVAILABLE", 1: "END"})


def test_where_all_versions_are_removed_all_are_unloaded(base, load, start):
    """An empty directory is an order, as with TensorFlow Serving."""
    publish(base, 2)
    repository = start(ModelConfig("mlp", base, latest=0))
    remove(base, 1)
    remove(base, 2)
    repository.refresh()
    reach(repository, {2: "END", 1: "END"})
    assert load.closes() == {1: 1, 2: 1}
    assert refusal(answers, repository)[1] == "Servable not found for request: Latest(mlp)"


def test_polling_finds_what_is_renamed_into_place(base, load, start):
    """And ends with `stop`."""
    repository = start(ModelConfig("mlp", base))
    polling = threading.Thread(target=repository.poll, args=(0.01,))
    polling.start()
    publish(base, 2)
    reach(repository, {2: "AVAILABLE", 1: "END"})
    repository.stop()
    polling.join(30)
    assert not polling.is_alive()
