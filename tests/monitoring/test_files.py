"""What Prometheus and Grafana are given: that it fits the metrics, and raises the alarm."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.monitoring.grafana import dashboard as generated
from harness.paths import ROOT
from tests.monitoring.dashboard import (
    DASHBOARD,
    MONITORING,
    alerts,
    expressions,
    panels,
    used,
    variables,
)
from vitrine_serving.gateway.telemetry.metrics import FAMILIES
from vitrine_serving.model_server.metrics import ServingMetrics, read_monitoring

CONFIG = MONITORING / "prometheus/prometheus.yml"
RULES = MONITORING / "prometheus/alerts.yml"
CASES = ROOT / "tests/monitoring/alerts.yml"


def test_prometheus_looks_where_the_metrics_are():
    """prometheus.yml has the paths of both, and Compose's names and ports."""
    compose = (ROOT / "docker-compose.yml").read_text()
    scraped = CONFIG.read_text()
    path = read_monitoring(ROOT / "deploy/tensorflow_serving/monitoring.config")
    for service, port, where in (("model-server", 8501, path), ("gateway", 8080, "/metrics")):
        assert f"\n  {service}:\n" in compose
        assert f'["{service}:{port}"]' in scraped
        assert f"job_name: {service}\n    metrics_path: {where} " in scraped


def known() -> dict[str, set[str]]:
    """The labels of each metric that is scraped, by its name and with its suffix."""
    metrics = ServingMetrics()
    metrics.observe_request("mlp", "Predict", "GRPC", "OK", 0.001)
    metrics.observe_run("mlp", "Predict", 0.001)
    found: dict[str, set[str]] = {"up": set()}
    for name, labels in re.findall(r"^(:[\w:]+)\{(.*)\}", metrics.text().decode(), re.MULTILINE):
        found.setdefault(name, set()).update(re.findall(r'(\w+)="', labels))
    for family in FAMILIES:
        suffixes = ("_bucket", "_sum", "_count") if family.kind == "histogram" else ("",)
        found |= {f"{family.name}{suffix}": {*family.labels, "le"} for suffix in suffixes}
    return found


def test_the_dashboard_and_the_alerts_know_the_metrics():
    """Every metric in them is one that is scraped, with the labels that they use."""
    scraped = known()
    for expression in (*expressions().values(), *(text for _, text in alerts())):
        names, labels = used(expression)
        assert names <= set(scraped)
        assert labels <= {"job", "instance"}.union(*(scraped[name] for name in names)), expression


def test_every_metric_is_on_the_dashboard():
    """What nobody looks at need not be measured."""
    shown = {name for expression in expressions().values() for name in used(expression)[0]}
    for family in FAMILIES:
        assert any(name.startswith(family.name) for name in shown), family.name


def test_the_dashboard_is_one_that_grafana_draws():
    """Panels have numbers of their own and places that do not overlap, rows what is in them."""
    everything = [*DASHBOARD["panels"], *panels()]
    numbers = {id(panel): panel["id"] for panel in everything}
    assert len(set(numbers.values())) == len(numbers)
    taken: set[tuple[int, int]] = set()
    for panel in [*(row for row in DASHBOARD["panels"] if row["type"] == "row"), *panels()]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        assert max(x for x, _ in cells) < 24
        taken |= cells
    for panel in panels():
        assert {"title", "description", "targets", "fieldConfig"} <= panel.keys()
    for row in DASHBOARD["panels"]:
        assert row["type"] != "row" or row["collapsed"] == bool(row["panels"])


def data_sources(part: Any) -> Iterator[Any]:
    """Every data source that is named anywhere in the dashboard."""
    if isinstance(part, dict):
        yield from (part["datasource"] for _ in range("datasource" in part))
        part = list(part.values())
    if isinstance(part, list):
        for each in part:
            yield from data_sources(each)


def test_the_dashboard_asks_for_its_data_source():
    """By a variable, which all else goes by, so that any uid will do; the one that is provisioned
    is of its type, and taken unless another is chosen."""
    first, *others = variables().values()
    assert (first["name"], first["type"], first["current"]) == ("datasource", "datasource", {})
    chosen = {"type": first["query"], "uid": "${datasource}"}
    named = list(data_sources(DASHBOARD))
    assert named == len(named) * [chosen]
    assert len(named) == len([*panels()]) + len(others)
    provisioned = (MONITORING / "grafana/provisioning/datasources/prometheus.yml").read_text()
    assert f"\n    type: {first['query']}\n" in provisioned
    assert "\n    isDefault: true\n" in provisioned


def test_the_dashboard_is_current():
    """It is what its generator makes of dashboard.toml."""
    assert generated.MADE.read_text() == generated.text(), "run `make docs`"


def test_a_panel_is_one_table(tmp_path):
    """Its place follows from those before it, and what is not said from its row."""
    table = tmp_path / "dashboard.toml"
    table.write_text(
        """
        [panels.Row]
        row = { id = 1, collapsed = false }
        each = { type = "timeseries", size = [12, 8] }
        [panels.Row.Left]
        id = 2
        description = "Seconds."
        unit = "s"
        red_from = 3
        queries."{{model}}" = 'a'
        queries.again = 'b'
        [panels.Row.Right]
        id = 3
        size = [12, 7]
        type = "stat"
        description = "Now."
        values = { down = "red", up = "green" }
        queries.up = 'up'
        [panels.Next]
        row = { id = 4, collapsed = true }
        each = {}
        """
    )
    row, left, right, below = json.loads(generated.text(table))["panels"]
    assert (row["title"], row["gridPos"]) == ("Row", {"x": 0, "y": 0, "w": 24, "h": 1})
    assert left["gridPos"] == {"x": 0, "y": 1, "w": 12, "h": 8}
    asked = [(each["refId"], each["expr"], each["legendFormat"]) for each in left["targets"]]
    assert asked == [("A", "a", "{{model}}"), ("B", "b", "again")]
    field = left["fieldConfig"]["defaults"]
    assert (field["unit"], field["thresholds"]["steps"][1]) == ("s", {"color": "red", "value": 3})
    assert right["gridPos"] == {"x": 12, "y": 1, "w": 12, "h": 7}
    texts = right["fieldConfig"]["defaults"]["mappings"][0]["options"]
    assert texts == {"0": {"text": "down", "color": "red"}, "1": {"text": "up", "color": "green"}}
    assert (below["collapsed"], below["gridPos"]["y"]) == (True, 9)


def test_single_figures_are_of_now():
    """Else Grafana shows the last value in the time range, also of what is gone."""
    single = [panel for panel in panels() if panel["type"] == "stat"]
    assert {"Drift", "Gateway", "Model server"} <= {panel["title"] for panel in single}
    for panel in single:
        for target in panel["targets"]:
            assert (target["instant"], target["range"]) == (True, False), panel["title"]


def test_legends_name_what_queries_tell_apart():
    """Another label would be empty in each of them."""
    for panel in panels():
        for target in panel["targets"]:
            shown = set(re.findall(r"{{(\w+)}}", target["legendFormat"]))
            assert shown <= {"instance"} | used(target["expr"])[1], panel["title"]


@pytest.mark.parametrize(("name", "text"), [*alerts()])
def test_an_alert_says_what_to_do(name, text):
    """How bad it is, what it is, what to do at 3 a.m., and where more is written; it has a case."""
    assert re.search(r"severity: (critical|warning) ", text)
    assert re.search(r"^ +summary: \S", text, re.MULTILINE)
    assert re.search(r"^ +action: \S", text, re.MULTILINE)
    assert f"runbook: docs/monitoring.md#{name.lower()}\n" in text
    assert f'alertname="{name}"' in CASES.read_text()


def test_promtool_accepts_the_rules():
    """Prometheus' own checker finds nothing, and each alert goes off where it should and only
    there."""
    if not shutil.which("promtool"):
        pytest.skip("no promtool here (Debian: apt-get install prometheus)")
    for words in (("check", "config", CONFIG), ("check", "rules", RULES), ("test", "rules", CASES)):
        done = subprocess.run(["promtool", *words], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr
