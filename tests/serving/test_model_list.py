"""The list of models: version labels, and which of them are classifiers."""

import asyncio

import pytest

from tests.serving.asked_gateway import FakeServers, Http
from vitrine_client.errors import Unavailable
from vitrine_serving.gateway import create_app
from vitrine_serving.gateway.model_list import ModelList
from vitrine_serving.gateway.settings import Settings


@pytest.fixture
def made(servers, clock):
    """A list of three models, one of which is a regression and one unknown."""
    return ModelList(servers, Settings(models=("mlp", "linear", "gone")), now=clock)


async def models(made: ModelList):
    return {model.name: model for model in await made.models(5)}


def asked(servers: FakeServers) -> list[str]:
    """The version labels that were looked for, since the last time."""
    found = [f"{spec.name} {spec.version_label}" for spec in servers.called]
    servers.called.clear()
    return found


def test_labels_and_classifiers(made):
    """A model has the version labels that lead somewhere; who names no classes classifies none."""
    found = asyncio.run(models(made))
    assert found["mlp"].version_labels == {"stable": 3, "canary": 2}
    assert [found[name].classifier for name in found] == [True, False, None]
    assert (found["gone"].statuses, found["gone"].version_labels) == ([], {})


def test_a_label_that_is_not_there(made, servers):
    """A version label that no version has is left out."""
    del servers.labels["canary"]
    assert asyncio.run(models(made))["linear"].version_labels == {"stable": 3}


def test_labels_are_remembered_for_seconds(made, servers, clock):
    """Who asks again at once costs no call; soon after, a label that moved is seen."""
    asyncio.run(models(made))
    assert sorted(asked(servers)) == [
        *("linear canary", "linear stable", "mlp canary", "mlp stable"),
    ]
    servers.labels["stable"] = 2
    clock.s += 2
    assert asyncio.run(models(made))["mlp"].version_labels["stable"] == 3
    assert asked(servers) == []
    clock.s += 2
    assert asyncio.run(models(made))["mlp"].version_labels["stable"] == 2


def test_versions_that_say_nothing(made, servers):
    """Without a description the states are listed, and nothing is made up."""
    servers.signatures.clear()
    found = asyncio.run(models(made))["mlp"]
    assert [status.version for status in found.statuses] == [3, 2]
    assert (found.version_labels, found.classifier) == ({}, None)


def test_a_model_server_that_is_away(made, servers):
    """Without states there is no list."""
    servers.error = Unavailable("nobody there")
    with pytest.raises(Unavailable):
        asyncio.run(models(made))


def test_the_list_over_http(servers, runner):
    """Labels are versions as text, as in TensorFlow Serving's JSON; being ready asks for none."""
    settings = Settings(models=("mlp", "linear", "gone"), version_labels=("stable", "old"))
    http = Http(create_app(settings, servers), runner)
    http.get("/readyz")
    assert asked(servers) == []
    mlp, linear, gone = http.get("/v1/models").json()["models"]
    assert mlp["version_labels"] == {"stable": "3"}
    assert (mlp["classifier"], linear["classifier"]) == (True, False)
    assert gone == {"name": "gone", "model_version_status": [], "version_labels": {}}
