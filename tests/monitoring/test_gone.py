"""Gauges tell what is: of what is gone, they say nothing, whichever process is asked."""

import asyncio
import io
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import requests

from harness.fake_model_server import FakeModelServer, Gate, classifying
from harness.gateway import PREDICT, gateway
from harness.model_server import model_server
from harness.paths import PICTURE
from harness.ports import free_port
from harness.waiting import wait_for
from tests.monitoring.scraped import Scraped
from tests.serving.asking import to, until
from vitrine_serving.gateway.telemetry.metrics import FAMILIES, Metrics, SharedSeries
from vitrine_training.publish.versions import restore, rollback

PNG = {"Content-Type": "image/png"}


def test_a_model_server_that_is_back_is_left_alone_by_nobody():
    """Also where only one of the processes has called it since."""
    port = free_port()
    with gateway(f"127.0.0.1:{port}", breaker_open_s=0.5) as running:
        with FakeModelServer(classifying(), port=port):
            wait_for(lambda: running.predict().status_code == 200, 30, "the model server")
        with ThreadPoolExecutor(8) as threads:  # each process finds that it is gone
            answers = list(threads.map(lambda _: running.predict(), range(24)))
        assert {answer.status_code for answer in answers} == {503}

        def state() -> float:
            return Scraped.of(running.url).total("vitrine_breaker_state")

        wait_for(lambda: state() == 2, 30, "the breaker")
        with FakeModelServer(classifying(), port=port), requests.Session() as one:

            def is_answered() -> bool:
                url = f"{running.url}{PREDICT}"
                return one.post(url, PICTURE, headers=PNG, timeout=30).status_code == 200

            wait_for(is_answered, 30, "the model server")
            wait_for(lambda: state() == 0, 20, "what all processes say")


def test_addresses_that_left_are_told_by_no_process():
    """Pods come and go, and each has an address of its own; counts by state tell of those there
    are."""
    by_address = [each.name for each in FAMILIES if each.labels == ("address",)]
    assert len(by_address) == 3
    shared = SharedSeries()

    def series() -> set[tuple[str, str]]:
        for each in metrics:
            each.flush()
        found = Scraped(metrics[0].render()[0].decode())
        return {(name, labels["address"]) for name in by_address for labels in found.labels(name)}

    async def main(records):
        async with (
            to("models.example:1", resolve=lambda *_: list(records)) as one,
            to("models.example:1", resolve=lambda *_: list(records)) as other,
        ):
            for each, servers in zip(metrics, (one, other), strict=True):
                each.follow_servers(servers)
            pods = [f"10.9.8.{n}:8500" for n in range(1, 6)]
            for there in (pods[:3], pods[2:], []):
                records[:] = there
                wanted = {(name, pod) for name in by_address for pod in there}
                await until(lambda wanted=wanted: series() == wanted, f"{there}")
                called = Scraped(metrics[1].render()[0].decode())
                assert called.total("vitrine_model_servers") == len(there)

    metrics = [Metrics(["mlp"], shared=shared, slot=slot) for slot in range(2)]
    asyncio.run(main(["10.9.8.7:8500"]))


def test_calls_of_a_process_that_was_killed_are_gone():
    """Neither they nor what waited for them is told of by those that are left."""
    with (
        FakeModelServer(Gate(classifying())) as slow,
        gateway(slow.address, workers=1, max_batch_size=1) as running,
        ThreadPoolExecutor(3) as threads,
    ):
        for _ in range(3):
            threads.submit(running.predict)

        def in_hand() -> tuple[float, float]:
            found = Scraped.of(running.url)
            calls = found.total("vitrine_model_server_calls_in_flight")
            return calls, found.total("vitrine_images_waiting")

        wait_for(lambda: in_hand() == (1, 2), 30, "a call, and what waits for its end")
        running.lose_a_worker()
        wait_for(lambda: in_hand() == (0, 0), 30, "that nothing is in hand")


DRIFT = [family.name for family in FAMILIES if "drift" in family.name]
SCRAPES = 6
"""Over connections of their own, so that each of the processes answers some."""


def show(url, images):
    """Sends images over a connection of its own; returns which version answered."""
    body = io.BytesIO()
    np.save(body, images)
    headers = {"Content-Type": "application/x-npy"}
    answer = requests.post(f"{url}{PREDICT}", body.getvalue(), headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["model_spec"]["version"]


def watched(url):
    """The versions that any gauge of drift tells of, in any of some scrapes."""
    scraped = [Scraped.of(url) for _ in range(SCRAPES)]
    return {
        (labels["model"], labels["version"])
        for one in scraped
        for name in DRIFT
        for labels in one.labels(name)
    }


@pytest.mark.slow
def test_drift_ends_with_its_version(training_run, dataset, tmp_path):
    """The alarm of a version goes with the rollback that cures it, and the version comes back
    without it; so for a real model server and two processes of a gateway."""
    for number in ("1", "2"):
        shutil.copytree(training_run.models_dir / "mlp" / "1", tmp_path / "mlp" / number)
    ports, images = (free_port(), free_port()), dataset.test.images
    flags = ["--model_name=mlp", f"--model_base_path={tmp_path / 'mlp'}"]
    with (
        model_server(tmp_path / "log", *flags, ports=ports),
        gateway(f"127.0.0.1:{ports[0]}") as running,
    ):
        url = running.url

        def alarm() -> float:
            return Scraped.of(url).total("vitrine_drift_alarm", version="2", kind="covariate")

        def seen(**labels: str) -> float:
            return Scraped.of(url).total("vitrine_drift_images", **labels)

        for start in range(0, 200, 20):
            assert show(url, 255 - images[start : start + 20]) == "2"
        wait_for(lambda: alarm() == 1, 30, "the alarm")
        assert watched(url) == {("mlp", "2")}
        rollback(tmp_path, "mlp")
        wait_for(lambda: show(url, images[:20]) == "1", 30, "the version before")
        for _ in range(SCRAPES):
            assert show(url, images[:20]) == "1"
        # Each process puts what it noted into the windows at once, of whatever version.
        wait_for(lambda: seen(version="1") == 20 * (SCRAPES + 1), 30, "all images in the windows")
        wait_for(lambda: watched(url) == {("mlp", "1")}, 30, "that the other is not told of")
        restore(tmp_path, "mlp")
        wait_for(lambda: not watched(url), 30, "that none is told of: the newest is asked nothing")
        show(url, images[:20])
        wait_for(lambda: watched(url) == {("mlp", "2")}, 30, "the newest version")
        assert seen() <= 20
        assert alarm() == 0
