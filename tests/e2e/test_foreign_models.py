"""Foreign models: SavedModels as people have them, that Vitrine did not train, all behind one
embedded model server.

They are made by `tests/e2e/foreign` in a process of its own, which also writes what TensorFlow
answers in memory to the same pictures, preprocessing included. One gateway reads the files beside
them in their directory, another is handed them by the model server.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import requests

from harness.gateway import gateway
from harness.paths import ROOT, SAMPLES
from harness.ports import free_port
from harness.service import Service, started_service
from tests.conftest import TrainingRun
from tests.e2e.foreign.expected import Expected
from tests.e2e.foreign.names import ANSWERED, REFUSED
from tests.e2e.foreign.pictures import COUNT

pytestmark = pytest.mark.slow

SEVERAL = range(COUNT - 5, COUNT)
"""Pictures in a form."""

Urls = dict[str, str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the exports, and what is expected of them."""
    folder = tmp_path_factory.mktemp("foreign")
    done = subprocess.run(
        [sys.executable, "-m", "tests.e2e.foreign", folder],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-5000:]
    return folder


@pytest.fixture(scope="module")
def service(made: Path) -> Iterator[Service]:
    """The whole service; its gateway has no directory of models."""
    with started_service(made / "models", made / "log") as running:
        yield running


@pytest.fixture(scope="module")
def urls(service: Service, made: Path) -> Iterator[Urls]:
    """Both gateways."""
    settings = {"models_dir": service.models_dir, "models": ",".join((*ANSWERED, *REFUSED))}
    with gateway(service.grpc_address, made / "mounted.log", **settings) as mounted:
        yield {"handed": service.url, "mounted": mounted.url}


def test_all_are_there(made: Path) -> None:
    """The names by which tests are collected are those of the exports, more than twenty."""
    assert {each.name for each in (made / "models").iterdir()} - {"models.config"} == {
        *ANSWERED,
        *REFUSED,
    }


def post(url: str, body: bytes, kind: str = "image/png") -> requests.Response:
    return requests.post(url, body, headers={"Content-Type": kind}, timeout=60)


@pytest.mark.parametrize("way", ["handed", "mounted"])
@pytest.mark.parametrize("name", ANSWERED)
def test_pictures_are_answered_right(urls: Urls, made: Path, name: str, way: str) -> None:
    """Alone, and several in a form: what TensorFlow answers in memory, each by itself."""
    expected = Expected(made, name)
    url = f"{urls[way]}/v1/models/{name}:predict"
    alone = post(url, expected.picture(0))
    assert alone.ok, alone.text
    expected.check(0, alone.json()["predictions"][0])
    assert alone.json()["model_spec"]["version"] == str(expected.version)
    form = [("image", (f"{n}.png", expected.picture(n), "image/png")) for n in SEVERAL]
    several = requests.post(url, files=form, timeout=60)
    assert several.ok, several.text
    for index, prediction in zip(SEVERAL, several.json()["predictions"], strict=True):
        expected.check(index, prediction)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.wide] if number % 4 else [])
        for number, name in enumerate(ANSWERED)
    ],
)
def test_many_in_flight(urls: Urls, made: Path, name: str) -> None:
    """Each gets the answer to its own picture, which no other picture has."""
    expected = Expected(made, name)
    assert expected.closest() > 2 * expected.tolerance, "answers could be anybody's"
    url = f"{urls['mounted']}/v1/models/{name}:predict"
    with ThreadPoolExecutor(COUNT) as pool:
        answers = list(pool.map(lambda index: post(url, expected.picture(index)), range(COUNT)))
    for index, answer in enumerate(answers):
        assert answer.ok, answer.text
        expected.check(index, answer.json()["predictions"][0])


@pytest.mark.parametrize("way", ["handed", "mounted"])
@pytest.mark.parametrize("name", REFUSED)
def test_a_sentence_says_why_not(urls: Urls, made: Path, name: str, way: str) -> None:
    """422: what the model takes, and what to write where."""
    expected = Expected(made, name)
    answer = post(f"{urls[way]}/v1/models/{name}:predict", expected.picture(0))
    assert answer.status_code == 422, answer.text
    told = answer.json()["detail"]
    assert all(words in told for words in (name, *expected.said)), told
    assert "alias" not in answer.text
    assert "\n" not in told


@pytest.mark.parametrize("name", [*ANSWERED, *REFUSED])
def test_json_goes_on(urls: Urls, made: Path, name: str) -> None:
    """TensorFlow Serving's JSON is answered as ever, by whatever signature an export has."""
    expected = Expected(made, name)
    url = f"{urls['mounted']}/v1/models/{name}:predict"
    answer = post(url, expected.json_body, "application/json")
    if name == "float16":  # no signature of TensorFlow Serving's can answer these in JSON
        assert answer.json()["error"] == "Failed to write JSON value for tensor type: half"
        return
    assert answer.ok, answer.text
    if expected.outputs is None:
        return
    outputs = answer.json()["outputs"]
    if len(expected.outputs) == 1:
        outputs = dict.fromkeys(expected.outputs, outputs)
    assert outputs.keys() == expected.outputs.keys()
    for key, wanted in expected.outputs.items():
        np.testing.assert_allclose(outputs[key], wanted, rtol=1e-3, atol=expected.tolerance)


@pytest.mark.parametrize("way", ["handed", "mounted"])
@pytest.mark.parametrize("name", ANSWERED)
def test_the_profile_is_told(urls: Urls, made: Path, name: str, way: str) -> None:
    """With the source of each member; what nothing says is said to be assumed."""
    expected = Expected(made, name)
    answer = requests.get(f"{urls[way]}/v1/models/{name}/profile", timeout=60)
    assert answer.ok, answer.text
    profile = answer.json()["profile"]
    assert {member: profile[member] for member in expected.profile} == expected.profile
    assert profile["sources"]["signature"]


@pytest.mark.parametrize("way", ["handed", "mounted"])
def test_lists(urls: Urls, way: str) -> None:
    """The list of models tells those that take pictures, and why others do not; all are ready."""
    answer = requests.get(f"{urls[way]}/v1/models", timeout=60)
    assert answer.ok, answer.text
    listed = {each["name"]: each for each in answer.json()["models"]}
    assert {name for name, each in listed.items() if each["classifier"]} == set(ANSWERED)
    assert {name for name, each in listed.items() if not each["classifier"]} == set(REFUSED)
    assert all(each["reason"] for each in listed.values() if not each["classifier"])
    assert "alias" not in answer.text
    for path in ("/readyz", "/readyz?models=1"):
        ready = requests.get(urls[way] + path, timeout=60)
        assert ready.ok, ready.text


@pytest.mark.wide  # test_processes.py has a demo with models of which two are left out
def test_the_demo_leaves_out_what_takes_no_pictures(
    made: Path, training_run: TrainingRun, tmp_path: Path
) -> None:
    """And says so; it goes on with the others, foreign ones among them."""
    models = tmp_path / "models"
    shutil.copytree(training_run.models_dir / "mlp", models / "mlp")
    for name in ("keras3_sequential", "two_outputs", "text"):
        shutil.copytree(made / "models" / name, models / name)
    ports = [f"--{kind}port={free_port()}" for kind in ("", "grpc-", "rest-")]
    command = [sys.executable, "-m", "vitrine_serving", "demo", "--once", *ports]
    done = subprocess.run(
        [*command, f"--models-dir={models}", *map(str, SAMPLES[:2])],
        capture_output=True,
        text=True,
        timeout=120,
        env=os.environ,
    )
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    assert "Traceback" not in told
    assert "keras3_sequential/1" in told
    assert "two_outputs" in told, "it is said"
