"""Requests use versions while they come and go: none fails, none meets a closed one."""

import hashlib
import threading
from contextlib import suppress

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

REQUEST = bytes(200_000)


def test_a_version_is_closed_after_its_last_request(base, load, start):
    """It is UNLOADING meanwhile, gets no new request, and is closed once."""
    repository = start(ModelConfig("mlp", base))
    with repository.use("mlp") as first, repository.use("mlp", 1) as second:
        publish(base, 2)
        repository.refresh()
        reach(repository, {2: "AVAILABLE", 1: "UNLOADING"})
        with repository.use("mlp") as third:
            assert (first.version, second.version, third.version) == (1, 1, 2)
        with pytest.raises(ServingError, match=r"Specific\(mlp, 1\)"):
            repository.use("mlp", 1).__enter__()
        assert load.closes() == {1: 0, 2: 0}
    reach(repository, {2: "AVAILABLE", 1: "END"})
    assert load.closes() == {1: 1, 2: 0}


def test_a_request_that_fails_gives_its_version_back(base, load, start):
    """An exception in the block ends the use as well."""
    repository = start(ModelConfig("mlp", base))
    with suppress(ZeroDivisionError), repository.use("mlp"):
        raise ZeroDivisionError
    remove(base, 1)
    repository.refresh()
    reach(repository, {1: "END"})
    assert load.closes() == {1: 1}


def test_a_version_that_returns_while_it_unloads_is_loaded_again(base, load, start):
    """Without another look at the disk, because there may be none."""
    repository = start(ModelConfig("mlp", base))
    with repository.use("mlp"):
        repository.configure([])
        assert states(repository) == {1: "UNLOADING"}
        repository.configure([ModelConfig("mlp", base)], wait=False)
        assert states(repository) == {1: "UNLOADING"}
    reach(repository, {1: "AVAILABLE"})
    assert [servable.closes for servable in load.loaded] == [1, 0]


def test_a_failing_close_is_an_end_too(base, load, start, caplog):
    """The thread that closes goes on."""
    repository = start(ModelConfig("mlp", base))
    load.loaded[0].close = lambda: 1 / 0
    for version in (2, 3):
        publish(base, version)
        repository.refresh()
        reach(repository, {version: "AVAILABLE"} | dict.fromkeys(range(1, version), "END"))
    assert "mlp/1 failed to close: ZeroDivisionError" in caplog.text


def test_stop_abandons_retries_and_whoever_waits(base, load, start):
    """`configure` returns, and what is loaded goes on answering."""
    repository = start(ModelConfig("mlp", base), load_retries=1, retry_interval_s=3600.0)
    load.errors[7] = OSError("gone")
    publish(base.parent / "new", 7)
    configs = [ModelConfig("mlp", base), ModelConfig("new", base.parent / "new")]

    def reload() -> None:
        with suppress(ServingError):
            repository.configure(configs)

    waiting = threading.Thread(target=reload)
    waiting.start()
    wait_for(lambda: load.tries["new", 7] == 1, 30, "the first try")
    assert waiting.is_alive()
    repository.stop()
    waiting.join(30)
    assert not waiting.is_alive()
    with repository.use("mlp") as servable:
        assert servable.closes == 0


def test_no_request_fails_while_versions_swap(base, load, start):
    """8 clients, 50 versions: always an answer, never by a closed version, each closed once."""
    repository = start(ModelConfig("mlp", base))
    swapped, wrong, answered = threading.Event(), [], [0] * 8

    def ask(client: int) -> None:
        while not swapped.is_set():
            try:
                with repository.use("mlp") as servable:
                    before = servable.closes
                    hashlib.sha256(REQUEST).digest()  # work, during which others run
                    answered[client] += 1
                    if before or servable.closes:
                        wrong.append(servable)
            except ServingError as error:
                wrong.append(error)

    clients = [threading.Thread(target=ask, args=(client,)) for client in range(8)]
    for client in clients:
        client.start()
    try:
        for version in range(2, 52):
            publish(base, version, broken=version % 10 == 0)
            repository.refresh()
            if version % 10:
                remove(base, version - 1)
                wait_for(lambda v=version: states(repository).get(v) == "AVAILABLE", 60, "a swap")
    finally:
        swapped.set()
        for client in clients:
            client.join(30)
    assert not wrong
    assert min(answered) > 0
    wait_for(lambda: list(states(repository).values()).count("END") == 50, 30, "the unloads")
    assert load.closes() == {n: 1 for n in range(1, 51) if n % 10} | {51: 0}
