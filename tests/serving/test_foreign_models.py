"""Pictures for models that Vitrine did not train: a gateway before a fake model server of one."""

import asyncio
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest
from PIL import Image

from harness.direct import asking
from harness.fake_model_server import FakeModelServer, classifying
from tests.serving.asked_gateway import PNG, form, picture
from tests.serving.foreign_model import ForeignModel, InvalidInput, by_brightness
from vitrine_client.tfserving import wire_pb2 as wire
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.upstream.model_servers import ModelServers

PREDICT = "/v1/models/m:predict"


class Asked:
    """Gateway in this process, and the model that its only server has."""

    def __init__(self, client: httpx.AsyncClient, runner: asyncio.Runner, model) -> None:
        self._client, self._runner, self.model = client, runner, model

    def post(self, path: str = PREDICT, **body) -> httpx.Response:
        return self._runner.run(self._client.post(path, **body))

    def at_once(self, bodies: list[bytes], seen=lambda _: None) -> list[httpx.Response]:
        """`seen` is told of each answer as it comes."""

        async def ask(body):
            answer = await self._client.post(PREDICT, content=body, headers=PNG)
            seen(answer)
            return answer

        async def all_of_them():
            return await asyncio.gather(*map(ask, bodies))

        return self._runner.run(all_of_them())


@contextmanager
def gateway(model, describer=None, **settings) -> Iterator[Asked]:
    with FakeModelServer(model) as server, asyncio.Runner() as runner:

        async def start():
            servers = describer and ModelServers([server.address], describer=describer)
            known = Settings(model_server=(server.address,), models=("m",), **settings)
            app = create_app(known, servers)
            app.start()
            return app, asking(app)

        app, client = runner.run(start())
        try:
            yield Asked(client, runner, model)
        finally:
            runner.run(client.aclose())
            runner.run(app.stop())


def bright(third: int, size=(20, 30), colour=(255, 255, 255)) -> bytes:
    """A picture, PNG, of which a third of the rows is bright."""
    width, height = size
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[height * third // 3 : height * (third + 1) // 3] = colour
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def labels(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [each["label"] for each in answer.json()["predictions"]]


MODELS = {
    "colour": {},
    "grey": {"shape": (-1, 30, 20, 1)},
    "without channels": {"shape": (-1, 30, 20)},
    "whole numbers": {"dtype": "uint8"},
    "free size": {"shape": (-1, -1, -1, 3)},
    "two rows": {"shape": (2, 30, 20, 3)},
    "shares": {"answer": lambda rows: np.eye(3)[_thirds(rows)]},
    "scores": {"answer": lambda rows: np.eye(3)[_thirds(rows)] * 0.9},
}


def _thirds(rows: np.ndarray) -> np.ndarray:
    height = rows.shape[1]
    sums = [rows[:, height * n // 3 : height * (n + 1) // 3] for n in range(3)]
    return np.stack([s.reshape(len(rows), -1).sum(axis=1) for s in sums], axis=1).argmax(axis=1)


@pytest.mark.parametrize("kind", MODELS)
def test_pictures_get_their_class(kind):
    """One, several, and many callers at a time: nobody gets somebody else's answer."""
    with gateway(ForeignModel(**MODELS[kind])) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        several = form(bright(2), bright(0), bright(1))
        assert labels(asked.post(files=several)) == ["2", "0", "1"]
        thirds = [number % 3 for number in range(24)]
        answers = asked.at_once([bright(each) for each in thirds])
        assert [labels(each) for each in answers] == [[str(each)] for each in thirds]


def test_a_model_that_decodes_pictures():
    """It gets a plain PNG, whatever was sent."""

    def answer(files: np.ndarray) -> np.ndarray:
        assert all(each.startswith(b"\x89PNG") for each in files.tolist())
        opened = [np.asarray(Image.open(io.BytesIO(each))) for each in files.tolist()]
        return np.concatenate([np.eye(3)[_thirds(each[np.newaxis])] for each in opened])

    model = ForeignModel((-1,), answer, name="image_bytes", dtype="string")
    with gateway(model) as asked:
        pixels = Image.open(io.BytesIO(bright(2)))
        buffer = io.BytesIO()
        pixels.save(buffer, "BMP")
        assert labels(asked.post(content=buffer.getvalue(), headers=PNG)) == ["2"]
        assert labels(asked.post(files=form(bright(0), bright(1)))) == ["0", "1"]
        shown = asked.post("/v1/models/m:instances", content=bright(0), headers=PNG).json()
        assert np.shape(shown["instances"][0]) == (30, 20, 3)


def test_colours_stay_colours():
    """A model that tells them apart sees them, and so do people."""
    model = ForeignModel(answer=lambda rows: rows.mean(axis=(1, 2)) * 10 - 20)
    with gateway(model) as asked:
        for channel in range(3):
            colour = tuple(255 * (each == channel) for each in range(3))
            content = bright(0, colour=colour)
            assert labels(asked.post(content=content, headers=PNG)) == [str(channel)]
        shown = asked.post("/v1/models/m:instances", content=content, headers=PNG).json()
        assert shown["instances"][0][0][0] == [0, 0, 1]
        assert shown["boxes"] == [[0, 0, 20, 30]]


def test_files_beside_the_model():
    """An embedded model server hands them out: labels, and the scaling that nobody could know."""
    profile = {"scaling": "-1..1", "resize": "nearest"}
    files = {"profile.json": json.dumps(profile), "labels.txt": "ant\nbee\ncat\n"}
    with gateway(ForeignModel(files=files)) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["bee"]
        assert (asked.model.calls[-1].min(), asked.model.calls[-1].max()) == (-1, 1)


def test_files_in_a_mounted_directory(tmp_path):
    """Where a TensorFlow Serving hands out nothing."""
    place = tmp_path / "m" / "1" / "assets.extra"
    place.mkdir(parents=True)
    (place / "labels.txt").write_text("ant\nbee\ncat\n")
    with gateway(ForeignModel(), models_dir=str(tmp_path)) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["bee"]


WRONG = {
    "no JSON": ({"files": {"profile.json": "{"}}, "profile.json: Expecting property name"),
    "no member": ({"files": {"profile.json": '{"size": 3}'}}, "profile.json: `size` is no member"),
    "labels": (
        {"files": {"labels.txt": "ant"}},
        "labels.txt: `labels`: there are 1, and 3 classes",
    ),
    "input": ({"shape": (-1, 784)}, "it takes `keras_tensor` float32 [n, 784], and not one input"),
    "outputs": ({"outputs": ("a", "b")}, "it answers `a` float32 [n, 3], `b` float32 [n, 3]"),
    "random": (
        {"answer": lambda rows: np.random.default_rng().random((len(rows), 3))},
        "it answers otherwise when it is asked the same again",
    ),
    "no numbers": (
        {"answer": lambda rows: np.full((len(rows), 3), np.nan)},
        "it answers numbers that are none",
    ),
    "other rows": ({"answer": lambda rows: np.zeros((1, 3))}, "it answers shape [1, 3] to 32"),
}


@pytest.mark.parametrize("kind", WRONG)
def test_a_model_that_no_picture_can_be_sent_to(kind):
    """One sentence says what it takes, and what to write where."""
    wrong, told = WRONG[kind]
    with gateway(ForeignModel(**wrong)) as asked:
        for _ in range(2):
            answer = asked.post(content=bright(1), headers=PNG)
            assert answer.status_code == 422
            assert f"The newest version of m takes no pictures: {told}" in answer.json()["detail"]
            assert answer.json()["detail"].endswith("beside it: docs/your-own-model.md")
            assert "alias" not in answer.text


def test_rows_that_disturb_each_other_go_alone():
    """As where batch normalization is in training mode: asked alone, each is answered right."""

    def answer(rows: np.ndarray) -> np.ndarray:
        return np.eye(3)[_thirds(rows - rows[:1] * (len(rows) > 1))]

    with gateway(ForeignModel(answer=answer)) as asked:
        assert labels(asked.post(files=form(bright(2), bright(0)))) == ["2", "0"]
        del asked.model.calls[:]
        thirds = [number % 3 for number in range(12)]
        answers = asked.at_once([bright(each) for each in thirds])
        assert [labels(each) for each in answers] == [[str(each)] for each in thirds]
        assert {len(rows) for rows in asked.model.calls} == {1}


def test_a_trial_is_made_once():
    """Of a version whose signatures and files are as they were."""
    with gateway(ForeignModel()) as asked:
        asked.post(content=bright(1), headers=PNG)
        tried = len(asked.model.calls)
        asked.post(content=bright(1), headers=PNG)
        assert len(asked.model.calls) == tried + 1


def test_another_version_with_other_pictures():
    """The one that answers says how they are made; those of before are not lost."""
    with gateway(ForeignModel()) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        model = asked.model
        model.shape, model.name, model.version = (-1, 12, 9), "pixels", 2
        assert labels(asked.post(content=bright(2), headers=PNG)) == ["2"]
        model.shape, model.version = (-1, 6, 6), 3
        assert labels(asked.post(content=bright(0), headers=PNG)) == ["0"]


def test_a_large_body_before_another_version():
    """It is let go of while it is decoded: the caller sends it again."""
    noise = np.random.default_rng(0).integers(0, 256, (800, 600, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "PNG")
    large = {"content": buffer.getvalue(), "headers": PNG}
    with gateway(ForeignModel()) as asked:
        assert asked.post(**large).status_code == 200
        asked.model.name, asked.model.version = "pixels", 2
        answer = asked.post(**large)
        assert answer.status_code == 503
        assert "send them again" in answer.json()["detail"]
        assert asked.post(**large).status_code == 200


def ours(version: int):
    """A classifier of ours, which refuses inputs by other names."""
    classifier, odd = classifying(version), ForeignModel(version=version, name="images")

    def answer(call, context):
        if call.method.endswith("GetModelMetadata"):
            return odd(call, context)
        asked = wire.PredictRequest.FromString(call.request)
        is_odd = asked.model_spec.signature_name != "describe" and "images" not in asked.inputs
        return (odd if is_odd else classifier)(call, context)

    return answer


def test_from_ours_to_a_foreign_one():
    """And back, under the same name."""
    serving = {"answer": ours(1)}
    with gateway(lambda *asked: serving["answer"](*asked)) as asked:
        assert labels(asked.post(content=picture(4), headers=PNG)) == ["class 4"]
        serving["answer"] = ForeignModel(version=2)
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        serving["answer"] = ours(3)
        answer = asked.post(content=picture(5), headers=PNG)
        assert labels(answer) == ["class 5"]


def test_a_blank_picture_is_none_for_ours_alone():
    """Nobody is asked about an item that is not there; other models are asked about all."""
    blank = bright(0, colour=(0, 0, 0))
    with gateway(ForeignModel()) as asked:
        assert asked.post(content=blank, headers=PNG).json()["predictions"][0]["label"] == "0"


def test_arrays():
    """They are of 28x28 pixels; a model that takes others hears so."""
    body = io.BytesIO()
    np.save(body, np.eye(28, dtype=np.uint8)[np.newaxis] * 255)
    npy = {"content": body.getvalue(), "headers": {"Content-Type": "application/x-npy"}}
    with gateway(ForeignModel((-1, 28, 28, 1))) as asked:
        assert asked.post(**npy).status_code == 200
        assert asked.model.calls[-1].shape == (1, 28, 28, 1)
    with gateway(ForeignModel()) as asked:
        answer = asked.post(**npy)
        assert answer.status_code == 400
        assert "this model takes pictures of the shape [30, 20, 3]" in answer.json()["detail"]


def test_too_many_large_pictures():
    """Together they would take more memory than a request may."""
    with gateway(ForeignModel((-1, 1024, 1024, 3))) as asked:
        answer = asked.post(files=form(*[bright(0)] * 13))
        assert answer.status_code == 413
        assert "13 pictures of the size that this model takes are more than 12" in answer.text


def test_a_model_of_pictures_that_are_too_large():
    """It would take too much memory to ask it."""
    with gateway(ForeignModel((-1, 4096, 4096, 3))) as asked:
        answer = asked.post(content=bright(0), headers=PNG)
        assert answer.status_code == 422
        assert "a picture has 4,194,304 numbers at most" in answer.text


def test_a_model_that_refuses_several_at_once():
    """Whatever its signature says: it is asked about each alone."""

    def answer(rows: np.ndarray) -> np.ndarray:
        if len(rows) > 1:
            raise InvalidInput
        return by_brightness(rows)

    with gateway(ForeignModel(answer=answer)) as asked:
        assert labels(asked.post(files=form(bright(2), bright(0)))) == ["2", "0"]
