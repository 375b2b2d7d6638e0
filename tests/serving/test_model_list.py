"""The list of models: version labels, and which of them are classifiers."""

import asyncio
from dataclasses import replace

import pytest

from tests.serving.asked_gateway import LABELS, FakeServers, Http
from vitrine_client.errors import ModelFault, NotFound, Unavailable
from vitrine_client.results.predictions import VersionStatus
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import FASHION_MNIST
from vitrine_serving.gateway.api.models import ModelList
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.upstream.listed_models import ListedModels


@pytest.fixture
def made(servers, clock):
    """A list of three models, one of which is a regression and one unknown."""
    return ModelList(servers, ListedModels(models=("mlp", "linear", "gone")), now=clock)


async def models(made: ModelList):
    return {model.name: model for model in await made.models(5)}


def asked(servers: FakeServers) -> list[str]:
    """The version labels that were looked for, since the last time."""
    found = [f"{spec.name} {spec.version_label}" for spec in servers.resolved]
    servers.resolved.clear()
    return found


def test_labels_and_classifiers(made):
    """A model has the version labels that lead somewhere; one that no picture can be sent to is no
    classifier, and it is said why."""
    found = asyncio.run(models(made))
    assert found["mlp"].version_labels == {"stable": 3, "canary": 2}
    assert [found[name].classifier for name in found] == [True, False, None]
    assert [found[name].reason for name in found] == ["", "it answers numbers", ""]
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
    """Without a description the states and version labels are listed, and nothing is made up."""
    servers.signatures.clear()
    found = asyncio.run(models(made))["mlp"]
    assert [status.version for status in found.statuses] == [3, 2]
    assert (found.version_labels, found.classifier) == ({"stable": 3, "canary": 2}, None)
    assert found.reason == "no such signature"


def test_what_is_assumed_of_a_foreign_model(made, servers):
    """It is in the list, as pictures that are made otherwise are answered otherwise."""
    profile = replace(FASHION_MNIST, sources={"scaling": "assumed", "fit": "profile.json"})
    servers.described["mlp"] = Description(LABELS, {}, profile)
    found = asyncio.run(models(made))["mlp"]
    assert found.classifier
    assert found.assumptions == ["scaling 0..1 assumed: write profile.json to change it"]


class Hostile(FakeServers):
    """One of its models fails to say what it is, in words of its own."""

    async def describe(self, model, version, *, timeout_s, first=None):
        if model == "linear":
            raise ModelFault("\x1b[2J\udcff" + "<b>" * 1_000_000)
        return await super().describe(model, version, timeout_s=timeout_s)


def test_a_model_that_fails_takes_no_list_down(runner):
    """Its words are bounded, and hold nothing that a terminal obeys."""
    settings = Settings(models=("mlp", "linear"))
    mlp, linear = Http(create_app(settings, Hostile()), runner).get("/v1/models").json()["models"]
    assert (mlp["classifier"], "reason" in mlp) == (True, False)
    assert "classifier" not in linear
    assert linear["reason"].startswith("\\u001b[2J\\udcff<b><b>")
    assert len(linear["reason"]) == 500


def test_a_model_server_that_is_away(made, servers):
    """Without states there is no list."""
    servers.error = Unavailable("nobody there")
    with pytest.raises(Unavailable):
        asyncio.run(models(made))


def test_the_list_over_http(servers, runner):
    """Labels are versions as text, as in TensorFlow Serving's JSON; being ready asks for none."""
    settings = Settings(models=("mlp", "linear", "gone"), version_labels=("stable", "old"))
    http = Http(create_app(settings, servers), runner)
    http.get("/readyz?models=1")
    assert asked(servers) == []
    mlp, linear, gone = http.get("/v1/models").json()["models"]
    assert mlp["version_labels"] == {"stable": "3"}
    assert (mlp["classifier"], linear["classifier"]) == (True, False)
    assert ("reason" in mlp, linear["reason"]) == (False, "it answers numbers")
    assert "assumptions" not in mlp
    assert gone == {"name": "gone", "model_version_status": [], "version_labels": {}}


class WithoutPhoto(FakeServers):
    """Serves models of before there was `photo`; of that it has what its field says."""

    photo: tuple[VersionStatus, ...] = ()

    async def status(self, model, *, version=None, label=None, timeout_s):
        if model != "photo":
            return await super().status(model, timeout_s=timeout_s)
        if not self.photo:
            raise NotFound("Could not find any versions of model photo")
        return list(self.photo)


def test_the_default_model_may_be_missing(runner, caplog):
    """Who does not name the models is ready without `photo`, which is then not listed; the log says
    so once. Named by hand it is expected, as all others are."""
    caplog.set_level("INFO", "vitrine_serving.gateway.api.models")
    http = Http(create_app(Settings(), WithoutPhoto()), runner)
    for _ in range(3):
        answer = http.get("/readyz?models=1")
        assert answer.status_code == 200
        assert answer.json() == {"ready": True, "models": {"softmax": True, "mlp": True}}
    listed = http.get("/v1/models").json()["models"]
    assert [model["name"] for model in listed] == ["softmax", "mlp"]
    assert [record.getMessage() for record in caplog.records] == [
        "The model photo, of the default list, is not served; ready without it"
    ]
    settings = Settings(models="softmax,mlp,photo")
    answer = Http(create_app(settings, WithoutPhoto()), runner).get("/readyz?models=1")
    assert (answer.status_code, answer.json()["models"]["photo"]) == (503, False)


@pytest.mark.parametrize("state", ["AVAILABLE", "LOADING", "END"])
def test_the_default_model_is_listed_where_it_is_known(runner, state):
    """A gateway that was ready stays so while it loads, and if that fails: another model answers in
    its place. The list shows in which state it is."""
    servers = WithoutPhoto()
    http = Http(create_app(Settings(), servers), runner)
    assert http.get("/readyz?models=1").status_code == 200
    servers.photo = (VersionStatus(1, state),)
    answer = http.get("/readyz?models=1")
    assert answer.status_code == 200
    assert answer.json()["models"] == {
        "softmax": True,
        "mlp": True,
        "photo": state == "AVAILABLE",
    }
    photo = http.get("/v1/models").json()["models"][-1]
    assert (photo["name"], photo["model_version_status"][0]["state"]) == ("photo", state)


@pytest.mark.parametrize("missing", ["softmax", "mlp"])
def test_others_of_the_default_list_are_needed(runner, missing):
    """As ever."""

    class Without(FakeServers):
        async def status(self, model, **which):
            return await super().status("gone" if model == missing else model, **which)

    answer = Http(create_app(Settings(), Without()), runner).get("/readyz?models=1")
    assert (answer.status_code, answer.json()["models"][missing]) == (503, False)


def test_an_empty_variable_is_no_list(monkeypatch):
    """Compose sets it to nothing where nobody has set it."""
    monkeypatch.setenv("VITRINE_MODELS", "")
    assert Settings().listed.optional_models == {"photo"}
    for named in ("softmax,mlp", "photo", "softmax,mlp,photo"):
        monkeypatch.setenv("VITRINE_MODELS", named)
        assert Settings().listed.optional_models == frozenset()
