"""Spans of requests, in a gateway whose collector is of our own making."""

import asyncio
import logging
import subprocess
import sys
import time

import pytest

from harness.collector import Collector
from harness.direct import asking
from harness.waiting import wait_for
from tests.serving.asked_gateway import PNG, PREDICT, FakeServers, Http, form, picture
from tests.serving.asking import nobody
from vitrine_client.errors import Unavailable
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.telemetry import tracer, tracing
from vitrine_serving.gateway.telemetry.tracing import TracingError

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED = PNG | {"traceparent": f"00-{TRACE}-{CALLER}-01"}
RPC = "tensorflow.serving.PredictionService/Predict"


@pytest.fixture
def collector(monkeypatch):
    """At its end a gateway waits for its spans longer than a busy machine may stall."""
    monkeypatch.setattr(tracer, "CLOSE_S", 30.0)
    with Collector() as collector:
        yield collector


def app_for(url: str, servers, **settings):
    return create_app(Settings(traces_url=url, models=("mlp",), **settings), servers)


def sent_traces(servers) -> list[str]:
    return [value for name, value in servers.metadata if name == "traceparent"]


def test_a_request_has_its_spans_below_its_caller(collector, servers, runner):
    """The server's span is the caller's child, stages and call are the server's; all say what they
    are, and the model server gets the call's."""
    app = app_for(collector.url, servers)
    http = Http(app, runner)
    before_s = time.time()
    http.post(
        "/v1/models/mlp/labels/stable:predict",
        files=form(picture(1), b"garbage", picture(2)),
        headers={"traceparent": SAMPLED["traceparent"], "X-Request-ID": "mine"},
    )
    app.close()
    by_name = {span.name: span for span in collector.spans}
    server = by_name.pop("POST /v1/models/{model}/labels/{label}:predict")
    assert (server.service, server.kind, server.trace) == ("vitrine-gateway", "server", TRACE)
    assert server.parent == CALLER
    expected = {
        "http.request.method": "POST",
        "http.route": "/v1/models/{model}/labels/{label}:predict",
        "http.response.status_code": 200,
        "url.scheme": "http",
        "url.path": "/v1/models/mlp/labels/stable:predict",
        "vitrine.request_id": "mine",
        "vitrine.model": "mlp",
        "vitrine.label": "stable",
        "vitrine.version": 3,
        "vitrine.images": 3,
    }
    assert expected.items() <= server.attributes.items()
    assert set(by_name) == {"decode", "queue", RPC}
    assert all((each.trace, each.parent) == (TRACE, server.id) for each in by_name.values())
    rpc = by_name[RPC]
    assert rpc.kind == "client"
    assert rpc.attributes["vitrine.images"] == 2
    assert sent_traces(servers) == [f"00-{TRACE}-{rpc.id}-01"]
    times = [before_s, server.start_s, by_name["decode"].start_s, by_name["queue"].start_s]
    times += [by_name["queue"].end_s, server.end_s, time.time()]
    assert times == sorted(times)


def test_requests_of_one_call_are_linked(collector, servers, runner):
    """A call for two requests is a child of the first's span, and has a link to the other's."""

    class Slow(FakeServers):
        async def call(self, *arguments, **options):
            made = await super().call(*arguments, **options)
            await asyncio.sleep(0.05)
            return made

    app = app_for(collector.url, Slow())

    async def ask() -> None:
        async with asking(app) as client:
            await asyncio.gather(
                *(client.post(PREDICT, content=picture(n), headers=PNG) for n in range(6))
            )

    runner.run(ask())
    app.close()
    servers_spans = {span.id: span for span in collector.spans if span.kind == "server"}
    assert len(servers_spans) == len({span.trace for span in servers_spans.values()}) == 6
    calls = collector.named(RPC)
    assert len(calls) < 6
    related = [(call.parent, *call.links) for call in calls]
    assert sorted(span for each in related for span in each) == sorted(servers_spans)
    assert any(call.links for call in calls)


def test_who_is_not_sampled_is_not_sent(collector, servers, runner):
    """A caller that does not keep its trace has none here, and the model server is told so."""
    app = app_for(collector.url, servers)
    Http(app, runner).post(
        PREDICT, content=picture(1), headers=PNG | {"traceparent": f"00-{TRACE}-{CALLER}-00"}
    )
    app.close()
    assert not collector.spans
    (sent,) = sent_traces(servers)
    assert sent.startswith(f"00-{TRACE}-")
    assert sent.endswith("-00")


def test_opentelemetrys_own_variables_count(collector, servers, runner, monkeypatch):
    """Such as the sampler's and the service's name."""
    monkeypatch.setenv("OTEL_SERVICE_NAME", "shop")
    app = app_for(f"{collector.url}/v1/traces", servers)
    Http(app, runner).get("/healthz")
    app.close()
    assert [(span.service, span.name) for span in collector.spans] == [("shop", "GET /healthz")]
    monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
    app = app_for(collector.url, servers)
    Http(app, runner).post(PREDICT, content=picture(1), headers=SAMPLED)
    app.close()
    assert len(collector.spans) == 1


def test_failures_are_marked(collector, servers, runner):
    """A call that fails, and the request that fails with it; a client's mistake is none of ours."""
    app = app_for(collector.url, servers)
    http = Http(app, runner)
    http.post(PREDICT, content=b"garbage", headers=PNG)
    servers.error = Unavailable("nobody there")
    http.post(PREDICT, content=picture(1), headers=PNG)
    http.request("PURGE", "/no/such/address")
    app.close()
    found = {
        (span.name, span.attributes.get("error.type"), span.failed) for span in collector.spans
    }
    assert found == {
        ("POST /v1/models/{model}:predict", "503", True),
        ("POST /v1/models/{model}:predict", None, False),
        ("_OTHER", None, False),
        (RPC, "Unavailable", True),
    }


@pytest.mark.parametrize("broken", [True, False])
def test_a_collector_that_fails_changes_no_answer(broken, servers, runner, caplog):
    """Nobody there, or errors: requests are answered, the end does not wait long, and the log says
    it once."""
    with Collector(status=400) as collector:
        app = app_for(collector.url if broken else f"http://{nobody()}", servers)
        http = Http(app, runner)
        for _ in range(3):
            assert http.post(PREDICT, content=picture(1), headers=PNG).status_code == 200
        began_s = time.monotonic()
        app.close()
        assert time.monotonic() - began_s < 8
        wait_for(lambda: "Traces are dropped" in caplog.text, 20, "a failed export")
        assert (collector.posts > 0) == broken
    said = [record for record in caplog.records if "Traces are dropped" in record.getMessage()]
    assert len(said) == 1
    assert said[0].levelno == logging.WARNING


@pytest.mark.parametrize("url", ["collector:4318", "ftp://collector", "http://"])
def test_a_bad_address_is_an_error(url):
    """That names its setting."""
    with pytest.raises(TracingError, match="VITRINE_TRACES_URL="):
        tracing.check(url)


def python(text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=60, check=False
    )


def test_without_the_extra_the_error_says_what_to_install():
    """OpenTelemetry is not there: that is told at the start."""
    done = python(
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "from vitrine_serving.gateway.telemetry import tracing\n"
        "from vitrine_serving.gateway.settings import Settings\n"
        "tracing.check('')\n"
        "try:\n"
        "    tracing.check('http://collector:4318')\n"
        "except tracing.TracingError as error:\n"
        "    print(error)\n"
    )
    assert "install vitrine-serving[otel]" in done.stdout, done.stderr


def test_without_the_setting_nothing_is_imported():
    """Neither the gateway nor the clients load OpenTelemetry by themselves."""
    done = python(
        "import sys\n"
        "import vitrine_client.aio\n"
        "from vitrine_serving.gateway.application import create_app\n"
        "from vitrine_serving.gateway.settings import Settings\n"
        "create_app(Settings())\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    assert done.stdout == "[]\n", done.stderr
