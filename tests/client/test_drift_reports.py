"""Drift reports: what both clients ask and read, and what notebooks show of them."""

import json

import pytest

from tests.client.fake_gateway import KINDS, FakeGateway, Kind, Reply, problem
from vitrine_client import DriftReport, errors

both = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)

ALARM = {
    "version": "2",
    "drift": "label",
    "alarm": True,
    "reason": "300 images: other shares of the classes, most of <Shirt>: 40 %, was 10 %",
    "images": 300,
    "window": 500,
    "since": "2026-11-28T06:14:10+00:00",
    "scores": {"covariate": 10.0, "label": 71.06},
    "thresholds": {"covariate": 20.0, "label": 35.53},
    "classes": [
        {"label": "<Shirt>", "validation": 0.1, "answered": 0.3, "estimated": 0.4},
        {"label": "Bag", "validation": 0.3, "answered": 0.2, "estimated": 0.04},
        {"label": "Coat", "validation": 0.6, "answered": 0.5, "estimated": 0.56},
    ],
    "statistics": [{"name": "brightness", "validation": 0.29, "now": None, "deviation": None}],
}
EMPTY = {
    "version": "1",
    "drift": "none",
    "alarm": False,
    "reason": "no images seen yet",
    "images": 0,
    "window": 500,
    "since": None,
    "scores": {},
    "thresholds": {},
    "classes": [{"label": "Bag", "validation": 0.3, "answered": None, "estimated": None}],
    "statistics": [],
}
POOLED = ALARM | {"images": 900, "window": 1500, "gateways": 3}
UNKNOWN = EMPTY | {"version": "0", "drift": "unknown", "reason": "no baseline", "classes": []}
REPORT = {"model": "mlp", "versions": [ALARM, EMPTY, UNKNOWN]}


@both
def test_a_report_has_everything(kind: Kind):
    """Versions are numbers, and what is not known is None."""
    with FakeGateway(lambda _: Reply(content=REPORT)) as gateway:
        found = kind.ask(gateway.url, "drift", "mlp")
        kind.ask(gateway.url, "drift", "mlp", version=2)
    assert [asked.path for asked in gateway.asked] == [
        "/v1/models/mlp/drift",
        "/v1/models/mlp/versions/2/drift",
    ]
    assert found == DriftReport.from_json(REPORT)
    alarmed, empty, unknown = found.versions
    assert (found.model, found.alarm, alarmed.version, alarmed.drift) == ("mlp", True, 2, "label")
    assert alarmed.times_limit("label") == pytest.approx(2.0)
    assert alarmed.times_limit("covariate") == pytest.approx(0.5)
    assert empty.times_limit("label") is None
    assert [one.label for one in alarmed.moved()] == ["<Shirt>", "Bag"]
    assert empty.moved() == unknown.moved() == []
    assert (empty.alarm, empty.since, unknown.drift) == (False, None, "unknown")


@both
@pytest.mark.parametrize(
    "changes",
    [{"drift": "sideways"}, {"version": "newest"}, {"classes": [{}]}, {"scores": None}],
    ids=str,
)
def test_answers_that_are_not_whole(kind: Kind, changes):
    """They are the gateway's fault."""
    content = {"model": "mlp", "versions": [ALARM | changes]}
    with (
        FakeGateway(lambda _: Reply(content=content)) as gateway,
        pytest.raises(errors.ServerError, match="no sense"),
    ):
        kind.ask(gateway.url, "drift", "mlp")


@both
def test_a_gateway_that_does_not_watch(kind: Kind):
    """Its own words, as the model is there."""
    versions = [{"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK"}}]
    versions[0]["status"]["error_message"] = ""
    listed = {"models": [{"name": "mlp", "model_version_status": versions}]}

    def answer(asked):
        if asked.path.endswith("/drift"):
            return problem(404, "This gateway does not watch for drift")
        return Reply(content=listed)

    with FakeGateway(answer) as gateway, pytest.raises(errors.NotFound, match="does not watch"):
        kind.ask(gateway.url, "drift", "mlp")


def test_json():
    """`to_dict` is what JSON holds."""
    told = DriftReport.from_json(REPORT).to_dict()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert told["versions"][0]["classes"][0] == ALARM["classes"][0]


def test_notebooks():
    """Reasons, and shares with a bar each; text is text, and what is not known is left out."""
    shown = DriftReport.from_json(REPORT)._repr_html_()
    assert "mlp/2: alarm. 300 images" in shown
    assert "&lt;Shirt&gt;" in shown
    assert "<Shirt>" not in shown
    assert "40.0 %" in shown
    assert "mlp/0: no alarm. no baseline" in shown
    assert DriftReport("mlp", ())._repr_html_() == "<p>mlp has no version that is AVAILABLE</p>"
