"""Three real gateways of one service judge what all of them have seen, as one sample."""

import contextlib
import io
import json

import grpc
import numpy as np
import pytest
import requests

from harness import names
from harness.fake_model_server import FakeModelServer
from harness.gateway import gateway
from harness.ports import free_port
from harness.waiting import wait_for
from tests.monitoring.scraped import Scraped
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import from_tensor, to_tensor
from vitrine_serving.gateway.telemetry.drift import Baseline, Sample, detect, statistics
from vitrine_training.data.fashion_mnist import LABELS

HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
EACH = 60
"""Images that each gateway is shown."""
WINDOW = 100


@pytest.fixture(scope="module")
def model_server(answer, card):
    """A model server whose only model is the classifier that takes no training."""

    def call(call, context):
        if call.method.endswith("GetModelStatus"):
            status = wire.ModelVersionStatus(version=1, state="AVAILABLE")
            return wire.GetModelStatusResponse(model_version_status=[status]).SerializeToString()
        if not call.method.endswith("/Predict"):
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "a fake")
        request, response = wire.PredictRequest.FromString(call.request), wire.PredictResponse()
        response.model_spec.version.value = 1
        if request.model_spec.signature_name == "describe":
            described = [
                json.dumps(LABELS).encode(),
                json.dumps(card | {"input_shape": [28, 28]}).encode(),
                b"",
            ]
            outputs = {"values": np.array(described, object)}
        else:
            outputs = {"probabilities": answer(from_tensor(request.inputs["images"]) * 255)}
        for name, values in outputs.items():
            response.outputs[name].CopyFrom(to_tensor(values))
        return response.SerializeToString()

    with FakeModelServer(call) as running:
        yield running.address


@pytest.fixture
def gateways(model_server, tmp_path):
    """Three gateways behind a name, each at an address of its own; and what ends the last."""
    if not names.may_be_given():
        pytest.skip("needs the right to give a process names of hosts")
    hosts, port = tmp_path / "hosts", free_port()
    names.write(hosts, {"vitrine-peers": HOSTS})
    settings = {
        "port": port,
        "peers": f"vitrine-peers:{port}",
        "drift_window": WINDOW,
        "before": names.command_with(hosts),
    }
    with contextlib.ExitStack() as stack:

        def start(host, where):
            log = tmp_path / f"{host}.log"
            return where.enter_context(gateway(model_server, log, workers=2, host=host, **settings))

        first = [start(host, stack) for host in HOSTS[:2]]
        with contextlib.ExitStack() as last:
            yield [*first, start(HOSTS[2], last)], last.close


def shown(running, images):
    """Sends images, some at a time."""
    for start in range(0, len(images), 20):
        body = io.BytesIO()
        np.save(body, images[start : start + 20])
        answer = requests.post(
            f"{running.url}/v1/models/mlp:predict",
            body.getvalue(),
            headers={"Content-Type": "application/x-npy"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text


def told(running):
    """What a gateway says of the only version."""
    answer = requests.get(f"{running.url}/v1/models/mlp/drift", timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()["versions"][0]


def pooled(running):
    found = told(running)
    return found["gateways"], found["images"]


def scraped(running):
    """Alarms, gateways and images of drift, of which the metrics have each once."""
    found = Scraped.of(running.url)
    return tuple(found.total(f"vitrine_drift_{name}") for name in ("alarm", "gateways", "images"))


def thirds(answer, card, dataset):
    """Images of which each third looks as in validation, and all together do not: without two of
    the classes."""
    among = np.flatnonzero(~np.isin(dataset.test.labels, (1, 8)))
    drawn = np.random.default_rng(1).choice(among, 3 * EACH, replace=False)
    images = dataset.test.images[drawn]
    rows, known = statistics(images, answer(images)), Baseline.read(card["baseline"], LABELS)
    for third in np.split(rows, 3):
        alone = detect(known, Sample.of(third))
        assert not alone.alarm, alone.reason
    assert detect(known, Sample.of(rows), dict.fromkeys(("covariate", "label"), 1.4)).alarm
    return np.split(images, 3)


def test_a_shift_that_each_has_a_third_of(gateways, answer, card, dataset):
    """All see it, once it was sent to all; before, two have told the third, which saw nothing. A
    stranger is not told what was seen."""
    running, _ = gateways
    first, second, third = running
    parts = thirds(answer, card, dataset)
    shown(first, parts[0])
    shown(second, parts[1])
    for each in running:
        wait_for(lambda each=each: pooled(each) == (2, 2 * EACH), 60, "two gateways' images")
    shown(third, parts[2])
    for each in running:
        wait_for(lambda each=each: pooled(each) == (3, 3 * EACH), 60, "three gateways' images")
        found = told(each)
        assert (found["drift"], found["alarm"]) == ("label", True), found["reason"]
        assert found["window"] == 3 * WINDOW
        assert found["reason"].startswith(f"{3 * EACH} images: other shares of the classes")
        wait_for(
            lambda each=each: scraped(each) == (1, 3, 3 * EACH), 60, "the next round's metrics"
        )
    refused = requests.get(f"{first.url}/internal/drift-windows", timeout=30)
    assert refused.status_code == 403, "the source address is none of theirs"
    assert "sums" not in refused.text
    for each in running:
        assert "could not be pooled" not in each.log.read_text()


@pytest.mark.wide  # test_rounds.py has it by a clock; here it takes four rounds
def test_one_that_ends_takes_its_images_with_it(gateways, dataset):
    """And the others go on."""
    running, end_last = gateways
    for each in running:
        shown(each, dataset.test.images[:20])
    for each in running:
        wait_for(lambda each=each: pooled(each) == (3, 60), 60, "three gateways' images")
    end_last()
    for each in running[:2]:
        wait_for(lambda each=each: pooled(each) == (2, 40), 90, "the last one's end")
