"""The files that containers are made from and configured by; none of this needs an engine."""

import json
import re
import shutil
import socket
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.conftest import ROOT, free_port
from tests.containers.conftest import EMBEDDED, call
from vitrine_serving.model_server.batching import read_parameters
from vitrine_serving.model_server.config import read_config
from vitrine_serving.model_server.flags import Flags
from vitrine_serving.model_server.metrics import Metrics, read_monitoring

CONFIG = ROOT / "serving/tensorflow_serving"
PROMETHEUS = ROOT / "serving/monitoring/prometheus"
DASHBOARD = ROOT / "serving/monitoring/grafana/dashboards/vitrine.json"
COMPOSE = (ROOT / "docker-compose.yml").read_text()


@pytest.mark.parametrize("profile", ["", "monitoring", "train"])
@pytest.mark.parametrize("files", [(), EMBEDDED], ids=["TensorFlow Serving", "embedded"])
def test_compose_accepts_the_files(compose, files, profile):
    """`docker compose config` for each profile, with either model server."""
    chosen = ["--profile", profile] if profile else []
    found = call(*compose, *files, *chosen, "config")
    image = "vitrine-model-server" if files else "tensorflow/serving:2.20.0"
    assert f"image: {image}\n" in found


def test_the_embedded_server_is_given_the_same_flags():
    """The override leaves TensorFlow Serving's command as it is, and ours knows each flag of it."""
    flags = set(re.findall(r"- --(\w+)=", COMPOSE.split("healthcheck:")[0]))
    assert {"model_config_file", "monitoring_config_file", "grpc_max_threads"} <= flags
    assert flags <= set(Flags.__dataclass_fields__)
    assert "command:" not in (ROOT / "docker-compose.embedded.yml").read_text()


def test_the_configuration_is_what_model_servers_read():
    """models.config names where Compose mounts the models; batching waits for nobody."""
    found = {config.name: str(config.base_path) for config in read_config(_text("models.config"))}
    assert found == {"softmax": "/models/softmax", "mlp": "/models/mlp"}
    parameters = read_parameters(CONFIG / "batching.config")
    assert parameters.batch_timeout_s == 0
    assert "--enable_batching=" not in COMPOSE


def _text(name: str) -> str:
    return (CONFIG / name).read_text()


def test_prometheus_looks_where_the_metrics_are():
    """prometheus.yml has the path that monitoring.config gives, and the service's name and port."""
    path = read_monitoring(CONFIG / "monitoring.config")
    scraped = (PROMETHEUS / "prometheus.yml").read_text()
    assert f"metrics_path: {path} " in scraped
    assert '["model-server:8501"]' in scraped
    assert "\n  model-server:\n" in COMPOSE


def test_the_dashboard_and_the_alerts_know_the_metrics():
    """Every metric in them is one that the model server has, with the labels that they use."""
    metrics = Metrics()
    metrics.observe_request("mlp", "Predict", "GRPC", "OK", 0.001)
    metrics.observe_run("mlp", "Predict", 0.001)
    served = metrics.text().decode()
    names = set(re.findall(r"^(:[\w:]+)\{", served, re.MULTILINE))
    labels = set(re.findall(r'[{,](\w+)="', served))
    dashboard = json.loads(DASHBOARD.read_text())
    panels = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    expressions = [*panels, (PROMETHEUS / "alerts.yml").read_text()]
    for expression in expressions:
        assert set(re.findall(r":tensorflow[\w:]+", expression)) <= names
        used = re.findall(r"[{,](\w+)[=!]~?\"", expression)
        grouped = re.findall(r"\w+", " ".join(re.findall(r" by \(([^)]+)\)", expression)))
        assert {*used, *grouped} <= labels | {"job"}
    assert len(dashboard["panels"]) >= 6


def test_promtool_accepts_the_rules():
    """Prometheus' own checker, where it is installed, finds nothing, and the alerts go off."""
    if not shutil.which("promtool"):
        pytest.skip("no promtool here (Debian: apt-get install prometheus)")
    call("promtool", "check", "config", str(PROMETHEUS / "prometheus.yml"))
    call("promtool", "test", "rules", str(ROOT / "tests/containers/alerts.yml"))


def health_check(port: int) -> list[str]:
    """Returns the model server's health check as Compose runs it, for another port."""
    folded = re.findall(r"- >-\n((?: {10}.*\n)+)", COMPOSE)[0]
    script = " ".join(folded.split()).replace("$$", "$")
    assert "/8501" in script
    return ["bash", "-c", script.replace("/8501", f"/{port}")]


def test_the_health_check_tells_who_answers():
    """bash alone, as TensorFlow Serving's image has no curl: 0 for HTTP of any status, else not."""
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        assert subprocess.run(health_check(server.server_port), timeout=10).returncode == 0
        server.shutdown()
    nobody = subprocess.run(health_check(free_port()), timeout=10, capture_output=True)
    assert nobody.returncode != 0
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and never answers
        mute = subprocess.run(health_check(silent.getsockname()[1]), timeout=10)
    assert mute.returncode != 0
