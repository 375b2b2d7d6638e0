"""A real Prometheus scrapes the real service, and answers what the dashboard asks."""

import math
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import requests

from harness.paths import ROOT, SAMPLES
from harness.ports import free_port
from harness.processes import end
from harness.service import Service
from harness.waiting import wait_for
from tests.monitoring.dashboard import (
    MONITORING,
    alerts,
    expressions,
    filled,
    used,
    values,
    variables,
)
from tests.monitoring.scraped import Scraped
from vitrine_serving.gateway.telemetry.metrics import FAMILIES
from vitrine_serving.model_server.metrics import read_monitoring

PNG = {"Content-Type": "image/png"}
MODELS = ("softmax", "mlp")
WINDOW = "20s"


@dataclass(frozen=True)
class Prometheus:
    """A running one."""

    url: str

    def ask(self, path: str, **parameters: str) -> Any:
        """Asks its HTTP API, https://prometheus.io/docs/prometheus/latest/querying/api/."""
        answer = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=30)
        content = answer.json()
        assert content["status"] == "success", content
        return content["data"]

    def has(self, expression: str) -> bool:
        """Says whether an expression has values that are numbers."""
        found = self.ask("query", query=expression)["result"]
        return any(not math.isnan(float(each["value"][1])) for each in found)

    def is_ready(self) -> bool:
        """Says whether it can be asked."""
        try:
            return requests.get(f"{self.url}/-/ready", timeout=2).ok
        except requests.RequestException:
            return False


@pytest.fixture(scope="module")
def prometheus(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """Runs with the files that Compose gives it, but for addresses, and every second."""
    if not shutil.which("prometheus"):
        pytest.skip("no Prometheus here (Debian: apt-get install prometheus)")
    folder = tmp_path_factory.mktemp("prometheus")
    shutil.copy(MONITORING / "prometheus/alerts.yml", folder)
    config = (MONITORING / "prometheus/prometheus.yml").read_text()
    for theirs, ours in (
        ("gateway:8080", service.url.removeprefix("http://")),
        ("model-server:8501", service.rest_url.removeprefix("http://")),
        ("scrape_interval: 5s", "scrape_interval: 1s"),
        ("evaluation_interval: 15s", "evaluation_interval: 1s"),
    ):
        assert config.count(theirs) == 1
        config = config.replace(theirs, ours)
    (folder / "prometheus.yml").write_text(config)
    address, log = f"127.0.0.1:{free_port()}", folder / "log"
    command = [
        *("prometheus", f"--config.file={folder / 'prometheus.yml'}"),
        *(f"--storage.tsdb.path={folder / 'data'}", f"--web.listen-address={address}"),
    ]
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, text=True)
    try:
        running = Prometheus(f"http://{address}")
        wait_for(lambda: process.poll() is not None or running.is_ready(), 120, "Prometheus")
        assert process.poll() is None, log.read_text()
        yield running
    finally:
        end(process)


@contextmanager
def asking(service: Service) -> Iterator[None]:
    """Sends what every metric needs, again and again: pictures, numbers, and what is refused."""
    done, failures = threading.Event(), []

    def ask(number: int) -> None:
        sample = SAMPLES[number % len(SAMPLES)]
        for model in MODELS:
            url = f"{service.url}/v1/models/{model}"
            good = requests.post(f"{url}:predict", sample.read_bytes(), headers=PNG, timeout=30)
            bad = requests.post(f"{url}:predict", b"garbage", headers=PNG, timeout=30)
            assert (good.status_code, bad.status_code) == (200, 400)
            assert requests.get(url, timeout=30).status_code == 200
        gone = f"{service.url}/v1/models/no-such-model:predict"
        picture = sample.read_bytes()
        assert requests.post(gone, picture, headers=PNG, timeout=30).status_code == 404

    def run() -> None:
        number = 0
        while not done.is_set() and not failures:
            try:
                ask(number)
            except Exception as error:
                failures.append(error)
            number += 1
            done.wait(0.05)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    assert failures == []


def test_every_panel_has_data(service, prometheus):
    """Prometheus reaches gateway and model server, and has numbers for each query of each panel;
    its rules run, and none of them is about a metric that is not there."""
    asked = {title: filled(each, WINDOW) for title, each in expressions().items()}

    def empty() -> list[str]:
        return [title for title, query in asked.items() if not prometheus.has(query)]

    with asking(service):
        wait_for(lambda: not empty(), 120, f"data for all panels; none for {empty()}")

    def targets() -> dict[str, str]:
        found = prometheus.ask("targets")["activeTargets"]
        return {each["labels"]["job"]: each["health"] for each in found}

    # Until the next scrape, one that took longer than a second is a target that is down.
    both = {"gateway": "up", "model-server": "up"}
    wait_for(lambda: targets() == both, 60, f"both targets; they were {targets()}")
    for group in prometheus.ask("rules")["groups"]:
        assert {rule["health"] for rule in group["rules"]} == {"ok"}


def test_the_models_to_choose_from_are_found(prometheus):
    """The variable's query, `label_values(metric, label)`, has the models that are served."""
    query = variables()["model"]["query"]["query"]
    metric, label = query.removeprefix("label_values(").rstrip(")").split(", ")
    wait_for(
        lambda: set(MODELS) <= set(prometheus.ask(f"label/{label}/values", **{"match[]": metric})),
        60,
        "the models",
    )


def after_traffic(service: Service) -> Scraped:
    """What a gateway tells that was asked for all that it counts."""
    with asking(service):
        wait_for(
            lambda: Scraped.of(service.url).labels("vitrine_drift_images"),
            60,
            "the watch for drift",
        )
    return Scraped.of(service.url)


def samples(text: str) -> list[tuple[str, dict[str, str]]]:
    """The names and the labels of what a model server tells; the library's parser takes no name
    that begins with a colon, https://prometheus.io/docs/concepts/data_model/ does."""
    found = re.findall(r"^(:[\w:]+)\{(.*)\} \S+$", text, re.MULTILINE)
    return [(name, dict(re.findall(r'(\w+)="(.*?)"', labels))) for name, labels in found]


def test_all_that_is_asked_for_is_told(service):
    """Each metric in panels and alerts is one that a running gateway or model server tells, with
    the labels and with the values of labels that are asked for."""
    scraped = after_traffic(service)
    path = read_monitoring(ROOT / "deploy/tensorflow_serving/monitoring.config")
    told = samples(requests.get(f"{service.rest_url}{path}", timeout=30).text)
    told += [(each.name, each.labels) for family in scraped.families for each in family.samples]
    prometheus_adds = [{"job": job, "instance": "HOST"} for job in ("gateway", "model-server")]
    for asked in (*expressions().values(), *(text for _, text in alerts())):
        names, labels = used(asked)
        assert names <= {name for name, _ in told}, asked
        have = [*(each for name, each in told if name in names), *prometheus_adds]
        assert labels <= {label for each in have for label in each}, asked
        assert values(asked) <= {pair for each in have for pair in each.items()}, asked


def test_no_metric_is_dead(service):
    """A gateway that is asked has samples for each metric that it says it has, and no others."""
    scraped = after_traffic(service)
    found = {family.name: family for family in scraped.families}
    assert {each.name.removesuffix("_total") for each in FAMILIES} == found.keys()
    for each in FAMILIES:
        family = found[each.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (each.kind, each.help)
        assert family.samples, each.name
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == set(each.labels)
