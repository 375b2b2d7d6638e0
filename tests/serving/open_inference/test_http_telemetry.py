"""What is noted of requests of the Open Inference Protocol over HTTP: metrics, logs and traces."""

import json
import logging

import pytest

from tests.serving.asked_gateway import Http
from tests.serving.open_inference.v2_bodies import INFER, binary, plain
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.settings import Settings

VERSION = "/v2/models/m/versions/1/infer"


def test_metrics(http):
    """By endpoint, model and status, with the stages of what was answered."""
    http.post(INFER, content=plain())
    http.post(INFER, content=b"{")
    http.get("/v2/models/m")
    http.get("/v2/nowhere")
    said = http.get("/metrics").text
    for labels in (
        'endpoint="infer",model="m",status="200"',
        'endpoint="infer",model="m",status="400"',
        'endpoint="v2_metadata",model="m",status="200"',
        'endpoint="other",model="",status="404"',
    ):
        assert f"vitrine_requests_total{{{labels}}} 1.0" in said
    assert 'vitrine_stage_seconds_count{model="m",stage="decode",version="2"} 1.0' in said


def test_the_prediction_log(servers, runner, tmp_path):
    """A line for each inference, with the version that was asked for, and how its tensors came."""
    path = tmp_path / "log.jsonl"
    app = create_app(Settings(models=("m",), prediction_log=path), servers)
    http = Http(app, runner)
    body, headers = binary()
    http.post(INFER, content=plain(), headers={"X-Request-ID": "one"})
    http.post(VERSION, content=body, headers=headers | {"X-Request-ID": "two"})
    http.post(INFER, content=b"{", headers={"X-Request-ID": "three"})
    http.get("/v2/models/m")
    app.close()
    lines = {line["request_id"]: line for line in map(json.loads, path.read_text().splitlines())}
    assert list(lines) == ["one", "two", "three"]
    assert [line["content"] for line in lines.values()] == ["json", "binary", "json"]
    assert [line["status"] for line in lines.values()] == [200, 200, 400]
    assert {line["endpoint"] for line in lines.values()} == {"infer"}
    assert (lines["one"]["version"], lines["two"]["asked_version"]) == (2, 1)
    assert "decode_ms" in lines["one"]


def test_the_access_log(servers, runner, caplog):
    app = create_app(Settings(models=("m",), access_log=True), servers)
    with caplog.at_level(logging.INFO):
        Http(app, runner).post(INFER, content=plain())
    [about] = [each.about for each in caplog.records if hasattr(each, "about")]
    assert (about["endpoint"], about["model"], about["version"]) == ("infer", "m", 2)


@pytest.mark.parametrize("path", [INFER, VERSION])
def test_ids_travel_on(http, servers, path):
    """The request's id and trace go to the model server, as those of others do."""
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    answer = http.post(path, content=plain(), headers={"X-Request-ID": "a", "traceparent": trace})
    assert answer.headers["x-request-id"] == "a"
    assert dict(servers.metadata)["x-request-id"] == "a"
    assert dict(servers.metadata)["traceparent"] == trace
