"""What a gateway of one process counts, asked without a socket."""

import asyncio
import logging

import numpy as np
import pytest

from harness.direct import head_of
from tests.monitoring.scraped import Scraped
from tests.serving.asked_gateway import PNG, PREDICT, FakeServers, Http, form, npy, picture
from tests.serving.fake_servers import FakeServers as JsonServers
from vitrine_serving.gateway.access.guard import Guard
from vitrine_serving.gateway.application import Gateway, create_app
from vitrine_serving.gateway.http.reading import Body
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.telemetry.metrics import FAMILIES, Metrics
from vitrine_serving.gateway.telemetry.observers import harmless

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def http(runner):
    """Somebody who asks a gateway that lists mlp and takes small bodies."""
    settings = Settings(models=("mlp",), max_body_bytes=100_000)
    return Http(create_app(settings, FakeServers()), runner)


def scrape(http: Http) -> Scraped:
    return Scraped(http.get("/metrics").text)


def test_requests_are_counted_by_what_they_ask_for(http):
    """Endpoint, model and status, also of what the front refuses and of addresses that are none."""
    http.post(PREDICT, content=picture(1), headers=PNG)
    http.post(PREDICT, content=b"garbage", headers=PNG)
    http.post(PREDICT, content=bytes(200_000), headers=PNG)
    http.get("/v1/models/mlp")
    http.get("/healthz")
    http.get("/nowhere")
    found = scrape(http)
    counted = {
        (labels["endpoint"], labels["model"], labels["status"])
        for labels in found.labels("vitrine_requests_total")
    }
    assert counted == {
        *(("predict", "mlp", "200"), ("predict", "mlp", "400"), ("predict", "mlp", "413")),
        *(("status", "mlp", "200"), ("healthz", "", "200"), ("other", "", "404")),
    }
    assert found.total("vitrine_requests_total") == 6
    assert found.total("vitrine_request_seconds_count", endpoint="predict") == 3
    assert 0 < found.total("vitrine_request_seconds_sum", endpoint="predict") < 10
    assert scrape(http).total("vitrine_requests_total", endpoint="metrics", status="200") == 1


def test_names_that_clients_make_up_have_one_label(http):
    """Whatever models they ask for, the labels are those of the setting and `other`."""
    for number in range(20):
        http.post(f"/v1/models/made-up-{number}:predict", content=picture(1), headers=PNG)
        http.get(f"/v1/models/made-up-{number}")
    found = scrape(http)
    assert {labels["model"] for labels in found.labels("vitrine_requests_total")} == {"other"}
    assert found.total("vitrine_requests_total", model="other") == 40


def test_stages_are_observed_by_version(http):
    """A request has its queue, and its decoding unless it brings pixels."""
    http.post(PREDICT, files=form(picture(1), b"garbage", picture(2)))
    pixels = npy(np.zeros((3, 28, 28), np.uint8))
    http.post(PREDICT, content=pixels, headers={"Content-Type": "application/x-npy"})
    http.post("/v1/models/mlp/versions/2:predict", content=picture(1), headers=PNG)
    found = scrape(http)

    def count(**labels: str) -> float:
        return found.total("vitrine_stage_seconds_count", model="mlp", **labels)

    assert (count(version="3", stage="queue"), count(version="3", stage="decode")) == (2, 1)
    assert (count(version="2", stage="queue"), count(version="2", stage="decode")) == (1, 1)


def test_json_is_decoded_and_does_not_wait(runner):
    """Its rows go out alone; a body that cannot be read is of no version."""
    settings = Settings(models=("m",))
    http = Http(create_app(settings, JsonServers()), runner)
    for body, status in ((b'{"instances": [1, 2.5]}', 200), (b"{", 400)):
        answer = http.post("/v1/models/m:predict", content=body, headers=JSON)
        assert answer.status_code == status, answer.text
    found = scrape(http)
    of_version = {"model": "m", "version": "1"}
    assert found.total("vitrine_stage_seconds_count", stage="decode", **of_version) == 1
    assert found.total("vitrine_stage_seconds_sum", stage="decode", **of_version) > 0
    assert found.total("vitrine_stage_seconds_count", stage="queue", **of_version) == 0


def test_what_has_not_happened_is_0(http):
    """Series that alerts ask for are there from the start."""
    found = scrape(http)
    sheds = {labels["reason"] for labels in found.labels("vitrine_sheds_total")}
    assert sheds == {"queue_full", "too_late", "connections", "bodies", "rate_limit"}
    results = {labels["result"] for labels in found.labels("vitrine_predictions_logged_total")}
    assert results == {"written", "dropped"}
    waiting = {labels["model"] for labels in found.labels("vitrine_images_waiting")}
    assert waiting == {"mlp", "other"}
    for name in ("sheds_total", "predictions_logged_total", "images_waiting"):
        assert found.total(f"vitrine_{name}") == 0


def test_who_asks_too_often_is_counted(runner):
    """A refusal by the rate limit is a shed, and a request with status 429."""
    http = Http(create_app(Settings(rate_limit=0.001, rate_burst=1), FakeServers()), runner)
    assert [http.post(PREDICT, content=picture(1), headers=PNG).status_code for _ in range(3)] == [
        200,
        429,
        429,
    ]
    found = scrape(http)
    assert found.total("vitrine_sheds_total", reason="rate_limit") == 2
    assert found.total("vitrine_requests_total", endpoint="predict", status="429") == 2


def test_a_client_that_leaves_is_counted(runner):
    """One that is gone before its body has come, and one that waits for its answer: both 499."""
    servers = FakeServers()
    app = create_app(Settings(models=("mlp",)), servers)
    asked = asyncio.Event()

    async def hold(*_, **__):
        asked.set()
        await asyncio.sleep(30)

    async def leave() -> None:
        servers.exchange = hold
        for body, begun in ((b"", asked.set), (picture(1), lambda: None)):
            asked.clear()
            head = head_of("POST", PREDICT, ("Content-Type", "image/png"))
            coming = None if body else begun
            request = asyncio.create_task(
                app.answer(head.request, Body(head.request.headers, app.budget, body, coming))
            )
            await asyncio.wait_for(asked.wait(), 10)
            request.cancel()
            await asyncio.wait([request])

    runner.run(leave())
    found = Scraped(app.metrics.render()[0].decode())
    assert found.total("vitrine_requests_total", endpoint="predict", status="499") == 2
    assert found.total("vitrine_requests_total", status="499") == 2


def test_an_observer_that_fails_changes_no_answer(runner, caplog):
    """It is logged once, the others get to know of each request all the same."""
    settings, seen = Settings(models=("mlp",)), []

    def fail(*_: object) -> None:
        raise RuntimeError("an observer of bad health")

    app = Gateway(
        settings,
        FakeServers,
        Guard(settings.access, settings.rates),
        Metrics(settings.listed.models),
        observers=[fail, lambda request, answer, took_s: seen.append((request.id, answer.status))],
    )
    http = Http(app, runner)
    with caplog.at_level(logging.ERROR):
        answers = [http.post(PREDICT, content=picture(1), headers=PNG) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert seen == [(answer.headers["X-Request-ID"], 200) for answer in answers]
    assert caplog.text.count("RuntimeError: an observer") == 1


def test_what_looks_on_at_a_call_may_fail(caplog):
    """As observers of requests, so those of calls and batches: once logged, never raised."""
    call = harmless(lambda model, images: 1 / images)
    call("mlp", images=0)
    call("mlp", 0)
    call("mlp", 2)
    assert caplog.text.count("ZeroDivisionError") == 1


def test_names_follow_the_conventions():
    """Prefix, base units, `_total` for counters alone, and a sentence of help."""
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    for family in FAMILIES:
        assert family.name.startswith("vitrine_")
        assert family.name.endswith("_total") == (family.kind == "counter")
        if family.kind == "histogram":
            assert ("_seconds" in family.name) == (10.0 in family.bounds)
        assert family.help.endswith(".")
