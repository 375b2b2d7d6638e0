"""A real gateway with two processes sees that the pictures have changed, and says so alike."""

import io

import numpy as np
import pytest
import requests

from harness.gateway import gateway
from harness.waiting import wait_for
from tests.client.fake_gateway import KINDS

ASKED = 8
"""Connections that ask for the report, so that each process answers some."""


@pytest.fixture(scope="module")
def url(service):
    """A gateway of one's own, whose windows nobody else fills, before the model server of all."""
    with gateway(service.grpc_address, models="softmax,mlp") as running:
        yield running.url


def show(url, images):
    """Sends images over a connection of its own, which either process may get."""
    body = io.BytesIO()
    np.save(body, images)
    headers = {"Content-Type": "application/x-npy"}
    answer = requests.post(
        f"{url}/v1/models/mlp:predict", body.getvalue(), headers=headers, timeout=20
    )
    assert answer.status_code == 200, answer.text


def reports(url, model="mlp"):
    """What the processes say of the only version."""
    answers = [requests.get(f"{url}/v1/models/{model}/drift", timeout=20) for _ in range(ASKED)]
    assert {answer.status_code for answer in answers} == {200}, answers[0].text
    return [answer.json()["versions"][0] for answer in answers]


def agree(url):
    """Waits until all say the same, which they do when each has put in its last images."""
    found = []

    def same():
        found[:] = reports(url)
        return all(one == found[0] for one in found)

    wait_for(same, 60, "the processes to agree")
    return found[0]


def test_inverted_pictures_are_seen_within_500(url, dataset):
    """No alarm for 1,000 test images as they are; then one, by the right name, and the other model
    has none; when the pictures are themselves again, it goes."""
    images = dataset.test.images
    for start in range(0, 1_000, 25):
        show(url, images[start : start + 25])
    clean = agree(url)
    assert (clean["drift"], clean["alarm"]) == ("none", False), clean["reason"]
    assert clean["reason"] == f"{clean['images']} images look as in validation"
    assert 475 <= clean["images"] <= 500 == clean["window"]

    seen = 0
    while not reports(url)[0]["alarm"]:
        assert seen < 500, "no alarm after 500 inverted images"
        show(url, 255 - images[1_000 + seen : 1_010 + seen])
        seen += 10
    found = agree(url)
    assert found["drift"] == "covariate"
    assert "they look different, most in " in found["reason"]
    assert found["scores"]["covariate"] > found["thresholds"]["covariate"]
    assert reports(url, "softmax")[0]["images"] == 0

    for start in range(2_000, 2_700, 50):
        show(url, images[start : start + 50])
    assert not agree(url)["alarm"]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_clients_read_it(url, kind):
    """All that the gateway says comes back, versions as numbers."""
    (told,) = reports(url, "softmax")[:1]
    found = kind.ask(url, "drift", "softmax").to_dict()
    assert found == {"model": "softmax", "versions": [told | {"version": int(told["version"])}]}
