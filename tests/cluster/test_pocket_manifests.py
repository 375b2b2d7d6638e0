"""Manifests as the pocket cluster reads them, and probes as it tries them."""

import asyncio
from pathlib import Path

import pytest
import yaml

from tests.cluster.pocket.manifests import Deployment, ManifestError, Probe, Template, read
from tests.cluster.pocket.probes import has_started, watch
from tests.cluster.pocket.scenario import LAG_S, MANIFESTS

RENDERED = [MANIFESTS, MANIFESTS.with_name("base.yaml"), MANIFESTS.with_name("production.yaml")]


@pytest.mark.parametrize("file", RENDERED, ids=lambda file: file.stem)
def test_rendered_manifests_can_be_played(file):
    manifests = read(file)
    for service in manifests.services.values():
        chosen = [
            one for one in manifests.deployments.values() if service.selects(one.template.labels)
        ]
        assert chosen, service.name


def test_hooks_outlast_the_lag_that_the_scenario_has():
    """And the grace period has room for the hook and 30 s of answers that are owed."""
    for deployment in read(MANIFESTS).deployments.values():
        template = deployment.template
        for container in template.containers:
            assert container.pre_stop.sleep_s >= LAG_S + 2  # a lookup, and one request
            assert template.grace_s >= container.pre_stop.sleep_s + 30


@pytest.mark.parametrize(
    ("surge", "unavailable", "replicas", "bounds"),
    [
        (1, 0, 3, (1, 0)),
        ("25%", "25%", 3, (1, 0)),
        ("25%", "25%", 10, (3, 2)),
        ("100%", "0%", 4, (4, 0)),
        (0, "10%", 3, (0, 1)),  # or nothing could move
    ],
)
def test_percentages_are_rounded_as_documented(surge, unavailable, replicas, bounds):
    template = Template({"app": "x"}, (), ())
    deployment = Deployment("x", replicas, {"app": "x"}, template, surge, unavailable)
    assert (deployment.surge(replicas), deployment.unavailable(replicas)) == bounds


def _with(change, tmp_path: Path) -> Path:
    container = {"name": "one", "image": "python", "ports": [{"name": "http", "containerPort": 80}]}
    made = {
        "kind": "Deployment",
        "metadata": {"name": "x"},
        "spec": {
            "selector": {"matchLabels": {"app": "x"}},
            "template": {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [container]}},
        },
    }
    change(made["spec"], container)
    file = tmp_path / "made.yaml"
    file.write_text(yaml.safe_dump(made))
    return file


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda spec, _: spec.update(strategy={"type": "Recreate"}), "rolling"),
        (lambda spec, _: spec["selector"]["matchLabels"].update(app="y"), "does not match"),
        (lambda spec, _: spec["selector"].update(matchExpressions=[]), "matchLabels"),
        (lambda _, one: one.update(lifecycle={"postStart": {}}), "postStart"),
        (lambda _, one: one.update(lifecycle={"preStop": {"httpGet": {}}}), "preStop"),
        (lambda _, one: one.update(readinessProbe={"periodSeconds": 1}), "one of"),
        (lambda _, one: one.update(readinessProbe={"httpGet": {"port": "rest"}}), "rest"),
        (
            lambda _, one: one.update(livenessProbe={"tcpSocket": {"port": 1}, "exec": {}}),
            "one of",
        ),
    ],
)
def test_what_cannot_be_played_is_refused(change, said, tmp_path):
    with pytest.raises(ManifestError, match=said):
        read(_with(change, tmp_path))


def test_defaults_are_those_of_kubernetes(tmp_path):
    def add(_, one):
        one["readinessProbe"] = {"httpGet": {"port": "http"}}

    (deployment,) = read(_with(add, tmp_path)).deployments.values()
    (container,) = deployment.template.containers
    assert (deployment.replicas, deployment.min_ready_s, deployment.template.grace_s) == (1, 0, 30)
    assert (deployment.surge(4), deployment.unavailable(4)) == (1, 1)
    assert container.readiness == Probe("httpGet", 80, "/", (), 0, 10, 1, 1, 3)


class Results:
    """Container whose command succeeds or fails as told, and which has ended after that."""

    def __init__(self, *results: bool) -> None:
        self.left = list(results)

    @property
    def has_ended(self) -> bool:
        return not self.left

    async def run(self, command: tuple[str, ...], timeout_s: float) -> bool:
        return self.left.pop(0)


def test_a_threshold_is_of_results_in_a_row():
    told = []
    results = Results(True, True, False, False, True, False, False, False, True, True)
    probe = Probe("exec", period_s=0, success_threshold=2, failure_threshold=3)
    asyncio.run(watch(probe, "", results, told.append))
    assert told == [True, False, True]


@pytest.mark.parametrize(
    ("results", "started"),
    [((False, True), True), ((False, False, True), False), ((False,), False)],
)
def test_a_startup_probe_passes_or_fails_for_good(results, started):
    probe = Probe("exec", period_s=0, failure_threshold=2)
    assert asyncio.run(has_started(probe, "", Results(*results))) is started
