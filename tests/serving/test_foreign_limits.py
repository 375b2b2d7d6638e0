"""Limits of pictures for models that Vitrine did not train: what is too much, or does not fit."""

import io
import json
import threading
from collections import Counter

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.serving.asked_gateway import PNG, form, npy, picture, png
from tests.serving.foreign_model import ForeignModel, InvalidInput, by_brightness
from tests.serving.test_foreign_models import bright, gateway, labels
from vitrine_client.images.preprocessing import model_input

NPY = {"Content-Type": "application/x-npy"}
INSTANCES = "/v1/models/m:instances"


def pixels_of(file: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(file)))


def by_third(files: np.ndarray) -> np.ndarray:
    """Shares of three classes: that of the brightest third of a picture's rows is 1."""
    shares = []
    for file in files.tolist():
        thirds = np.array_split(pixels_of(file), 3)
        shares.append(np.eye(3)[np.argmax([each.mean() for each in thirds])])
    return np.stack(shares)


def decoding(shape: list[int | None] | None = None) -> ForeignModel:
    """A model that decodes pictures itself, of a shape that a file beside it tells."""
    files = {"profile.json": json.dumps({"shape": shape})} if shape else None
    return ForeignModel((-1,), by_third, name="image_bytes", dtype="string", files=files)


@pytest.mark.parametrize(
    "shape", [[None, None, 1], [None, None, 3], [None, None, 4], [28, 28], [30, 20, 1]]
)
def test_models_that_decode_pictures(shape):
    """Whatever channels they take: each gets a PNG of them."""
    with gateway(decoding(shape)) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        channels = pixels_of(asked.model.calls[-1][0]).shape[2:]
        assert channels == (() if shape[2:] in ([], [1]) else tuple(shape[2:]))


def test_a_model_that_decodes_pictures_takes_no_arrays():
    """Rows of the two could not share a call."""
    array = {"content": npy(np.zeros((1, 28, 28), np.uint8)), "headers": NPY}
    with gateway(decoding([28, 28])) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        for path in ("/v1/models/m:predict", INSTANCES):
            answer = asked.post(path, **array)
            assert answer.status_code == 400
            assert "This model decodes pictures itself" in answer.json()["detail"]


def test_pictures_of_many_sizes_wait_in_one_queue():
    """Where a model takes any size, too many are refused before they are decoded."""
    go_on = threading.Event()
    go_on.set()

    def answer(rows: np.ndarray) -> np.ndarray:
        assert go_on.wait(30)
        return by_brightness(rows)

    def go_on_if_refused(seen: httpx.Response) -> None:
        if seen.status_code == 503:
            go_on.set()

    with gateway(ForeignModel((-1, -1, -1, 3), answer), max_queued_images=3) as asked:
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
        go_on.clear()
        pictures = [bright(1, size=(40 + each, 60)) for each in range(8)]
        answers = asked.at_once(pictures, go_on_if_refused)
        codes = Counter(each.status_code for each in answers)
        assert set(codes) == {200, 503}
        assert codes[200] >= 3  # as many as may wait: the first need not be on its way by then


def test_many_large_pictures_go_in_parts(monkeypatch):
    """Their messages are made in a thread: the event loop has others to serve."""
    threads = set()

    def noting(*arguments):
        threads.add(threading.current_thread())
        return model_input(*arguments)

    monkeypatch.setattr("vitrine_serving.gateway.inference.dataplane.model_input", noting)
    with gateway(ForeignModel((-1, 512, 256, 3), dtype="uint8"), request_timeout_s=60) as asked:
        thirds = [number % 3 for number in range(12)]
        several = form(*[bright(each, size=(32, 48)) for each in thirds])
        assert labels(asked.post(files=several)) == [str(each) for each in thirds]
        assert [len(rows) for rows in asked.model.calls[-2:]] == [10, 2]
        assert asked.model.versions[-1] == 1
    assert threads
    assert threading.main_thread() not in threads


def test_encoded_pictures_go_in_parts(monkeypatch):
    """By their bytes: a message has a bound."""
    monkeypatch.setattr("vitrine_serving.gateway.inference.shared_calls._BATCH_BYTES", 2**17)
    noise = np.random.default_rng(0).integers(0, 256, (100, 100, 3), np.uint8)
    with gateway(decoding([None, None, 3])) as asked:
        several = form(*[png(noise)] * 6)
        assert len(labels(asked.post(files=several))) == 6
        assert [len(rows) for rows in asked.model.calls[-2:]] == [4, 2]


@pytest.mark.parametrize(
    ("model", "most"),
    [
        (decoding([None, None, 3]), 1),
        (ForeignModel((-1, 1024, 1024, 3)), 1),
        (ForeignModel((-1, 512, 1024, 3)), 2),
        (ForeignModel((-1, -1, -1, 3)), 5),
        (ForeignModel((-1, 4096, -1, 3)), 1),
    ],
)
def test_instances_that_are_too_many_numbers(model, most):
    """Their JSON would take far more memory than the pictures."""
    with gateway(model) as asked:
        answer = asked.post(INSTANCES, files=form(*[bright(0)] * (most + 1)))
        assert answer.status_code == 413
        assert f"{most + 1} pictures of the size that this model takes are more" in answer.text
        assert asked.post(INSTANCES, files=form(bright(0))).status_code == 200


@pytest.mark.parametrize(
    ("model", "most"), [(decoding(), 12), (ForeignModel((-1, 4096, -1, 3)), 9)]
)
def test_too_many_pictures_of_a_free_size(model, most):
    """They count as large as they may become."""
    with gateway(model) as asked:
        answer = asked.post(files=form(*[bright(0)] * (most + 1)))
        assert answer.status_code == 413
        assert f"more than {most} at once" in answer.text


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1)])
def test_instances_of_empty_pictures(shape):
    """They are black, in the shape that the others have."""
    files = {"profile.json": '{"fit": "item"}'}
    with gateway(ForeignModel((-1, *shape), files=files)) as asked:
        several = form(picture(4), bright(0, colour=(0, 0, 0)))
        instances = asked.post(INSTANCES, files=several).json()["instances"]
        assert np.shape(instances) == (2, *shape)
        assert not np.any(instances[1])


@pytest.mark.parametrize("rows", [1, 3])
def test_a_newer_version_that_takes_other_numbers_of_rows(rows):
    """The number that the last one took is not insisted on."""

    def answer(asked: np.ndarray) -> np.ndarray:
        if model.shape[0] not in (-1, len(asked)):
            raise InvalidInput
        return by_brightness(asked)

    model = ForeignModel((2, 30, 20, 3), answer)
    with gateway(model) as asked:
        several = form(bright(2), bright(0), bright(1))
        assert labels(asked.post(files=several)) == ["2", "0", "1"]
        model.shape, model.version = (rows, 30, 20, 3), 2
        assert labels(asked.post(files=several)) == ["2", "0", "1"]
        assert labels(asked.post(content=bright(1), headers=PNG)) == ["1"]
