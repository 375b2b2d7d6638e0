"""Backward compatibility: today's commands serve and read the sets that earlier ones wrote."""

import json
import math
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import vitrine_client.cli
import vitrine_serving.cli
import vitrine_training.cli
from tests.compat.make_set import BOOT, COAT, HERE, PNG, Service, serving
from vitrine_client.model_server import ModelServerClient

SETS = sorted(path.parent for path in HERE.glob("*/set.json"))
assert SETS, "no sets, so that nothing would be tested"
WORDS = {"detail", "error", "title", "warnings"}
"""Members for people to read, whose wording is free."""


@pytest.fixture(scope="module", params=SETS, ids=lambda folder: folder.name)
def folder(request) -> Path:
    """A set."""
    return request.param


@pytest.fixture(scope="module")
def about(folder) -> dict[str, Any]:
    """A set's commit and key, and what of its logs was replayed when it was made."""
    return json.loads((folder / "set.json").read_text())


@pytest.fixture(scope="module")
def models_dir(folder, tmp_path_factory) -> Path:
    """A copy of a set's models, with a `models.config` that names its place."""
    models_dir = tmp_path_factory.mktemp("compat") / "models"
    shutil.copytree(folder / "models", models_dir)
    config = models_dir / "models.config"
    moved, paths = re.subn(r'base_path: ".*/', f'base_path: "{models_dir}/', config.read_text())
    assert paths == 2
    config.write_text(moved)
    return models_dir


@pytest.fixture(scope="module")
def service(folder, about, models_dir) -> Iterator[Service]:
    """Today's service of a set's models, labels and keys."""
    with serving(models_dir, folder / "keys", about["key"]) as running:
        yield running


MAINS = {
    "client": vitrine_client.cli.main,
    "serving": vitrine_serving.cli.main,
    "training": vitrine_training.cli.main,
}


def command(member: str, *words: object) -> Result:
    """Runs a command of ours in this process, and checks that all was well."""
    done = CliRunner().invoke(MAINS[member], [*map(str, words)])
    assert done.exit_code == 0, f"{words}: {done.exit_code}\n{done.output}"
    return done


def differences(old: Any, new: Any, path: str = "") -> Iterator[str]:
    """Yields what was answered once and is not now; what is there in addition is no difference."""
    if isinstance(old, dict) and isinstance(new, dict):
        yield from (f"{path}.{name} is gone" for name in old.keys() - new.keys())
        for name in (old.keys() & new.keys()) - WORDS:
            yield from differences(old[name], new[name], f"{path}.{name}")
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, f"{path}[{number}]")
    elif not _equal(old, new):
        yield f"{path} is {new!r}, not {old!r}"


def _equal(old: Any, new: Any) -> bool:
    if isinstance(old, float) and isinstance(new, float):
        return math.isclose(old, new, rel_tol=1e-3, abs_tol=1e-4)
    return type(old) is type(new) and old == new


def test_differences_are_seen():
    """Another class, a lost member, a lost entry; neither rounding nor another wording."""
    old = {"predictions": [{"class_id": 4, "probability": 0.5, "warnings": ["a"]}], "gone": 1}
    same = {"predictions": [{"class_id": 4, "probability": 0.50001, "warnings": [], "more": 1}]}
    assert list(differences(old, same | {"gone": 1})) == []
    assert list(differences(old, same)) == [".gone is gone"]
    assert list(differences([1, {"class_id": 4}], [1, {"class_id": 5}])) == [
        "[1].class_id is 5, not 4"
    ]
    assert list(differences([1, 2], [1])) == [" is [1], not [1, 2]"]
    assert list(differences(0.5, 0.51)) == [" is 0.51, not 0.5"]


def test_old_versions_answer_as_before(folder, service):
    """Pictures, forms, arrays, JSON and explanations, by name, version and label."""
    changed = {}
    for line in (folder / "answers.jsonl").read_text().splitlines():
        case = json.loads(line)
        answer = service.send(case, folder)
        found = {"status": answer.status_code, "answer": answer.json()}
        recorded = {name: case[name] for name in found}
        if different := list(differences(recorded, found)):
            changed[case["name"]] = different[:5]
    assert changed == {}


def test_old_versions_describe_themselves(service, models_dir):
    """Labels and card come out of the SavedModel as they lie beside it."""
    cards = sorted(models_dir.glob("*/*/assets.extra/card.json"))
    assert len(cards) == 3
    with ModelServerClient(service.grpc_address) as server:
        for path in cards:
            card = json.loads(path.read_text())
            found = server.describe(card["model"], card["version"])
            assert list(found.labels) == card["labels"]
            assert found.card == card


def test_drift_has_the_old_reference(folder, service):
    """The versions that label and name lead to are watched, by what their cards say."""
    for model, version in (("softmax", "2"), ("mlp", "1")):
        picture = {"method": "POST", "path": f"/v1/models/{model}:predict", "content_type": PNG}
        assert service.send(picture | {"image": COAT}, folder).status_code == 200
        asked = {"method": "GET", "path": f"/v1/models/{model}/versions/{version}/drift"}
        answer = service.send(asked, folder)
        assert answer.status_code == 200, answer.text
        (entry,) = answer.json()["versions"]
        assert entry["version"] == version, entry


def test_old_keys_are_taken(folder, about, service, tmp_path):
    """The key opens, another and none do not; commands go on with the file."""
    picture = {"method": "POST", "path": "/v1/models/mlp:predict", "content_type": PNG}
    keys = (about["key"], about["key"] + "0", "")
    status = [
        Service(service.url, service.grpc_address, key)
        .send(picture | {"image": BOOT}, folder)
        .status_code
        for key in keys
    ]
    assert status == [200, 401, 401]
    mine = shutil.copyfile(folder / "keys", tmp_path / "keys")
    command("serving", "keys", "add", "second", "--file", mine)
    assert command("serving", "keys", "list", "--file", mine).stdout.split() == ["tests", "second"]
    assert (folder / "keys").read_text() in mine.read_text()


@pytest.mark.parametrize("name", ["predictions.jsonl", "without-images.jsonl"])
def test_old_prediction_logs_are_replayed(folder, about, service, tmp_path, name):
    """As many lines as then are sent, all are answered, and as many left out."""
    result = tmp_path / "result.json"
    command(
        *("client", "loadtest", "replay", folder / name, "--pictures", folder / BOOT),
        *("--json", result),
        *("--url", service.url, "--key", service.key, "--longest-gap-s", 0.1, "--quiet"),
    )
    content = json.loads(result.read_text())
    load = content["about"]["plan"]["load"]
    expected = about["replays"][name]
    assert expected["replayed"] > 10
    assert {key: load[key] for key in expected} == expected
    assert content["summary"]["answered"] == expected["replayed"]


@pytest.mark.parametrize("name", ["result.json", "search.json"])
def test_old_results_are_read(folder, name):
    """A load and a search are shown, held against an objective, and compared with themselves."""
    file = folder / name
    done = command("client", "loadtest", "check", file, "--compare", file, "--slo", "p99=1s")
    answered = json.loads(file.read_text())["summary"]["answered"]
    assert f"{answered:,} of " in done.stdout
    assert "Meets p99=1s" in done.stdout
    (compared,) = re.findall(r"^p50 +(\S+ ms) +(\S+ ms) {2,}(\S.*)$", done.stdout, re.MULTILINE)
    assert compared[0] == compared[1]
    assert "too little data" not in compared[2]


@pytest.mark.slow
def test_training_reads_old_versions(folder, models_dir, tmp_path):
    """Listed and tested as their cards say, and reported on."""
    where = ("--models-dir", models_dir)
    cards = [json.loads(path.read_text()) for path in models_dir.glob("*/*/assets.extra/card.json")]
    accuracies = {
        (card["model"], card["version"]): card["metrics"]["test_accuracy"] for card in cards
    }
    listed = json.loads(command("training", "versions", "--json", *where).stdout)
    assert {(each["model"], each["version"]) for each in listed} == set(accuracies)
    for each in listed:
        assert each["test_accuracy"] == accuracies[each["model"], each["version"]]
    tested = json.loads(command("training", "evaluate", "--json", *where).stdout)
    assert {each["model"] for each in tested} == {"softmax", "mlp"}
    for each in tested:
        expected = accuracies[each["model"], each["version"]]
        assert math.isclose(each["accuracy"], expected, abs_tol=5e-4)
    made = command("training", "report", "--json", "--reports-dir", tmp_path, *where)
    pages = [Path(each["page"]) for each in json.loads(made.stdout)]
    assert [page.stat().st_size > 10_000 for page in pages] == [True, True]


def test_old_version_labels_move_back(folder, service, models_dir):
    """A label's history is in the file, and `vitrine rollback` follows it; a canary is the one that
    is promoted by its label, and no other moves."""
    where = ("--config", models_dir / "models.config", "--model-server", service.grpc_address)
    asked = {"method": "POST", "path": "/v1/models/softmax/labels/stable:predict"}
    asked |= {"image": BOOT, "content_type": PNG}
    canary = asked | {"path": "/v1/models/softmax/labels/canary:predict"}

    def version(asked: dict[str, Any] = asked) -> str:
        return service.send(asked, folder).json()["model_spec"]["version"]

    assert version() == "2"
    command("client", "rollback", "softmax", *where)
    assert version() == "1"
    command("client", "promote", "softmax", 2, "--label", "canary", *where)
    assert (version(), version(canary)) == ("1", "2")
    command("client", "promote", "softmax", 2, *where)
    assert version() == "2"
