"""Explanations from pixels to answer: trained models, the embedded model server, the gateway."""

import numpy as np
import pytest
import requests
import tensorflow as tf

from harness.paths import SAMPLES
from tests.client.fake_gateway import KINDS
from vitrine_client import InvalidImage, errors

MODELS = ("softmax", "mlp")
PNG = {"Content-Type": "image/png"}
FILES = [("image", sample.read_bytes()) for sample in SAMPLES]


@pytest.fixture(params=MODELS)
def model(request):
    return request.param


def ask(service, path: str, **body) -> requests.Response:
    return requests.post(f"{service.url}{path}", timeout=20, **body)


def instances(service) -> np.ndarray:
    """What the gateway shows to models of all samples."""
    return np.float32(ask(service, "/v1/instances", files=FILES).json()["instances"])


def test_explanations_are_those_of_the_exported_model(service, training_run, model):
    """Samples get the class, the probability and the attributions that the SavedModel gives."""
    loaded = tf.saved_model.load(str(training_run.models_dir / model / "1"))
    shown = instances(service)
    asked = tf.constant([-1] * len(shown), tf.int64)
    offline = loaded.signatures["explain"](images=tf.constant(shown), class_ids=asked)
    answer = ask(service, f"/v1/models/{model}:explain", files=FILES)
    assert answer.status_code == 200, answer.text
    spec = {"name": model, "version": "1", "signature_name": "explain"}
    assert answer.json()["model_spec"] == spec
    found = answer.json()["explanations"]
    assert [each["class_id"] for each in found] == offline["class_ids"].numpy().tolist()
    attributions = np.float32([each["attributions"] for each in found])
    np.testing.assert_allclose(attributions, offline["attributions"], rtol=1e-3, atol=1e-5)
    best = offline["probabilities"].numpy().max(axis=1)
    np.testing.assert_allclose([each["probability"] for each in found], best, rtol=1e-4)


def test_softmax_is_explained_completely(service, training_run):
    """What the pixels add, and what black has, is the logit, of any class."""
    loaded = tf.saved_model.load(str(training_run.models_dir / "softmax" / "1"))
    shown = instances(service)
    given = tf.constant(np.concatenate([np.zeros_like(shown[:1]), shown]))
    black, *logits = loaded.signatures["serving_default"](images=given)["logits"].numpy()
    for class_id in (0, 9):
        path = f"/v1/models/softmax:explain?class_id={class_id}"
        found = ask(service, path, files=FILES).json()["explanations"]
        assert {each["class_id"] for each in found} == {class_id}
        whole = [np.sum(each["attributions"]) + black[class_id] for each in found]
        expected = [each[class_id] for each in logits]
        np.testing.assert_allclose(whole, expected, rtol=1e-3, atol=1e-3)


def test_a_class_that_is_none(service, model):
    """What the model refuses is told in words that help."""
    answer = ask(service, f"/v1/models/{model}:explain?class_id=10", data=FILES[0][1], headers=PNG)
    assert answer.status_code == 400
    assert answer.json()["detail"].startswith(f"class_id=10 is no class of {model}; ")


def test_the_signature_for_who_speaks_tensorflow(service, model):
    """TensorFlow Serving's JSON asks for it by name, past the gateway and through it."""
    shown = instances(service)[:1].tolist()
    body = {"signature_name": "explain", "inputs": {"images": shown, "class_ids": [3]}}
    path = f"/v1/models/{model}:predict"
    through = ask(service, path, json=body)
    past = requests.post(f"{service.rest_url}{path}", json=body, timeout=20)
    assert (through.status_code, through.content) == (past.status_code, past.content)
    assert set(through.json()["outputs"]) == {"attributions", "class_ids", "probabilities"}
    assert through.json()["outputs"]["class_ids"] == [3]


def test_instances_can_be_predicted(service, model):
    """What `/v1/instances` answers can be posted as it is, and is the same picture to a model."""
    shown = ask(service, "/v1/instances", data=FILES[0][1], headers=PNG).json()
    path = f"/v1/models/{model}:predict"
    by_pixels = ask(service, path, json=shown).json()["predictions"][0]
    by_picture = ask(service, path, data=FILES[0][1], headers=PNG).json()["predictions"][0]
    assert by_pixels["class_ids"] == by_picture["class_id"]
    assert max(by_pixels["probabilities"]) == pytest.approx(by_picture["probability"])


def test_the_list_says_what_models_are(service):
    """Both are classifiers, and nobody has given their versions a label."""
    listed = requests.get(f"{service.url}/v1/models", timeout=20).json()["models"]
    assert [entry["classifier"] for entry in listed] == [True, True]
    assert [entry["version_labels"] for entry in listed] == [{}, {}]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_clients_explain(service, model, kind):
    """They return what the gateway answers, for the answered class and for one that is named; and
    they say what is wrong with a picture, a class, a model and a version."""
    answer = ask(service, f"/v1/models/{model}:explain", data=FILES[0][1], headers=PNG).json()
    (entry,) = answer["explanations"]
    found = kind.ask(service.url, "explain", SAMPLES[0], model)
    assert found.to_dict() == entry | {"model": model, "version": 1}
    sandal = kind.ask(service.url, "explain", SAMPLES[0], model, class_id="Sandal")
    assert (sandal.label, sandal.class_id) == ("Sandal", 5)
    np.testing.assert_array_equal(
        sandal.attributions,
        kind.ask(service.url, "explain", SAMPLES[0], model, class_id=5).attributions,
    )
    for given, options, error, said in (
        (b"garbage", {}, InvalidImage, "This is no picture"),
        (SAMPLES[0], {"class_id": 10}, errors.InvalidRequest, "class_id=10 is no class"),
        (SAMPLES[0], {"class_id": "Shoe"}, errors.InvalidRequest, "no class Shoe; there are T-"),
        (SAMPLES[0], {"version": 9}, errors.NotFound, f"{model} has no version 9; there is 1"),
        (SAMPLES[0], {"label": "blue"}, errors.NotFound, "no version label blue; no label names"),
    ):
        with pytest.raises(error, match=said):
            kind.ask(service.url, "explain", given, model, **options)
    with pytest.raises(errors.NotFound, match="No model nope; there are mlp, softmax"):
        kind.ask(service.url, "explain", SAMPLES[0], "nope")
