"""Models, versions and version labels that are not there: the error says which are."""

import pytest
from click.testing import CliRunner

from harness.paths import SAMPLES
from tests.client.fake_gateway import KINDS, STATUS_OK, Asked, FakeGateway, Kind, Reply, problem
from vitrine_client import errors
from vitrine_client.cli import main

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)

MODELS = {
    "mlp": {"3": "AVAILABLE", "2": "LOADING", "1": "AVAILABLE"},
    "softmax": {"1": "AVAILABLE"},
    "broken": {"1": "END"},
    "hidden": {"1": "AVAILABLE"},
}
LABELS = {"stable": "1", "canary": "3"}
CALLS = ["predict", "explain", "metadata", "status", "drift"]


def serving(asked: Asked) -> Reply:
    """Answers as a gateway does whose model server knows none of what is asked for; of its own
    list, `hidden` is left out."""
    if asked.path == "/v1/models":
        listed = [_entry(name) | {"name": name} for name in MODELS if name != "hidden"]
        return Reply(content={"models": listed})
    if asked.path == f"/v1/models/{asked.model}" and asked.model in MODELS:
        return Reply(content=_entry(asked.model))
    if "/labels/" in asked.path:
        return problem(400, "Unrecognized servable version label: x")
    return problem(404, f"Servable not found for request: Latest({asked.model})")


def _entry(name: str) -> dict:
    statuses = [
        {"version": version, "state": state, "status": STATUS_OK | _error(state)}
        for version, state in MODELS[name].items()
    ]
    labels = LABELS if name == "mlp" else {}
    return {"model_version_status": statuses, "version_labels": labels}


def _error(state: str) -> dict[str, str]:
    return {"error_message": "no graph"} if state == "END" else {}


def said(kind: Kind, gateway: FakeGateway, call: str, model: str | None, **options) -> str:
    """Asks, and returns the message of the `NotFound` that is raised."""
    given = (b"Bag", model) if call in ("predict", "explain") else (model,)
    with pytest.raises(errors.NotFound) as caught:
        kind.ask(gateway.url, call, *given, **options)
    return str(caught.value)


@pytest.fixture(scope="module")
def gateway():
    with FakeGateway(serving) as running:
        yield running


@both
@pytest.mark.parametrize("call", CALLS)
def test_models(kind: Kind, gateway, call):
    """All calls name the models that there are, and one that is there says why it cannot answer."""
    message = said(kind, gateway, call, "nope")
    assert message == "No model nope; there are broken, mlp, softmax"
    if call != "status":
        message = said(kind, gateway, call, "broken")
        assert message == "No version of broken is available: version 1 is END (no graph)"


@both
def test_many_pictures(kind: Kind, gateway):
    """The same, when the first of them is asked about."""
    with pytest.raises(errors.NotFound, match="No model nope; there are broken, mlp, softmax"):
        kind.ask(gateway.url, "predict_many", [b"Bag"], "nope")


@both
@pytest.mark.parametrize("call", ["predict", "explain", "metadata", "drift"])
def test_versions(kind: Kind, gateway, call):
    """Those that are available, or why this one is not."""
    message = said(kind, gateway, call, "mlp", version=9)
    assert message == "mlp has no version 9; there are 3, 1"
    assert said(kind, gateway, call, "softmax", version=9).endswith("there is 1")
    message = said(kind, gateway, call, "mlp", version=2)
    assert message == "Version 2 of mlp is not available: version 2 is LOADING"


@both
@pytest.mark.parametrize("call", ["predict", "explain", "metadata"])
def test_version_labels(kind: Kind, gateway, call):
    """Those that the model has, and which version each names."""
    message = said(kind, gateway, call, "mlp", label="blue")
    assert message == (
        "mlp has no version label blue; there are canary (version 3), stable (version 1)"
    )
    assert said(kind, gateway, call, "softmax", label="blue").endswith("; no label names a version")


@both
def test_what_the_list_does_not_have(kind: Kind, gateway):
    """A gateway answers models that its list leaves out: then the message is its own."""
    assert "Latest(hidden)" in said(kind, gateway, "predict", "hidden", version=7)


@both
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_default_models(kind: Kind):
    """Both are named that were asked."""

    def answer(asked: Asked) -> Reply:
        if asked.path == "/v1/models":
            return Reply(content={"models": [_entry("softmax") | {"name": "softmax"}]})
        return problem(404, "Servable not found")

    with FakeGateway(answer) as other:
        message = said(kind, other, "predict", None)
    assert message == "No model photo and no model mlp; there is softmax"


@both
def test_the_list_cannot_be_had(kind: Kind):
    """The first error is raised, whatever becomes of the second."""

    def answer(asked: Asked) -> Reply:
        return problem(500, "no list") if asked.path == "/v1/models" else serving(asked)

    with FakeGateway(answer) as other:
        assert "Latest(nope)" in said(kind, other, "predict", "nope")
        with pytest.raises(errors.InvalidRequest, match="Unrecognized"):
            kind.ask(other.url, "predict", b"Bag", "mlp", label="x")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--model=nope",), "No model nope; there are broken, mlp, softmax"),
        (("--model=mlp", "--version=9"), "mlp has no version 9; there are 3, 1"),
        (("--model=softmax", "--label=blue"), "softmax has no version label blue"),
    ],
    ids=lambda words: " ".join(words) if isinstance(words, tuple) else "",
)
def test_a_load_test_says_so_too(gateway, words, expected):
    """Before it begins."""
    asked = ["loadtest", "closed", str(SAMPLES[0]), f"--url={gateway.url}", *words]
    done = CliRunner().invoke(main, asked)
    assert (done.exit_code, done.stdout) == (1, "")
    assert expected in done.stderr
