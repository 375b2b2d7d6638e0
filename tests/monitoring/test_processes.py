"""Metrics of a gateway as it is run: two processes, of which any answers for both."""

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial

import grpc
import requests

from harness.fake_model_server import FakeModelServer, Gate, classifying, failing
from harness.gateway import Gateway, gateway
from harness.waiting import wait_for
from tests.monitoring.scraped import Scraped

REQUESTS = "vitrine_requests_total"
PREDICTIONS = {"endpoint": "predict", "model": "mlp"}


def wait_for_total(running: Gateway, total: float, name: str, **labels: str) -> None:
    """Waits until all processes have told what they know."""
    found = partial(Scraped.of, running.url)
    wait_for(lambda: found().total(name, **labels) == total, 30, f"{total} {name} {labels}")


def test_any_process_tells_the_sum(model_server):
    """Of requests that came over many connections to both, and it never takes one back."""
    with gateway(model_server.address) as running:
        with ThreadPoolExecutor(8) as threads:
            statuses = list(threads.map(lambda _: running.predict().status_code, range(60)))
        assert statuses == 60 * [200]
        found = [0.0]

        def all_are_told() -> bool:
            found.append(Scraped.of(running.url).total(REQUESTS, **PREDICTIONS))
            return found[-1] >= 60

        wait_for(all_are_told, 30, "all requests")
        assert found == sorted(found)
        assert found[-1] == 60
        last = Scraped.of(running.url)
        assert last.total("vitrine_request_seconds_count", **PREDICTIONS) == 60
        assert last.total("vitrine_batch_images_sum", model="mlp", version="3") == 60
        calls = last.total("vitrine_stage_seconds_count", stage="rpc")
        assert 1 <= calls == last.total("vitrine_batch_images_count")


@contextmanager
def scraping(running: Gateway) -> Iterator[list[float]]:
    """Scrapes without a pause; yields how many predictions each scrape has seen."""
    done, found = threading.Event(), [0.0]

    def scrape() -> float:
        return Scraped.of(running.url).total(REQUESTS, **PREDICTIONS)

    def run() -> None:
        while not done.is_set():
            found.append(scrape())

    with ThreadPoolExecutor(1) as threads:
        running_on = threads.submit(run)
        try:
            yield found
        finally:
            done.set()
        running_on.result()


def test_counts_outlive_their_processes(model_server, tmp_path):
    """Through reloads, a process that is killed and a quick end: no request is forgotten, no count
    goes down meanwhile."""
    path, sent = tmp_path / "predictions.jsonl", 0
    with gateway(model_server.address, prediction_log=path) as running:
        with scraping(running) as found:
            for _ in range(3):
                for _ in range(3):
                    assert running.predict().status_code == 200
                    sent += 1
                running.reload()  # at once: processes that end tell what they know
                assert Scraped.of(running.url).total(REQUESTS, **PREDICTIONS) == sent
        assert found == sorted(found)
        running.lose_a_worker()
        assert Scraped.of(running.url).total(REQUESTS, **PREDICTIONS) == sent
        assert running.predict().status_code == 200
        running.process.send_signal(signal.SIGQUIT)
        assert running.process.wait(30) == 0
        assert "Traceback" not in running.log.read_text()
    assert len(path.read_text().splitlines()) == sent + 1


def test_what_is_turned_away_is_counted():
    """By a queue that is full, and by connections that are too many."""
    settings = {"workers": 1, "max_queued_images": 2, "max_batch_size": 1, "connections": 6}
    with (
        FakeModelServer(Gate(classifying())) as slow,
        gateway(slow.address, **settings) as running,
        ThreadPoolExecutor(4) as threads,
    ):
        first = [threads.submit(running.predict)]
        wait_for(lambda: slow.calls, 30, "the call")  # or all three may come to the queue at once
        first += [threads.submit(running.predict) for _ in range(2)]
        wait_for_total(running, 2, "vitrine_images_waiting", model="mlp")
        assert Scraped.of(running.url).total("vitrine_model_server_calls_in_flight") == 1
        assert running.predict().status_code == 503
        slow.answer.open()
        assert [each.result().status_code for each in first] == [200, 200, 200]
        wait_for_total(running, 1, "vitrine_sheds_total", reason="queue_full")
        wait_for_total(running, 0, "vitrine_images_waiting", model="mlp")
        refused = refused_connections(running, 8)
        assert refused >= 2
        wait_for_total(running, refused, "vitrine_sheds_total", reason="connections")


def refused_connections(running: Gateway, count: int) -> int:
    """Opens as many connections, and returns how many are told that they are too many."""
    sessions = [requests.Session() for _ in range(count)]
    try:
        answers = [each.get(f"{running.url}/healthz", timeout=30) for each in sessions]
    finally:
        for each in sessions:
            each.close()
    return [answer.status_code for answer in answers].count(503)


def test_a_model_server_that_fails_is_told(tmp_path):
    """A call that was made again is counted; of one that is gone the breaker is open, and what
    failed has its status, in the prediction log as well."""
    answers = iter([failing(grpc.StatusCode.UNAVAILABLE, "busy")])

    def stumble(call, context):
        return next(answers, classifying())(call, context)

    with (
        FakeModelServer(stumble) as server,
        gateway(server.address, prediction_log=tmp_path / "predictions.jsonl") as running,
    ):
        assert running.predict().status_code == 200
        wait_for_total(running, 1, "vitrine_retries_total")
        assert Scraped.of(running.url).total("vitrine_breaker_state") == 0
        server.stop()
        assert running.predict().status_code == 503
        wait_for_total(running, 2, "vitrine_breaker_state", address=server.address)
        wait_for_total(running, 2, "vitrine_predictions_logged_total", result="written")
        wait_for_total(running, 1, REQUESTS, status="503", **PREDICTIONS)
