"""Loads that fail, are tried again, and are not wanted any more; threads are real."""

import threading

import grpc
import pytest

from harness.waiting import wait_for
from tests.serving.fake_models import (
    publish,
    reach,
    remove,
    states,
)
from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.repository.config import ModelConfig
from vitrine_serving.model_server.repository.repository import ServableStatus

NEVER_S = 3600.0


def test_retries_are_counted(base, load, start):
    """After the last the version has ended, and it isn't tried again as long as it stays."""
    publish(base, 2, broken=True)
    only_two = ModelConfig("mlp", base, specific=(2,))
    repository = start(only_two, load_retries=3, retry_interval_s=0.01)
    assert load.tries == {("mlp", 2): 4}
    assert repository.versions("mlp") == [ServableStatus(2, "END", 2, "ValueError: no graph")]
    for _ in range(3):
        repository.refresh()
    assert states(repository) == {2: "END"}
    assert load.tries["mlp", 2] == 4


def test_a_retry_may_help(base, load, start):
    """Until then the version is LOADING, and says nothing of an error."""
    load.errors[1] = OSError("disk on fire")
    repository = start(
        ModelConfig("mlp", base), wait=False, retry_interval_s=0.01, load_retries=9999
    )
    wait_for(lambda: load.tries["mlp", 1] > 1, 30, "a retry")
    assert repository.versions("mlp") == [ServableStatus(1, "LOADING")]
    load.errors.clear()
    reach(repository, {1: "AVAILABLE"})
    assert repository.versions("mlp") == [ServableStatus(1, "AVAILABLE")]


def test_waiting_for_a_retry_holds_no_thread(base, load, start, tmp_path):
    """Another model is loaded by the only thread meanwhile."""
    publish(tmp_path / "bad", 1, broken=True)
    configs = [ModelConfig("bad", tmp_path / "bad"), ModelConfig("mlp", base)]
    repository = start(
        *configs, wait=False, load_threads=1, load_retries=1, retry_interval_s=NEVER_S
    )
    reach(repository, {1: "AVAILABLE"})
    assert states(repository, "bad") == {1: "LOADING"}
    assert load.tries["bad", 1] == 1


def test_retries_of_a_removed_version_are_abandoned(base, load, start):
    """At once, with the error that it had."""
    repository = start(ModelConfig("mlp", base), load_retries=1, retry_interval_s=NEVER_S)
    publish(base, 2, broken=True)
    repository.refresh()
    wait_for(lambda: load.failures["mlp", 2] == 1, 30, "the first try")
    remove(base, 2)
    repository.refresh()
    reach(repository, {2: "END", 1: "AVAILABLE"})
    assert repository.versions("mlp", 2)[0].error_message == "ValueError: no graph"
    assert load.tries["mlp", 2] == 1


def test_a_retry_in_a_hundred_thousand_years(base, load, start):
    """Longer than a thread can wait at once; those that load go on."""
    repository = start(ModelConfig("mlp", base), load_retries=1, retry_interval_s=2**63 / 1e6)
    publish(base, 2, broken=True)
    repository.refresh()
    wait_for(lambda: load.failures["mlp", 2] == 1, 30, "the first try")
    publish(base, 3)
    repository.refresh()
    reach(repository, {3: "AVAILABLE", 2: "END", 1: "END"})


def test_a_repaired_version_is_tried_at_once(base, load, start):
    """While it waits for a retry: another directory is another chance."""
    repository = start(ModelConfig("mlp", base), load_retries=1, retry_interval_s=NEVER_S)
    publish(base, 2, broken=True)
    repository.refresh()
    wait_for(lambda: load.failures["mlp", 2] == 1, 30, "the first try")
    (base / "2" / "broken").unlink()
    repository.refresh()
    reach(repository, {2: "AVAILABLE", 1: "END"})


def test_an_ended_version_stays_as_it_is_until_it_was_gone(base, load, start):
    """As TensorFlow Serving's: repaired in place, or replaced between two looks, it is not tried
    again; set aside for one look and put back, it is."""
    publish(base, 2, broken=True)
    repository = start(ModelConfig("mlp", base, specific=(2,)), load_retries=0)
    assert states(repository) == {2: "END"}
    (base / "2" / "broken").unlink()
    for _ in range(3):
        repository.refresh()
    remove(base, 2)
    publish(base, 2)
    repository.refresh()
    assert states(repository) == {2: "END"}
    assert load.tries["mlp", 2] == 1
    (base / "2").rename(base / ".2")
    repository.refresh()
    [status] = repository.versions("mlp")
    assert (status.state, status.error_message) == ("END", "ValueError: no graph")
    (base / ".2").rename(base / "2")
    repository.refresh()
    reach(repository, {2: "AVAILABLE"})


def test_a_version_that_is_replaced_while_it_fails_gets_another_try(base, load, start):
    """Though the try was its last: what failed is not what lies there now."""
    load.gates[1] = threading.Event()
    load.errors[1] = ValueError("half of it")
    repository = start(ModelConfig("mlp", base), wait=False)
    reach(repository, {1: "LOADING"})
    (base / "1" / "the other half").touch()
    repository.refresh()
    load.gates[1].set()
    reach(repository, {1: "END"})
    assert load.tries["mlp", 1] == 2


def test_a_version_removed_while_it_loads_never_answers(base, load, start):
    """It is closed as soon as it is loaded, and was cancelled."""
    repository = start(ModelConfig("mlp", base))
    load.gates[2] = threading.Event()
    publish(base, 2)
    repository.refresh()
    reach(repository, {2: "LOADING", 1: "AVAILABLE"})
    remove(base, 2)
    repository.refresh()
    load.gates[2].set()
    reach(repository, {2: "END", 1: "AVAILABLE"})
    assert repository.versions("mlp", 2) == [
        ServableStatus(2, "END", 1, "Loading of servable cancelled")
    ]
    assert load.closes() == {1: 0, 2: 1}


def test_a_model_that_moves_while_it_loads_is_loaded_from_its_new_place(
    base, load, start, tmp_path
):
    """What came from the old directory does not answer for the new one."""
    load.gates[1] = threading.Event()
    repository = start(ModelConfig("mlp", base), wait=False)
    reach(repository, {1: "LOADING"})
    publish(tmp_path / "new", 1)
    repository.configure([ModelConfig("mlp", tmp_path / "new")], wait=False)
    load.gates[1].set()
    reach(repository, {1: "AVAILABLE"})
    assert [servable.closes for servable in load.loaded] == [1, 0]


class NotFound(Exception):
    """Like `tf.errors.OpError`."""

    error_code = 5
    message = "no saved_model.pb"


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (MemoryError("too large"), 2, "MemoryError: too large"),
        (SystemExit(3), 2, "SystemExit: 3"),
        (NotFound("in some words"), 5, "no saved_model.pb"),
        (ServingError(grpc.StatusCode.INTERNAL, "warm-up"), 13, "warm-up"),
    ],
)
def test_whatever_a_load_raises_the_thread_goes_on(base, load, start, error, code, message):
    """The status has the error's own code if it has one, else UNKNOWN."""
    load.errors[1] = error
    repository = start(ModelConfig("mlp", base), load_retries=0, load_threads=1)
    assert repository.versions("mlp") == [ServableStatus(1, "END", code, message)]
    publish(base, 2)
    repository.refresh()
    reach(repository, {2: "AVAILABLE", 1: "END"})


def test_models_load_in_parallel_within_bounds(load, start, tmp_path):
    """Two threads load two at a time; the others have to start yet."""
    load.gates[1] = threading.Event()
    names = ["a", "b", "c"]
    for name in names:
        publish(tmp_path / name, 1)
    configs = [ModelConfig(name, tmp_path / name) for name in names]
    repository = start(*configs, wait=False, load_threads=2)
    wait_for(lambda: len(load.tries) == 2, 30, "two loads")
    assert sorted(states(repository, name)[1] for name in names) == ["LOADING", "LOADING", "START"]
    load.gates[1].set()
    for name in names:
        reach(repository, {1: "AVAILABLE"}, name)


def test_what_has_nothing_to_answer_with_is_loaded_first(load, start, tmp_path):
    """The newest of each model comes before the older ones of any."""
    load.gates[9] = threading.Event()
    for version in (7, 8, 9):
        publish(tmp_path / "a", version)
    publish(tmp_path / "b", 1)
    configs = [ModelConfig(name, tmp_path / name, latest=0) for name in ("a", "b")]
    repository = start(*configs, wait=False, load_threads=1)
    reach(repository, {9: "LOADING", 8: "START", 7: "START"}, "a")
    load.gates[9].set()
    reach(repository, dict.fromkeys((7, 8, 9), "AVAILABLE"), "a")
    assert [servable.version for servable in load.loaded] == [9, 1, 8, 7]
