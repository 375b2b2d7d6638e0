"""What `GET /v1/models/<model>/profile` says: what a version takes, where that is from, and why no
picture can be sent to it."""

import json
from dataclasses import fields, replace

import pytest

from tests.serving.asked_gateway import LABELS, PNG, Http, picture
from vitrine_client.errors import ModelFault
from vitrine_client.results.profiles.completion import drafted
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import FASHION_MNIST, MEMBERS, ModelProfile
from vitrine_client.store import profile_files
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.settings import Settings

PROFILE = "/v1/models/mlp/profile"
COLOUR = ModelProfile(
    *("serving_default", "keras_tensor", (None, 96, 3), "float32", "mean/std"),
    mean=(0.5,),
    std=(0.25, 0.5, 1.0),
    fit="crop",
    output="output_0",
    kind="logits",
    sources={"input": "signature", "fit": "assumed", "mean": "profile.json", "labels": "assumed"},
)


def test_a_model_of_ours(http):
    """Each member is from `describe`, and nothing is assumed."""
    told = http.get(PROFILE).json()
    assert (told["model"], told["version"], told["assumptions"]) == ("mlp", "3", [])
    profile = told["profile"]
    assert profile.keys() == {each.name for each in fields(FASHION_MNIST)} | {"labels"}
    assert (profile["shape"], profile["scaling"], profile["fit"]) == ([28, 28], "0..1", "item")
    assert profile["labels"] == list(LABELS)
    assert profile["sources"] == dict.fromkeys(MEMBERS, "describe")


def test_a_foreign_model(http, servers):
    """What is assumed is said in words, and where each member is from."""
    servers.described["mlp"] = Description(LABELS, {}, COLOUR)
    told = http.get(PROFILE).json()
    assert told["assumptions"] == [
        "fit crop assumed: write profile.json to change it",
        "labels 0, 1, 2… assumed: write labels.txt to name the classes",
    ]
    assert told["profile"]["sources"] == COLOUR.sources
    assert told["profile"]["shape"] == [None, 96, 3]


@pytest.mark.parametrize("profile", [COLOUR, FASHION_MNIST], ids=["foreign", "ours"])
def test_an_answer_is_a_profile_file(http, servers, profile):
    """Saved as one it says the same."""
    servers.described["mlp"] = Description(LABELS, {}, profile)
    text = json.dumps(http.get(PROFILE).json()["profile"])
    layers = profile_files.layers({"profile.json": text})
    channels = [{"size": "3"}] if len(profile.shape) == 3 else []
    shape = [{"size": "-1"}, *[{"size": str(n or -1)} for n in profile.shape[:2]], *channels]
    classes = [{"size": "-1"}, {"size": "10"}]
    signature = {
        "inputs": {profile.input: {"dtype": "DT_FLOAT", "tensor_shape": {"dim": shape}}},
        "outputs": {profile.output: {"dtype": "DT_FLOAT", "tensor_shape": {"dim": classes}}},
    }
    found = drafted({"serving_default": signature}, layers).completed({}, 10)
    assert found.profile.takes_the_same(profile)
    assert found.labels == LABELS


def test_what_no_picture_can_be_sent_to(http, servers):
    """It is no error to ask."""
    expected = {
        "model": "linear",
        "version": "3",
        "profile": None,
        "reason": "it answers numbers",
        "assumptions": [],
    }
    assert http.get("/v1/models/linear/profile").json() == expected
    servers.described["linear"] = Description((), {}, None)
    reason = http.get("/v1/models/linear/profile").json()["reason"]
    assert reason == "it does not say what pictures it takes"


@pytest.mark.parametrize(
    ("place", "version"), [("", "3"), ("/versions/2", "2"), ("/labels/canary", "2")]
)
def test_versions_and_labels(http, servers, place, version):
    """As of a prediction."""
    assert http.get(f"/v1/models/mlp{place}/profile").json()["version"] == version


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/models/nope/profile", 404),
        ("/v1/models/mlp/versions/9/profile", 404),
        ("/v1/models/mlp/labels/none/profile", 400),
    ],
)
def test_versions_that_are_not_there(http, path, status):
    """They are the model server's errors."""
    assert http.get(path).status_code == status


def test_a_version_that_describes_itself_with_nonsense(http, servers):
    """It is the model's fault, and said."""

    async def describe(*_, **__):
        raise ModelFault("Version 3 of mlp answers nonsense")

    servers.describe = describe
    answer = http.get(PROFILE)
    assert (answer.status_code, "nonsense" in answer.json()["detail"]) == (502, True)


HOSTILE = ("\x1b[2J", "\x9b31m", "\u202e", "\u2028", "<script>", "\x00", "\n", "\r", '"', "x" * 200)
"""Labels of as many classes as the model servers answer."""


@pytest.mark.parametrize("verb", ["predict", "explain"])
def test_hostile_labels_are_text(servers, runner, tmp_path, verb):
    """Of a foreign model, in answers and in the log of predictions, each of which is a line."""
    servers.described["mlp"] = Description(HOSTILE, {}, FASHION_MNIST)
    log = tmp_path / "log"
    app = create_app(Settings(models=("mlp",), prediction_log=log), servers)
    http = Http(app, runner)
    for row in range(10):
        asked = {"content": picture(row), "headers": PNG}
        told = http.post(f"/v1/models/mlp:{verb}", **asked).json()
        [entry] = told.get("predictions") or told["explanations"]
        assert entry["label"] == HOSTILE[entry["class_id"]]
    assert http.get("/v1/models/mlp/drift").status_code == 200
    app.close()
    lines = log.read_bytes().split(b"\n")[:-1]
    predicted = [json.loads(line) for line in lines]
    assert [line["results"][0]["label"] in HOSTILE for line in predicted if "results" in line] == [
        True
    ] * 10


def test_hostile_names_are_text(http, servers):
    """Of a foreign model; JSON can hold them all."""
    labels = HOSTILE
    servers.described["mlp"] = Description(labels, {}, replace(COLOUR, input="<b>\x9b31m"))
    told = http.get(PROFILE).json()["profile"]
    assert (told["labels"], told["input"]) == (list(labels), "<b>\x9b31m")
