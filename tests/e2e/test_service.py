"""The whole service, as a user has it: real processes, real sockets, real models."""

import contextlib
import json
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import requests
from PIL import Image

from harness.accuracy import class_ids_through_api, photo_accuracies, pngs
from harness.paths import ROOT, SAMPLES
from harness.ports import free_port
from harness.service import started_service
from vitrine_client import InvalidImage
from vitrine_client.errors import InvalidRequest, NotFound
from vitrine_client.model_server import ModelServerClient
from vitrine_training.data.fashion_mnist import Split
from vitrine_training.evaluation.metrics import class_ids_of

MODELS = ("softmax", "mlp")
LABELS = json.loads((ROOT / "samples" / "labels.json").read_text())


@pytest.fixture
def client(service):
    with service.client() as made:
        yield made


def test_the_samples_are_the_test_images(dataset):
    """Each sample is its row of the test set, bit for bit, under its true label."""
    assert sorted(LABELS) == [sample.name for sample in SAMPLES]
    for sample in SAMPLES:
        row = LABELS[sample.name]["test_index"]
        np.testing.assert_array_equal(np.asarray(Image.open(sample)), dataset.test.images[row])


@pytest.mark.parametrize("model", MODELS)
def test_gateway_and_model_server_agree(service, client, model):
    """A picture gets the same prediction through the gateway and straight over gRPC."""
    with ModelServerClient(service.grpc_address) as direct:
        for sample in SAMPLES:
            through, past = client.predict(sample, model), direct.predict(sample, model)
            assert (through.label, through.version) == (past.label, 1)
            assert through.probability == pytest.approx(past.probability, abs=1e-6)
    assert client.predict(ROOT / "samples" / "ankle-boot.png", model).label == "Ankle boot"


def test_with_the_model_servers_batching_too(training_run, tmp_path):
    """Calls of the gateway go together with batching and padding: every signature of ours has a
    batch dimension."""
    batching = tmp_path / "batching.config"
    batching.write_text("max_batch_size { value: 64 } allowed_batch_sizes: [16, 64]")
    options = (training_run.models_dir, tmp_path / "log", f"--batching-parameters-file={batching}")
    with started_service(*options) as running, running.client() as client:
        found = list(client.predict_many(SAMPLES, "mlp"))
        truth = [LABELS[sample.name]["label"] for sample in SAMPLES]
        assert sum(each.label == label for each, label in zip(found, truth, strict=True)) >= 8
        listed = requests.get(f"{running.url}/v1/models", timeout=60).json()["models"]
        assert [model["classifier"] for model in listed] == [True, True]
        assert client.explain(SAMPLES[0], "mlp").class_id == found[0].class_id
        with ModelServerClient(running.grpc_address) as direct:
            assert direct.describe("mlp", 1).labels == tuple(found[0].probabilities)
            with pytest.raises(InvalidRequest, match="larger than maximum"):
                direct.run("mlp", {"images": np.zeros((65, 28, 28), np.float32)})


@pytest.mark.parametrize("model", MODELS)
def test_classes_are_those_of_the_exported_model(client, training_run, dataset, model):
    """1,000 test images sent as PNG get the very classes that the SavedModel gives offline."""
    images = dataset.test.images[:1000]
    offline = class_ids_of(training_run.models_dir / model / "1", images)
    np.testing.assert_array_equal(class_ids_through_api(client, model, list(pngs(images))), offline)


def test_many_at_once_get_their_own_answers(service, training_run, dataset):
    """32 clients at a time share calls to the model server, and each gets the class of its own
    picture."""
    images = dataset.test.images[:320]
    offline = class_ids_of(training_run.models_dir / "mlp" / "1", images)

    def predict(rows: range) -> list[int]:
        with service.client() as client:
            return [client.predict(images[row], "mlp").class_id for row in rows]

    shares = [range(start, 320, 32) for start in range(32)]
    with ThreadPoolExecutor(32) as pool:
        found = list(pool.map(predict, shares))
    for share, class_ids in zip(shares, found, strict=True):
        assert class_ids == offline[share.start :: 32].tolist()


def test_slow_clients_hold_up_nobody(service, client):
    """A hundred connections that send half a request and wait cost the others nothing."""
    host, port = service.url.removeprefix("http://").split(":")
    half = b"POST /v1/models/mlp:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nhalf"
    with contextlib.ExitStack() as stack:
        for _ in range(100):
            slow = stack.enter_context(socket.create_connection((host, int(port)), 10))
            slow.sendall(half)
        for _ in range(10):
            assert client.predict(SAMPLES[0]).label == "Ankle boot"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("items", "points", "on_average"),
    [(50, 0.1, 0.05), pytest.param(200, 0.05, 0.03, marks=pytest.mark.wide)],
)
def test_photos_lose_little(client, training_run, dataset, items, points, on_average):
    """Photos of items of every kind keep within some points of the originals, which are few where
    there are enough items for that: within 5, on average 3, of 200.

    `make accuracy` measures 1,000 of each kind, where each has to keep within 3 points.
    """
    few = Split(dataset.test.images[:items], dataset.test.labels[:items])
    version_dir = training_run.models_dir / "mlp" / "1"
    originals = float(np.mean(class_ids_of(version_dir, few.images) == few.labels))
    found = photo_accuracies(client, "mlp", version_dir, few)
    print(f"originals {originals:.3f}, photos {found}")
    assert len(found) >= 5
    assert "noisy" in found
    lost = [originals - kind.through_api for kind in found.values()]
    assert max(lost) < points
    assert sum(lost) / len(lost) < on_average
    assert found["white"].plain_resize < 0.3


def test_many_pictures_of_every_kind(client):
    """Paths, bytes, files, PIL images and arrays are all pictures, and bad ones fail alone."""
    path = SAMPLES[0]
    image = Image.open(path)
    with path.open("rb") as file:
        found = list(
            client.predict_many(
                [path, str(path), path.read_bytes(), file, image, np.asarray(image), b"garbage"]
            )
        )
    assert {prediction.label for prediction in found[:-1]} == {client.predict(path).label}
    assert isinstance(found[-1], InvalidImage)


def test_models_and_versions(client, training_run):
    """The client lists models, versions and states, and says what is not there."""
    published = {folder.parent.name for folder in training_run.models_dir.glob("*/1")}
    assert published >= set(MODELS)
    listed = client.models()
    assert {name: [(s.version, s.state) for s in found] for name, found in listed.items()} == {
        name: [(1, "AVAILABLE")] for name in published
    }
    assert client.status("mlp") == [replace(each, classifier=None) for each in listed["mlp"]]
    assert all(each.classifier for each in listed["mlp"])  # which a list alone tells
    assert client.predict(SAMPLES[0], version=1).version == 1
    for model, version, told in (
        ("nope", None, "No model nope; there are mlp, softmax"),
        ("mlp", 9, "mlp has no version 9; there is 1"),
    ):
        with pytest.raises(NotFound, match=told):
            client.predict(SAMPLES[0], model, version=version)


PNG = {"Content-Type": "image/png"}
GOOD = SAMPLES[0].read_bytes()
WRONG = [
    ("POST", "/v1/models/mlp:predict", {"data": b"", "headers": PNG}, 400),
    ("POST", "/v1/models/mlp:predict", {"data": b"just text", "headers": PNG}, 400),
    ("POST", "/v1/models/mlp:predict", {"data": GOOD[:80], "headers": PNG}, 400),
    ("POST", "/v1/models/mlp:predict", {"data": b"<svg/>", "headers": PNG}, 400),
    ("POST", "/v1/models/mlp:predict", {"json": {"a": 1}}, 400),
    ("POST", "/v1/models/nope:predict", {"data": GOOD, "headers": PNG}, 404),
    ("POST", "/v1/models/mlp/versions/9:predict", {"data": GOOD, "headers": PNG}, 404),
    ("POST", "/v1/models/mlp/labels/x:predict", {"data": GOOD, "headers": PNG}, 400),
    ("GET", "/v1/models/nope", {}, 404),
    ("GET", "/v1/models/mlp/versions/9", {}, 404),
    ("PUT", "/v1/models/mlp:predict", {"data": GOOD, "headers": PNG}, 405),
    ("GET", "/nowhere", {}, 404),
]


@pytest.mark.parametrize(("method", "path", "body", "status"), WRONG)
def test_wrong_requests(service, method, path, body, status):
    """Over real sockets: a 4xx, JSON that says what to do, no traceback."""
    answer = requests.request(method, service.url + path, timeout=10, **body)
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert len(answer.json()["detail"]) > 20
    assert "Traceback" not in answer.text


def test_rest_answers_as_the_gateway_does(service, client):
    """The model server's REST API gives the same class for the same picture."""
    pixels = (np.asarray(Image.open(SAMPLES[0])) / 255).tolist()
    answer = requests.post(
        f"{service.rest_url}/v1/models/mlp:predict", json={"instances": [pixels]}, timeout=10
    )
    expected = client.predict(SAMPLES[0], "mlp")
    assert answer.json()["predictions"][0]["class_ids"] == expected.class_id
    metadata = requests.get(f"{service.rest_url}/v1/models/mlp/metadata", timeout=10).json()
    signatures = metadata["metadata"]["signature_def"]["signature_def"]
    assert {"serving_default", "serve_bytes", "classify", "describe"} <= set(signatures)


def vitrine(*words: str, stdin: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-m", "vitrine_client", *words]
    return subprocess.run(command, input=stdin, capture_output=True, timeout=60)


def test_command_line(service):
    """`vitrine predict` and `vitrine models` print what they found; exit codes say how it went."""
    boot = str(ROOT / "samples" / "ankle-boot.png")
    done = vitrine("predict", "--url", service.url, "--model", "mlp", "--top", "2", boot)
    assert done.returncode == 0, done.stderr
    assert b"Ankle boot" in done.stdout
    assert b"mlp/1" in done.stdout
    done = vitrine("predict", "--url", service.url, "--json", "-", stdin=GOOD)
    assert json.loads(done.stdout)["version"] == 1
    done = vitrine("predict", "--model-server", service.grpc_address, boot)
    assert b"Ankle boot" in done.stdout
    done = vitrine("predict", "--url", service.url, boot, str(ROOT / "README.md"))
    assert done.returncode == 1
    assert b"Ankle boot" in done.stdout
    assert b"AVAILABLE" in vitrine("models", "--url", service.url).stdout
    done = vitrine("models", "--url", f"http://127.0.0.1:{free_port()}")
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"make serve" in done.stderr


def test_load_test(service):
    """A short load prints throughput and percentiles, and has no error."""
    done = vitrine(
        *("loadtest", "closed", "--url", service.url, "--concurrency", "2"),
        *("--duration-s", "1", "--warm-up-s", "0.2", str(SAMPLES[0])),
    )
    assert done.returncode == 0, done.stderr
    for word in (b"requests/s", b"p50", b"p99.9"):
        assert word in done.stdout
