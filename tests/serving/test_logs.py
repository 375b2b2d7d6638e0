"""How the gateway logs: as text and as JSON lines, whatever comes from outside."""

import asyncio
import io
import json
import logging
import os
import re
from collections.abc import Callable

import numpy as np
import pytest

from tests.serving.asked_gateway import PNG, PREDICT, FakeServers, Http, picture
from vitrine_client.results.predictions import Prediction
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.http.routes import find
from vitrine_serving.gateway.inference.decoding.decoder import Shown
from vitrine_serving.gateway.inference.outcomes import Outcome
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.telemetry import logs

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HOSTILE = (
    "\n2026-11-28 05:40:13,001 [1] [INFO] forged",
    "\r\x1b[2J\x1b]0;title\x07",
    "\x9b31m\x85\x7f\x08",
    "\u2028\u202egnirts\u061c",
    '","status":200,"x":"',
    'a b key=admin "',
    "half \udcff a pair",
)
SEEN = re.compile(r"[^\x00-\x1f\x7f-\x9f\u061c\u2028-\u202e\ud800-\udfff]*")


@pytest.fixture(params=["text", "json"])
def kind(request) -> str:
    return request.param


@pytest.fixture
def lines(kind) -> Callable[[], list[str]]:
    """Logging as the settings say; returns the lines that were written."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(logs.formatter(logs.LogSettings(log_format=kind)))
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.INFO)
    root.addHandler(handler)
    yield lambda: written.getvalue().split("\n")[:-1]
    root.removeHandler(handler)
    root.setLevel(before)


def asked(**options) -> Request:
    return Request("POST", **({"path": PREDICT, "query": "", "headers": {}} | options))


def handled(request: Request, work: Callable[[], None]) -> None:
    """Does what happens while a request is in hand."""

    async def handle() -> None:
        logs.in_hand.set(request)
        work()

    asyncio.run(handle())


@pytest.mark.parametrize("bad", HOSTILE)
def test_what_comes_from_outside_stays_in_its_line(bad, lines, kind):
    """Ids, paths, models and keys neither end a line nor reach the terminal as an escape."""
    request = asked(
        path=f"/{bad}", client=bad, id=bad, key_name=bad, target=ModelRef(bad, label=bad)
    )
    logs.note_request(request, Answer(404, b""), 0.001)
    (line,) = lines()
    assert SEEN.fullmatch(line)
    if kind == "json":
        assert json.loads(line)["status"] == 404
    else:
        assert re.match(rf"20[\d :,-]+ \[{os.getpid()}\] \[INFO\] ", line)


@pytest.mark.parametrize("bad", HOSTILE)
def test_exceptions_stay_where_they_are(bad, lines, kind):
    """A traceback is one field, or indented lines: its message forges no line of the log."""

    def fail() -> None:
        try:
            raise ValueError(bad)
        except ValueError:
            logging.getLogger("vitrine_serving.gateway.http.problems").exception("%s failed", bad)

    handled(asked(client="", id="mine"), fail)
    first, *others = lines()
    assert all(SEEN.fullmatch(line) for line in (first, *others))
    if kind == "json":
        assert not others
        assert "ValueError" in json.loads(first)["exception"]
    else:
        assert "Traceback" in others[0]
        assert all(line.startswith("  ") for line in others)


def test_json_has_what_is_known_of_a_request(lines, kind):
    """The line of the access log has the request, its answer, and the stages of its prediction."""
    route, target = find("/v1/models/mlp/labels/stable:predict")
    results = [Prediction("Bag", 8, 1.0, {}, "mlp", 7)]
    shown = Shown(np.zeros((1, 28, 28), np.uint8))
    outcome = Outcome(results, "mlp", 7, shown, 0.002, 0.0031239, decode_s=0.001)
    ids = {"id": "mine", "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01", "key_name": "app"}
    request = asked(client="::1", endpoint=route.endpoint, target=target, outcome=outcome, **ids)
    logs.note_request(request, Answer(200, b"12345"), 0.0123456)
    (line,) = lines()
    if kind == "text":
        assert line.endswith(
            f"[INFO] ::1 POST {PREDICT} 200 12.3 ms 5 bytes id=mine trace={TRACE} key=app model=mlp"
        )
        return
    content = json.loads(line)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", content.pop("time"))
    assert content.pop("pid") > 0
    assert content == {
        "level": "info",
        "logger": "vitrine_serving.gateway",
        "message": f"::1 POST {PREDICT} 200 12.3 ms 5 bytes",
        "request_id": "mine",
        "trace_id": TRACE,
        "client": "::1",
        "method": "POST",
        "path": PREDICT,
        "status": 200,
        "duration_ms": 12.346,
        "bytes": 5,
        "key": "app",
        "endpoint": "predict",
        "model": "mlp",
        "version": 7,
        "decode_ms": 1.0,
        "queue_ms": 2.0,
        "rpc_ms": 3.124,
    }


def test_stages_of_json():
    """It is decoded, and waits for nobody."""
    outcome = Outcome((), "mlp", 7, None, 0.0, 0.0031239, decode_s=0.001)
    assert logs.stages(asked(client="", id="mine", outcome=outcome)) == {
        "decode_ms": 1.0,
        "rpc_ms": 3.124,
    }


def test_what_is_logged_meanwhile_has_the_ids(lines, kind):
    """A warning while a request is in hand carries its id and its trace; one beside it does not."""
    request = asked(client="", id="mine", traceparent=f"00-{TRACE}-00f067aa0ba902b7-01")
    handled(request, lambda: logging.getLogger("any").warning("odd"))
    logging.getLogger("any").warning("odd, too")
    inside, beside = lines()
    assert "odd" in inside
    assert "mine" in inside
    assert TRACE in inside
    assert "odd, too" in beside
    assert "mine" not in beside


def test_the_gateway_logs_a_bug_with_its_request(lines, kind, runner):
    """What an endpoint raises unexpectedly is logged with the id that its answer has."""
    servers = FakeServers()
    servers.error = RuntimeError("a bug")
    http = Http(create_app(Settings(access_log=True), servers), runner)
    headers = PNG | {"X-Request-ID": "mine-7"}
    assert http.post(PREDICT, content=picture(1), headers=headers).status_code == 500
    assert http.get("/readyz?models=1", headers={"X-Request-ID": "mine-8"}).status_code == 500
    text = "\n".join(lines())
    if kind == "json":
        entries = [json.loads(line) for line in text.splitlines()]
        failed = [entry for entry in entries if "exception" in entry]
        assert [entry["request_id"] for entry in failed] == ["mine-7", "mine-8"]
        assert all("RuntimeError: a bug" in entry["exception"] for entry in failed)
        assert [entry["status"] for entry in entries if "status" in entry] == [500, 500]
    else:
        assert len(re.findall(r"\[ERROR\] .* failed id=mine-[78]\n", text)) == 2
