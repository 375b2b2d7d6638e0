"""One trace, from an application through the gateway to the model server."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from harness.collector import Collector, Span
from harness.fake_model_server import FakeModelServer
from harness.gateway import gateway
from harness.paths import ROOT, SAMPLES
from harness.waiting import wait_for
from tests.docs.pages import PAGES, fences

APPLICATION = """
import asyncio, sys
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from vitrine_client import Client, VitrineError
from vitrine_client.aio import AsyncClient

collector, gateway, picture = sys.argv[1:]
provider = TracerProvider()
provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(collector + "/v1/traces")))
trace.set_tracer_provider(provider)
tracer = trace.get_tracer("application")

async def ask():
    async with AsyncClient(gateway) as client:
        await client.predict(picture)

with Client(gateway) as client:
    with tracer.start_as_current_span("one"):
        client.predict(picture)
    with tracer.start_as_current_span("asyncio"):
        asyncio.run(ask())
    with tracer.start_as_current_span("many"):
        list(client.predict_many([picture] * 4, batch_size=2, concurrency=2))
    with tracer.start_as_current_span("refused"):
        try:
            client.predict(b"garbage")
        except VitrineError:
            pass
provider.shutdown()
"""
EXAMPLE = next(text for _, text in fences(PAGES["docs/client.md"]) if "opentelemetry" in text)
RPC = "tensorflow.serving.PredictionService/Predict"
SERVER = "POST /v1/models/{model}:predict"


def run(text: str, *arguments: str) -> str:
    """Runs a program with a tracer of its own, and returns what it prints."""
    command = [sys.executable, "-c", text, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def related(calls: list[Span]) -> int:
    """Of how many requests these calls are."""
    return sum(1 + len(call.links) for call in calls)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def url(collector: Collector, model_server: FakeModelServer) -> Iterator[str]:
    """A gateway that traces; OpenTelemetry's own variable has it send spans soon."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_BSP_SCHEDULE_DELAY", "200")  # ms
        with gateway(model_server.address, traces_url=collector.url, workers=1) as running:
            yield running.url


def test_the_example_of_the_docs_runs(url: str):
    """It prints what the comment says."""
    printed = run(EXAMPLE.replace("http://127.0.0.1:8080", url))
    assert printed.strip() == EXAMPLE.strip().rpartition("# ")[2]


def test_spans_of_all_make_one_trace(url: str, collector: Collector, model_server: FakeModelServer):
    """Each request of the clients is a span below the application's, the gateway's is below that,
    and the call below it is what the model server is told of."""
    run(APPLICATION, collector.url, url, str(SAMPLES[0]))
    traces = {span.trace for span in collector.named("POST")}

    def ours(name: str) -> list[Span]:
        return [span for span in collector.named(name) if span.trace in traces]

    wait_for(lambda: len(ours(SERVER)) == 6, 30, "the gateway's spans")
    wait_for(lambda: related(ours(RPC)) == 5, 30, "the calls' spans")
    traceparents = [call.metadata.get("traceparent", "") for call in model_server.calls]
    told = {each[:-3] for each in traceparents}  # but for flags
    spans = {span.id: span for span in collector.spans}
    assert sorted(spans[span.parent].name for span in ours("POST")) == [
        *("asyncio", "many", "many", "one", "refused", "refused")  # the last asks why
    ]
    for request in ours(SERVER):
        sent = spans[request.parent]
        assert (sent.name, sent.kind, sent.trace) == ("POST", "client", request.trace)
        status = request.attributes["http.response.status_code"]
        assert sent.attributes["http.response.status_code"] == status
        assert sent.failed == (status == 400)
    for call in ours(RPC):
        assert spans[call.parent].name == SERVER
        assert f"00-{call.trace}-{call.id}" in told
