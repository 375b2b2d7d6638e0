"""Descriptions of models that Vitrine did not train, whatever they say of themselves."""

import asyncio
import json
import logging

import grpc
import numpy as np
import pytest

from harness.fake_model_server import Call
from tests.serving.asked_gateway import PNG
from tests.serving.foreign_model import ForeignModel, InvalidInput, by_brightness
from tests.serving.test_foreign_models import bright, gateway, labels
from vitrine_client.errors import InvalidRequest, Unavailable
from vitrine_client.results.profiles.description import Description
from vitrine_client.results.profiles.profile import FASHION_MNIST
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_client.tfserving.tensors import to_tensor
from vitrine_serving.gateway.models.describer import ModelDescriber

WHOLE = {n: v for n, v in FASHION_MNIST.to_dict().items() if n != "sources"}


class Describing(ForeignModel):
    """Foreign model with a signature `describe`: its outputs, or the words of its refusal."""

    def __init__(self, described: dict[str, np.ndarray] | str, **members) -> None:
        super().__init__(**members)
        self.described = described

    def __call__(self, call: Call, context: grpc.ServicerContext) -> bytes:
        if not call.method.endswith("GetModelMetadata"):
            request = wire.PredictRequest.FromString(call.request)
            if request.model_spec.signature_name == "describe":
                if isinstance(self.described, str):
                    context.abort(grpc.StatusCode.INVALID_ARGUMENT, self.described)
                response = wire.PredictResponse()
                response.model_spec.version.value = self.version
                for name, made in self.described.items():
                    response.outputs[name].CopyFrom(to_tensor(made))
                return response.SerializeToString()
        return super().__call__(call, context)


def saying(*told) -> dict[str, np.ndarray]:
    return {"values": np.array([json.dumps(each).encode() for each in told], object)}


ABC = ["ant", "bee", "cat"]

NO_DESCRIPTIONS = {
    "another input": 'input tensor alias not found in signature: keys. Inputs expected "text"',
    "two inputs": "input size does not match signature: 1!=2 len({keys}) != len({a,b})",
    "another dtype": "Expects arg[0] to be float but string is provided",
    "other outputs": {"caption": np.array([b"a cat"], object)},
    "other values": {"values": np.zeros((3, 7), np.float32)},
    "three numbers": {"values": np.zeros(3, np.float32)},
}


@pytest.mark.parametrize("kind", NO_DESCRIPTIONS)
def test_a_describe_that_is_for_something_else(kind):
    """The model has none for the gateway, and its signature tells what it takes."""
    with gateway(Describing(NO_DESCRIPTIONS[kind])) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]


@pytest.mark.parametrize(
    ("described", "told"),
    [
        (
            {"values": np.array([b"", b"{}", b'{"scaling": "0..1"}'], object)},
            "`labels` that are no",
        ),
        ({"values": np.array([b'["a"]', b"", b""], object)}, "a `card` that is no JSON object"),
        ({"labels": np.array([b"a"], object)}, "no `card`"),
    ],
)
def test_a_description_without_labels_or_card(described, told):
    """It is one, and it is said what is missing."""
    with gateway(Describing(described)) as asked:
        answer = asked.post(content=bright(1), headers=PNG)
        assert answer.status_code == 502
        assert told in answer.json()["detail"]


def test_a_description_with_nothing_in_it_but_a_profile():
    """Labels are then numbers."""
    with gateway(Describing(saying([], {}, {"scaling": "0..255"}))) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        assert asked.model.calls[-1].max() == 255


COLOUR = WHOLE | {"input": "keras_tensor", "output": "output_0", "fit": "stretch"}
COLOUR |= {"shape": [30, 20, 3], "kind": "logits"}


def test_a_whole_profile_that_fits():
    """Nothing is left to be tried."""
    with gateway(Describing(saying(ABC, {}, COLOUR))) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["bee"]
        assert len(asked.model.calls) == 1


UNFIT = {
    "item": ({"fit": "item"}, "`fit`: `item` is for pictures of 28x28"),
    "levels": (
        {"scaling": "mean/std", "mean": [0.5, 0.5], "std": [1]},
        "`mean`: mean/std wants one, or one for each channel",
    ),
    "shape": ({"shape": [28, 28, 3]}, "`shape`: [28, 28, 3] is not that of"),
    "input": ({"input": "images"}, "`input`: the signature has no `images`"),
    "dtype": ({"dtype": "uint8"}, "`dtype`: `keras_tensor` float32"),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_a_whole_profile_that_does_not_fit_the_signature(kind):
    """It is held against it as a file is."""
    wrong, told = UNFIT[kind]
    with gateway(Describing(saying(ABC, {}, COLOUR | wrong))) as asked:
        answer = asked.post(content=bright(1), headers=PNG)
        assert answer.status_code == 422
        assert told in answer.json()["detail"]


def test_labels_that_do_not_fit_a_whole_profile():
    with gateway(Describing(saying(ABC[:2], {}, COLOUR))) as asked:
        answer = asked.post(content=bright(1), headers=PNG)
        assert answer.status_code == 422
        assert "`labels`: there are 2, and 3 classes" in answer.json()["detail"]


def from_side(least: int):
    def answer(rows: np.ndarray) -> np.ndarray:
        if min(rows.shape[1:3]) < least:
            raise InvalidInput
        return by_brightness(rows)

    return answer


def test_a_free_size_that_is_not_any_size():
    """Larger pictures are tried where small ones are refused."""
    free = (-1, -1, -1, 3)
    with gateway(ForeignModel(free, from_side(200))) as asked:
        assert labels(asked.post(content=bright(1, (300, 300)), headers=PNG)) == ["1"]
        sides = [rows.shape[1] for rows in asked.model.calls]
        assert sides == [64, 128, 224, 224, 224, 224, 300]
    with gateway(ForeignModel(free, from_side(400))) as asked:
        answer = asked.post(content=bright(1, (500, 500)), headers=PNG)
        assert answer.status_code == 422
        assert "tell `kind`, `batchable` and `labels`" in answer.json()["detail"]
    told = {"profile.json": json.dumps({"kind": "logits", "batchable": True})}
    with gateway(ForeignModel(free, from_side(400), files=told)) as asked:
        assert labels(asked.post(content=bright(1, (500, 500)), headers=PNG)) == ["1"]


class Refusing:
    """Context of a call without a server."""

    def abort(self, code: grpc.StatusCode, details: str) -> None:
        raise InvalidRequest(details)


def described(describer: ModelDescriber, model) -> Description:
    async def call(method: str, request: bytes) -> bytes:
        return model(Call(method, request, {}, 1.0), Refusing())

    return asyncio.run(describer.describe("m", 1, call))


@pytest.mark.parametrize("error", [MemoryError("too much"), TypeError(), ValueError(), KeyError(1)])
def test_a_model_that_breaks_its_trial(error, caplog):
    """It is one that takes no pictures, which the log says once; the list of models goes on."""

    def answer(rows: np.ndarray) -> np.ndarray:
        raise error

    describer = ModelDescriber()
    with caplog.at_level(logging.ERROR):
        for _ in range(2):
            found = described(describer, ForeignModel(answer=answer))
            assert found.profile is None
            assert found.reason.startswith(f"it cannot be tried: {type(error).__name__}")
    assert [each.message for each in caplog.records] == ["Version 1 of m cannot be tried"]


def test_a_server_that_is_away_breaks_no_model():
    """Whoever asks hears so, and asks again."""

    def answer(rows: np.ndarray) -> np.ndarray:
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        described(ModelDescriber(), ForeignModel(answer=answer))


def test_a_version_that_is_published_again_under_its_number():
    """It is tried again after a while."""
    clock = [0.0]
    describer = ModelDescriber(trial_age_s=10, now=lambda: clock[0])
    model = ForeignModel()
    assert described(describer, model).profile.kind == "logits"
    model.answer = lambda rows: np.full((len(rows), 3), 0.9)
    clock[0] = 9.0
    assert described(describer, model).profile.kind == "logits"
    clock[0] = 11.0
    assert described(describer, model).profile.kind == "scores"
    tried = len(model.calls)
    clock[0] = 20.0
    described(describer, model)
    assert len(model.calls) == tried


LATER = {
    "probabilities": lambda rows: np.eye(3)[[0] * len(rows)] if is_noise(rows) else logits(rows),
    "scores": lambda rows: np.full((len(rows), 3), 0.9) if is_noise(rows) else logits(rows),
}


def is_noise(rows: np.ndarray) -> bool:
    """Whether they are pictures of a trial."""
    return len(np.unique(rows)) > 2


def logits(rows: np.ndarray) -> np.ndarray:
    return np.tile([-10, 0.5, 2], (len(rows), 1))


@pytest.mark.parametrize("kind", LATER)
def test_answers_that_are_not_of_their_kind(kind):
    """A trial has seen two pictures only; nobody is told of a probability of -10."""
    with gateway(ForeignModel(answer=LATER[kind])) as asked:
        answer = asked.post(content=bright(1), headers=PNG)
        assert answer.status_code == 502
        assert f"not in 0..1, and its kind is {kind}" in answer.json()["detail"]


OTHERWISE = {
    "logits": by_brightness,
    "another width": lambda rows: np.eye(5)[np.argmax(by_brightness(rows), axis=1)],
    "logits of another width": lambda rows: np.pad(
        by_brightness(rows), ((0, 0), (0, 2)), constant_values=-100
    ),
}


def shares(rows: np.ndarray) -> np.ndarray:
    return np.eye(3)[np.argmax(by_brightness(rows), axis=1)]


@pytest.mark.parametrize("kind", OTHERWISE)
def test_answers_that_become_others(kind):
    """As of a server that was started again with another model: it is tried again at once, and the
    request is answered."""
    model = ForeignModel(answer=shares, classes=-1)
    with gateway(model, ModelDescriber(trial_rest_s=0)) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        model.answer = OTHERWISE[kind]
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]


def test_answers_that_never_fit_are_not_tried_with_each_request():
    clock = [0.0]
    describer = ModelDescriber(trial_rest_s=5, now=lambda: clock[0])
    model = ForeignModel(answer=LATER["scores"])
    with gateway(model, describer) as asked:
        for now, tried in ((0.0, 4), (4.0, 4), (6.0, 8), (7.0, 8), (12.0, 12)):
            clock[0] = now
            assert asked.post(content=bright(1), headers=PNG).status_code == 502
            assert sum(map(is_noise, model.calls)) == tried


def test_a_kind_that_is_told_wrongly():
    """Where nothing is left to be tried."""
    told = saying(ABC, {}, COLOUR | {"kind": "probabilities"})
    with gateway(Describing(told)) as asked:
        answer = asked.post(content=bright(1), headers=PNG)
        assert answer.status_code == 502
        assert "not in 0..1, and its kind is probabilities" in answer.json()["detail"]


def test_another_version_of_another_kind():
    """Its answers are read as its own profile says, not as that of the one before."""
    model = ForeignModel(answer=lambda rows: np.full((len(rows), 3), 0.9))
    with gateway(model) as asked:
        assert asked.post(content=bright(1), headers=PNG).status_code == 200
        model.answer, model.version = by_brightness, 2
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]


def test_shares_that_are_a_little_off():
    """As those of a model in half precision."""
    model = ForeignModel(answer=lambda rows: np.tile([-0.004, 1.004, 0], (len(rows), 1)))
    model.files = {"profile.json": json.dumps({"kind": "scores", "batchable": True})}
    with gateway(model) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
