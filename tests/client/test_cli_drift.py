"""`vitrine drift`: a row for each version, JSON, and how it ends."""

import json

import pytest
from click.testing import CliRunner, Result

from tests.client.fake_gateway import STATUS_OK, Asked, FakeGateway, Reply, problem
from tests.client.test_drift_reports import ALARM, EMPTY, POOLED, REPORT
from vitrine_client.cli import main


def watching(asked: Asked) -> Reply:
    """Watches mlp, which raises an alarm, and softmax, of which nothing is known; `old` has no
    version that is AVAILABLE."""
    if asked.path == "/v1/models":
        states = {"mlp": "AVAILABLE", "softmax": "AVAILABLE", "old": "END"}
        return Reply(content={"models": [_entry(*item) for item in states.items()]})
    reports = {"mlp": REPORT, "softmax": {"model": "softmax", "versions": [EMPTY]}}
    if asked.model in reports and asked.path.endswith("/drift"):
        return Reply(content=reports[asked.model])
    return problem(404, f"{asked.model} has no version that is AVAILABLE")


def _entry(name: str, state: str) -> dict:
    statuses = [{"version": "1", "state": state, "status": STATUS_OK}]
    return {"name": name, "model_version_status": statuses}


@pytest.fixture
def gateway():
    with FakeGateway(watching) as running:
        yield running


def drift(gateway, *words: str) -> Result:
    return CliRunner().invoke(main, ["drift", "--url", gateway.url, *words])


def test_all_models(gateway):
    """A row for each version that is AVAILABLE; scores are multiples of their limits, and the
    classes that moved come first the farthest. An alarm is exit code 1."""
    done = drift(gateway)
    assert done.exit_code == 1, done.output
    header, alarm, empty, unknown, other = [line.rstrip() for line in done.stdout.splitlines()]
    assert header.split() == ["version", "drift", "images", "look", "shares", "moved"]
    assert alarm.split()[:7] == ["mlp/2", "label", "300", "of", "500", "0.5x", "2x"]
    assert "<Shirt> +30, Bag -26" in alarm
    assert alarm.endswith(ALARM["reason"])
    assert empty.split()[:7] == ["mlp/1", "none", "0", "of", "500", "–", "–"]
    assert unknown.endswith("no baseline")
    assert other.startswith("softmax/1")
    assert [asked.path for asked in gateway.asked] == [
        "/v1/models",
        "/v1/models/mlp/drift",
        "/v1/models/softmax/drift",
    ]


def test_images_of_several_gateways():
    """It says of how many; an older gateway says nothing, and has its own."""
    content = {"model": "mlp", "versions": [POOLED, ALARM]}
    with FakeGateway(lambda _: Reply(content=content)) as gateway:
        _, pooled, own = drift(gateway, "mlp").stdout.splitlines()
        told = json.loads(drift(gateway, "mlp", "--json").stdout)
    assert "900 of 1500 in 3 gateways" in pooled
    assert "gateways" not in own
    assert [one["gateways"] for one in told[0]["versions"]] == [3, 1]


def test_one_model(gateway):
    """No alarm is exit code 0."""
    done = drift(gateway, "softmax")
    assert done.exit_code == 0
    assert "mlp" not in done.stdout
    assert drift(gateway, "mlp", "--version", "2").exit_code == 1
    assert gateway.asked[-1].path == "/v1/models/mlp/versions/2/drift"


def test_json(gateway):
    """A list of reports, each as the library returns it."""
    done = drift(gateway, "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert [report["model"] for report in told] == ["mlp", "softmax"]
    assert told[0]["versions"][0]["scores"] == ALARM["scores"]


def test_how_it_ends_otherwise(gateway):
    """No such model, or none at all: 1; wrong usage 2."""
    done = drift(gateway, "nope")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == "Error: No model nope; there are mlp, old, softmax\n"
    done = drift(gateway, "--version", "1")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "name the model, too" in done.stderr
    gateway.answer = lambda _: Reply(content={"models": []})
    done = drift(gateway)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "vitrine models" in done.stderr
