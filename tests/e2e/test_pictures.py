"""Pictures that show nothing, and boxes, from a real gateway with real models behind it."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from harness.gateway import gateway
from harness.paths import SAMPLES
from harness.waiting import wait_for
from tests.monitoring.scraped import Scraped

MODEL = "/v1/models/mlp"
BOOT = next(sample for sample in SAMPLES if sample.stem == "ankle-boot").read_bytes()
PNG = {"Content-Type": "image/png"}
WORDS = "there is nothing to see in this picture"


def encoded(pixels: np.ndarray, file_format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, file_format)
    return buffer.getvalue()


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(16).integers(0, 256, shape, np.uint8)


NOTHING = {
    "blank": encoded(np.full((600, 400, 3), 255, np.uint8), "JPEG"),
    "grey": encoded(np.full((300, 300), 128, np.uint8)),
    "black": encoded(np.zeros((500, 500, 3), np.uint8), "WEBP"),
    "black and small": encoded(np.zeros((28, 28), np.uint8)),
    "noise": encoded(noise(600, 600)),
    "noise in colour": encoded(noise(400, 600, 3), "JPEG"),
}


@pytest.fixture(scope="module")
def log(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("pictures") / "predictions.jsonl"


@pytest.fixture(scope="module")
def url(service, log):
    """A gateway of one process that notes predictions, before the model server of all tests."""
    settings = {"workers": 1, "prediction_log": log, "prediction_log_images": 1}
    with gateway(service.grpc_address, models="softmax,mlp", **settings) as running:
        yield running.url


def post(url: str, path: str, *pictures: bytes, **options) -> requests.Response:
    """Sends one picture as it is, or several as a form."""
    if len(pictures) > 1:
        files = [("image", (f"{n}.png", each)) for n, each in enumerate(pictures)]
        return requests.post(url + path, files=files, timeout=60, **options)
    return requests.post(url + path, pictures[0], headers=PNG, timeout=60, **options)


def seen(url: str) -> dict[str, float]:
    """What has been shown to models, by metrics and by the watch for drift, and what was empty."""
    scraped = Scraped.of(url)
    drift = requests.get(f"{url}{MODEL}/drift", timeout=60).json()
    return {
        "in calls": scraped.total("vitrine_batch_images_sum"),
        "calls": scraped.total("vitrine_batch_images_count"),
        "in the window": drift["versions"][0]["images"],
        "empty": scraped.total("vitrine_empty_pictures_total", model="mlp"),
    }


@pytest.mark.parametrize("content", NOTHING.values(), ids=NOTHING)
def test_nothing_has_no_class(url, content):
    """Alone, in a form, explained: the same entry, and the version that would have answered."""
    entry = {"empty": True, "warnings": [WORDS]}
    for verb, name, signature in (
        ("predict", "predictions", "serving_default"),
        ("explain", "explanations", "explain"),
    ):
        alone = post(url, f"{MODEL}:{verb}", content)
        assert alone.status_code == 200, alone.text
        spec = {"name": "mlp", "version": "1", "signature_name": signature}
        assert alone.json() == {name: [entry], "model_spec": spec}
        among = post(url, f"{MODEL}:{verb}", BOOT, content, BOOT).json()[name]
        assert among[1] == entry
        assert [each["label"] for each in among[::2]] == ["Ankle boot"] * 2
        assert [(each["box"], each["warnings"]) for each in among[::2]] == [
            ([0, 0, 28, 28], [])
        ] * 2
    shown = post(url, "/v1/instances", content, BOOT).json()
    assert np.max(shown["instances"][0]) == 0
    assert shown["boxes"] == [None, [0, 0, 28, 28]]
    assert shown["warnings"] == [[WORDS], []]


def test_nothing_reaches_model_drift_or_log(url, log):
    """Models, the watch and the log get to know of a boot alone; the metric of the rest."""
    before = seen(url)
    for name, content in NOTHING.items():
        headers = PNG | {"X-Request-ID": name.replace(" ", "-")}
        assert requests.post(f"{url}{MODEL}:predict", content, headers=headers, timeout=60).ok
    pictures = *NOTHING.values(), b"garbage", BOOT
    assert post(url, f"{MODEL}:predict", *pictures, headers={"X-Request-ID": "the-form"}).ok
    after = seen(url)
    assert {name: after[name] - before[name] for name in after} == {
        "in calls": 1,
        "calls": 1,
        "in the window": 1,
        "empty": 2 * len(NOTHING),
    }

    def noted() -> dict[str, dict]:
        text = log.read_text() if log.exists() else ""
        return {each["request_id"]: each for each in map(json.loads, text.splitlines())}

    wait_for(lambda: "the-form" in noted(), 60, "the line of the form")
    line = noted()["the-form"]
    assert not noted().keys() & {name.replace(" ", "-") for name in NOTHING}
    assert [each.get("label", "none") for each in line["results"]] == ["none", "Ankle boot"]
    assert [png is None for png in line["instances"]] == [True, False]


@pytest.mark.parametrize("verb", ["predict", "explain"])
@pytest.mark.parametrize("place", ["nope", "mlp/versions/9", "mlp/labels/stable"])
def test_who_is_not_there_does_not_answer(url, verb, place):
    """To an empty picture a missing model, version or version label is what it is to any."""
    empty = post(url, f"/v1/models/{place}:{verb}", NOTHING["blank"])
    boot = post(url, f"/v1/models/{place}:{verb}", BOOT)
    assert (empty.status_code, empty.json()) == (boot.status_code, boot.json())
    assert empty.status_code in (400, 404)


def test_arrays_and_json_are_no_pictures(url):
    """Rows of zeros are answered."""
    zeros = np.zeros((1, 28, 28), np.uint8)
    buffer = io.BytesIO()
    np.save(buffer, zeros)
    array = requests.post(
        f"{url}{MODEL}:predict",
        buffer.getvalue(),
        headers={"Content-Type": "application/x-npy"},
        timeout=60,
    ).json()
    rows = requests.post(f"{url}{MODEL}:predict", json={"instances": zeros.tolist()}, timeout=60)
    assert array["predictions"][0]["class_id"] == rows.json()["predictions"][0]["class_ids"]
    assert "box" not in array["predictions"][0]


def test_a_box_says_which_of_two_it_is(url, dataset):
    """Of two items side by side each is found by its box, and the answer has the box."""
    boot, trouser = (dataset.test.images[dataset.test.labels == label][0] for label in (9, 1))
    photo = np.full((200, 400), 255, np.uint8)
    for left, item in ((30, boot), (230, trouser)):
        photo[30:170, left : left + 140] = 255 - np.kron(item, np.ones((5, 5), np.uint8))
    content = encoded(photo)
    for box, label in (("20,20,160,160", "Ankle boot"), ("219.8,20.2,160,160", "Trouser")):
        (found,) = post(url, f"{MODEL}:predict?box={box}", content).json()["predictions"]
        assert found["label"] == label
        assert found["box"] == [round(float(number)) for number in box.split(",")]
    outside = post(url, f"{MODEL}:predict?box=300,20,160,160", content)
    assert (outside.status_code, outside.headers["Content-Type"]) == (
        400,
        "application/problem+json",
    )
