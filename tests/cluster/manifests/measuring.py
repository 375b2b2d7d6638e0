"""Metrics in manifests: scalers and monitors ask for those of docs/monitoring.md."""

import json
import re
from collections.abc import Iterator
from functools import cache

import yaml

from harness.paths import ROOT
from tests.cluster.manifests.objects import Object, Objects, matches, namespace, title
from tests.cluster.manifests.service import paths

ADAPTER = ROOT / "deploy/kubernetes/components/scaling-waiting/prometheus-adapter.yaml"
_METRIC = re.compile(r"\bvitrine_[a-z0-9_]+")
_PARTS = re.compile(r"_(bucket|sum|count)$")
_ROW = re.compile(r"^\| `(vitrine_\w+)` \| \w+ \| ([^|]*) \|", re.MULTILINE)
_OF_PROMETHEUS = {"job", "namespace", "pod", "instance", "service", "le"}
_CONFIG = ROOT / "deploy/tensorflow_serving/monitoring.config"
_PROMETHEUS = ROOT / "deploy/monitoring/prometheus/prometheus.yml"
_KINDS = {"pods": "custom", "object": "custom", "external": "external"}
"""Rules of prometheus-adapter for each source of a scaler's metric."""


@cache
def metrics() -> dict[str, set[str]]:
    """Returns the labels of each metric in docs/monitoring.md."""
    rows = _ROW.findall((ROOT / "docs/monitoring.md").read_text())
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def measured(objects: Objects) -> Iterator[str]:
    """Metrics that are none of docs/monitoring.md, or that no rule of the adapter's gives."""
    rules = yaml.safe_load(ADAPTER.read_text())["rules"]
    ruled = {one["name"]["as"]: kind for kind, found in rules.items() for one in found}
    for one in objects.of("HorizontalPodAutoscaler", "ScaledObject", "PrometheusRule"):
        for said in unknown_metrics(json.dumps(one)):
            yield f"{title(one)}: {said}"
    for one in objects.of("HorizontalPodAutoscaler"):
        for metric in one["spec"].get("metrics") or []:
            for source, kind in _KINDS.items():
                name = (metric.get(source) or {}).get("metric", {}).get("name")
                if name and name not in metrics():
                    yield f"{title(one)}: {name} is no metric of docs/monitoring.md"
                if name and ruled.get(name) != kind:
                    yield f"{title(one)}: no {kind} rule of {ADAPTER.name} has {name}"


def scraped(objects: Objects) -> Iterator[str]:
    """Monitors that ask at addresses where no metrics are."""
    own = re.findall(r'path: "([^"]+)"', _CONFIG.read_text())
    for kind, key, known in (
        ("ServiceMonitor", "endpoints", list(paths())),
        ("PodMonitor", "podMetricsEndpoints", own),
    ):
        for one in objects.of(kind):
            for endpoint in one["spec"].get(key) or []:
                if endpoint.get("path", "/metrics") not in known:
                    yield f"{title(one)}: nobody has metrics at {endpoint.get('path')}"
                for job in _jobs(objects, one, endpoint) - jobs():
                    yield f"{title(one)}: alerts and dashboard know no job {job}"


@cache
def jobs() -> set[str]:
    """Returns the names of jobs that alerts and the dashboard ask for."""
    configs = yaml.safe_load(_PROMETHEUS.read_text())["scrape_configs"]
    return {one["job_name"] for one in configs}


def _jobs(objects: Objects, monitor: Object, endpoint: Object) -> set[str]:
    """Returns the jobs that the operator makes of an endpoint: of a relabeling, of the label that
    `jobLabel` names, or else of the monitored object's name."""
    for rule in endpoint.get("relabelings") or []:
        if rule.get("targetLabel") == "job" and "sourceLabels" not in rule:
            return {str(rule.get("replacement"))}
    if monitor.get("kind") == "PodMonitor":
        found = [pod.labels for pod in objects.pods]
        names = [f"{namespace(monitor)}/{monitor['metadata']['name']}"]
    else:
        services = [one["metadata"] for one in objects.of("Service")]
        selector = monitor["spec"].get("selector")
        services = [one for one in services if matches(selector, one.get("labels") or {})]
        found = [one.get("labels") or {} for one in services]
        names = [one["name"] for one in services]
    label = monitor["spec"].get("jobLabel")
    return {each[label] for each in found if label in each} if label else set(names)


def unknown_metrics(text: str) -> Iterator[str]:
    """Yields what is wrong with the metrics of ours, and their labels, in a query."""
    for name in _METRIC.findall(text):
        if name not in metrics() and _PARTS.sub("", name) not in metrics():
            yield f"{name} is no metric of docs/monitoring.md"
    for name, selector in re.findall(r"(vitrine_\w+)\{([^{}]*)\}", text):
        known = metrics().get(_PARTS.sub("", name), set()) | _OF_PROMETHEUS
        for label in re.findall(r"(\w+)\s*(?:=|!=|=~|!~)", selector):
            if label not in known:
                yield f"{name} has no label {label}"
