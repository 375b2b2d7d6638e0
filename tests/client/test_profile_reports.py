"""Profile reports: what both clients ask and read."""

import json

import pytest

from tests.client.cli_gateway import ASSUMED, NO_PROFILE, PROFILE, REASON
from tests.client.fake_gateway import KINDS, STATUS_OK, FakeGateway, Kind, Reply, problem
from vitrine_client import ProfileReport, errors
from vitrine_client.results.profiles.report import in_words

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@both
def test_a_report_has_everything(kind: Kind):
    """Of the newest version, of one, and of a version label."""
    with FakeGateway(lambda _: Reply(content=PROFILE)) as gateway:
        found = kind.ask(gateway.url, "profile", "mlp")
        kind.ask(gateway.url, "profile", "mlp", version=2)
        kind.ask(gateway.url, "profile", "mlp", label="stable")
    assert [asked.path for asked in gateway.asked] == [
        "/v1/models/mlp/profile",
        "/v1/models/mlp/versions/2/profile",
        "/v1/models/mlp/labels/stable/profile",
    ]
    assert (found.model, found.version, found.reason) == ("mlp", 3, "")
    assert (found.profile.shape, found.profile.kind) == ((None, 32, 3), "logits")
    assert found.profile.sources["scaling"] == "assumed"
    assert (len(found.labels), found.assumptions) == (1000, tuple(ASSUMED))
    assert found.to_dict() == PROFILE | {"version": 3, "reason": ""}


@both
def test_what_takes_no_pictures(kind: Kind):
    """It has a reason in place of a profile."""
    with FakeGateway(lambda _: Reply(content=NO_PROFILE)) as gateway:
        found = kind.ask(gateway.url, "profile", "rows")
    assert (found.profile, found.labels, found.reason) == (None, (), REASON)
    assert json.loads(json.dumps(found.to_dict())) == NO_PROFILE | {"version": 3}


def test_members_of_a_later_gateway():
    """They are left out."""
    told = PROFILE["profile"] | {"gamma": 2.2}
    found = ProfileReport.from_json(PROFILE | {"profile": told, "more": 1})
    assert found == ProfileReport.from_json(PROFILE) or found.to_dict() == PROFILE | {
        "version": 3,
        "reason": "",
    }


@both
@pytest.mark.parametrize(
    "changes",
    [
        {"profile": 1},
        {"profile": {}},
        {"profile": PROFILE["profile"] | {"shape": "28x28"}},
        {"profile": PROFILE["profile"] | {"labels": None}},
        {"profile": PROFILE["profile"] | {"sources": {"fit": 1}}},
        {"version": "newest"},
        {"assumptions": "none"},
        {"reason": 1},
    ],
    ids=lambda changes: str(changes)[:60],
)
def test_answers_that_make_no_sense(kind: Kind, changes):
    """They are the gateway's fault."""
    with (
        FakeGateway(lambda _: Reply(content=PROFILE | changes)) as gateway,
        pytest.raises(errors.ServerError, match="no sense"),
    ):
        kind.ask(gateway.url, "profile", "mlp")


def listed(**told) -> dict:
    statuses = [
        {"version": number, "state": state, "status": STATUS_OK}
        for number, state in (("4", "LOADING"), ("3", "AVAILABLE"), ("2", "AVAILABLE"))
    ]
    return {"models": [{"name": "mlp", "model_version_status": statuses} | told]}


@both
def test_lists_say_it_of_the_version_that_answers(kind: Kind):
    """The newest that is AVAILABLE; an earlier gateway says less."""
    said = listed(classifier=False, reason="no", assumptions=["a"])
    with FakeGateway(lambda _: Reply(content=said)) as gateway:
        statuses = kind.ask(gateway.url, "models")["mlp"]
    assert [one.classifier for one in statuses] == [None, False, None]
    assert (statuses[1].reason, statuses[1].assumptions) == ("no", ("a",))
    with FakeGateway(lambda _: Reply(content=listed())) as gateway:
        assert {one.classifier for one in kind.ask(gateway.url, "models")["mlp"]} == {None}


@both
@pytest.mark.parametrize("told", [{"classifier": 1}, {"reason": []}, {"assumptions": [1]}], ids=str)
def test_lists_that_make_no_sense(kind: Kind, told):
    """As any other member of them."""
    with (
        FakeGateway(lambda _: Reply(content=listed(**told))) as gateway,
        pytest.raises(errors.ServerError, match="no sense"),
    ):
        kind.ask(gateway.url, "models")


@both
def test_a_model_that_is_not_there(kind: Kind):
    """The error names those that are."""

    def answer(asked):
        missing = asked.path.endswith("/profile")
        return problem(404, "no such servable") if missing else Reply(content=listed())

    with (
        FakeGateway(answer) as gateway,
        pytest.raises(errors.NotFound, match="No model nobody; there is mlp"),
    ):
        kind.ask(gateway.url, "profile", "nobody")


def test_assumptions_in_a_line():
    """Those together that are changed in the same way; others as they are."""
    assert in_words([*ASSUMED, "something else"]) == (
        "scaling 0..1, fit stretch assumed: write profile.json to change it; labels 0, 1, 2… "
        "assumed: write labels.txt to name the classes; something else"
    )
    assert in_words([]) == ""
