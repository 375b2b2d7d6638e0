"""Versions of other pictures that come and go while a request is under way."""

import io

import grpc
import numpy as np
import pytest
from PIL import Image

from harness.fake_model_server import Call
from tests.serving.asked_gateway import PNG
from tests.serving.foreign_model import ForeignModel, InvalidInput, by_brightness
from tests.serving.test_foreign_descriptions import is_noise
from tests.serving.test_foreign_models import bright, gateway, labels
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.gateway.models.describer import ModelDescriber


class Changing:
    """Model of several versions. `answering` are those that answer the next pictures, whichever is
    the newest; one that is `gone` is not found by its number."""

    def __init__(self, *versions: ForeignModel) -> None:
        self._versions = {each.version: each for each in versions}
        self.newest = versions[0].version
        self.answering: list[int] = []
        self.gone = 0

    def __call__(self, call: Call, context: grpc.ServicerContext) -> bytes:
        if call.method.endswith("GetModelMetadata"):
            asked = wire.GetModelMetadataRequest.FromString(call.request).model_spec.version.value
            return self._versions[asked or self.newest](call, context)
        asked = wire.PredictRequest.FromString(call.request).model_spec.version.value
        if asked and asked == self.gone:
            context.abort(grpc.StatusCode.NOT_FOUND, "Servable not found for request")
        if not asked and self.answering:
            asked = self.answering.pop(0)
        return self._versions[asked or self.newest](call, context)


def positive_and_negative() -> Changing:
    """Versions of the same signature, the second of which is shown negatives."""
    told = {"profile.json": '{"polarity": "negative", "labels": ["x", "y", "z"]}'}
    return Changing(
        ForeignModel(version=1),
        ForeignModel(answer=lambda rows: by_brightness(1 - rows), version=2, files=told),
    )


def test_a_version_that_answers_once_and_is_gone():
    """The picture is made again, in the same way."""
    with gateway(positive_and_negative()) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        asked.model.answering = [2]
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        assert not asked.model.answering


def test_a_version_that_takes_over():
    with gateway(positive_and_negative()) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        asked.model.newest = 2
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["y"]


@pytest.mark.parametrize(
    ("newest", "answering", "label"), [(1, [2, 2], "1"), (2, [2, 1], "y"), (1, [2, 1], "1")]
)
def test_versions_that_take_turns(newest, answering, label):
    """A picture that is made again is for one of them, and no other is asked."""
    with gateway(positive_and_negative()) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        asked.model.newest, asked.model.answering = newest, answering
        assert labels(asked.post(content=bright(1), headers=PNG)) == [label]


@pytest.mark.parametrize("answering", [[], [2]])
def test_a_version_that_refuses_pictures_of_another(answering):
    """As while replicas are updated: the newest version of one is not that of the next."""
    first, second = ForeignModel(version=1), ForeignModel((-1, 9, 9, 1), name="q", version=2)
    with gateway(Changing(first, second)) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        asked.model.answering = answering
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        assert not asked.model.answering


@pytest.mark.parametrize("version", ["", "/versions/1"])
def test_a_picture_that_is_refused(version):
    """It is by a version that pictures are made for, and that is said."""
    model = ForeignModel()
    with gateway(Changing(model)) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        model.answer = refusing
        answer = asked.post(f"/v1/models/m{version}:predict", content=bright(1), headers=PNG)
        assert answer.status_code == 400
        assert "Input to reshape" in answer.json()["detail"]


def refusing(rows: np.ndarray) -> np.ndarray:
    raise InvalidInput


def test_a_version_that_never_stays_the_same():
    """It is another with each picture, and its trial was made before."""
    seen = []

    def answer(rows):
        if not is_noise(rows):
            seen.append(rows)
        shares = np.eye(3 + len(seen))[np.zeros(len(rows), int)]
        return shares * 9 - 3 if len(seen) % 2 else shares

    with gateway(ForeignModel(answer=answer, classes=-1), ModelDescriber(trial_rest_s=0)) as asked:
        answered = asked.post(content=bright(1), headers=PNG)
        assert answered.status_code == 503
        assert "The newest version of m is changing; send it again" in answered.json()["detail"]


def test_a_version_that_is_gone_once_the_picture_is_made_for_it():
    """Nobody has asked for it by its number."""
    with gateway(positive_and_negative()) as asked:
        for asked.model.newest, label in ((2, "y"), (1, "1")):
            assert labels(asked.post(content=bright(1), headers=PNG)) == [label]
        asked.model.newest = asked.model.gone = 2
        answer = asked.post(content=bright(1), headers=PNG)
        assert answer.status_code == 503
        assert "The newest version of m is changing; send it again" in answer.json()["detail"]


@pytest.mark.parametrize(("newest", "label"), [(1, "1"), (2, "y")])
def test_a_large_body_that_was_let_go_of(newest, label):
    """It is to be sent again, and is then shown to the model as that is now."""
    levels = np.random.default_rng(0).integers(0, 60, (900, 600, 3), np.uint8)
    levels[300:600] += 190
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG")
    with gateway(positive_and_negative()) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        asked.model.newest, asked.model.answering = newest, [2]
        answer = asked.post(content=buffer.getvalue(), headers=PNG)
        assert answer.status_code == 503
        assert "send them again" in answer.json()["detail"]
        assert labels(asked.post(content=buffer.getvalue(), headers=PNG)) == [label]
