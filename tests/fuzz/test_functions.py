"""10,000 mutated bodies against the functions that read them."""

import random
import re
import warnings

import numpy as np
import pytest

from tests.fuzz import rows
from tests.fuzz.conftest import MAX_IMAGES, MAX_PIXELS
from tests.fuzz.good_bodies import Body, good_bodies
from tests.fuzz.mutations import bodies, mutated, tricked
from tests.serving.forms import BOUNDARY, form, part
from vitrine_client.errors import InvalidRequest, VitrineError
from vitrine_client.images import to_instance
from vitrine_serving.gateway.api.bodies import read_npy, read_pictures
from vitrine_serving.gateway.api.feedback import read_feedback
from vitrine_serving.gateway.api.forms import parsed_pictures, plain_pictures
from vitrine_serving.gateway.http.compression import inflate

MAX_BYTES = 1_000_000
ROUNDS = 10
COUNT = 1000
INSIDE = re.compile(r"\b0x[0-9a-f]{8}|\.py\b|Traceback|<class")


def read(body: Body) -> list[np.ndarray]:
    """Reads a body as the gateway does. Raises `VitrineError`."""
    content = inflate(body.content, MAX_BYTES) if body.encoding == "gzip" else body.content
    assert len(content) <= max(MAX_BYTES, len(body.content))
    if "npy" in body.content_type:
        return list(read_npy(content, max_images=MAX_IMAGES))
    pictures = read_pictures(body.content_type, content, max_images=MAX_IMAGES)
    assert 1 <= len(pictures) <= MAX_IMAGES
    return [to_instance(picture, max_pixels=MAX_PIXELS) for picture in pictures]


def outcome(body: Body) -> VitrineError | None:
    """Returns why a body is refused, or None if it is read."""
    try:
        for instance in read(body):
            assert (instance.shape, instance.dtype) == ((28, 28), np.uint8)
    except VitrineError as error:
        return error
    return None


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_mutated_bodies(seed):
    """Each is read or refused, in words that fit into an answer and say nothing of the inside."""
    refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # they would go to the log
        for body in bodies(seed, COUNT):
            if "json" in body.content_type:
                continue
            if error := outcome(body):
                assert 400 <= error.status < 500
                assert 0 < len(str(error).encode()) < 2000
                assert not INSIDE.search(str(error)), error
                refused += 1
    assert COUNT / 5 < refused < COUNT * 0.9  # it must be worth the while


def test_good_bodies():
    """What is mutated is good to begin with."""
    for body in good_bodies():
        assert "json" in body.content_type or outcome(body) is None


def test_mutated_forms():
    """What is taken apart quickly has the same pictures where it is parsed."""
    chance = random.Random(1)
    plain = 0
    for _ in range(5 * COUNT):
        contents = [chance.randbytes(chance.choice((0, 1, 5, 60))) for _ in range(3)]
        body = form(*map(part, contents[: chance.randint(1, 3)]))
        for _ in range(chance.choice((0, 1, 1, 2))):
            body = chance.choice((mutated, tricked))(chance, body)
        if (pictures := plain_pictures(BOUNDARY, body, 3)) is not None:
            plain += 1
            assert parsed_pictures(BOUNDARY, body, 3) == pictures
    assert COUNT < plain < 5 * COUNT * 0.9


def feedback_outcome(body: bytes) -> InvalidRequest | None:
    """Returns why feedback is refused, or None if it is read."""
    try:
        assert 0 <= read_feedback(body, MAX_IMAGES).index < MAX_IMAGES
    except InvalidRequest as error:
        return error
    return None


def test_mutated_feedback():
    """It is read, or refused in words that fit into an answer."""
    chance = random.Random(1)
    refused = 0
    for _ in range(5 * COUNT):
        body = b'{"request_id": "7f0c1e", "index": 2, "label": "Ankle boot"}'
        for _ in range(chance.choice((0, 1, 1, 2))):
            body = chance.choice((mutated, tricked))(chance, body)
        if error := feedback_outcome(body):
            assert 0 < len(str(error).encode()) < 2000
            assert not INSIDE.search(str(error)), error
            refused += 1
    assert COUNT < refused < 5 * COUNT * 0.9


def test_mutated_rows():
    """Whatever is read without Pillow's own reader of files has the same pixels with it."""
    compared = rows.compare(seed=1, count=COUNT)
    assert compared.wrong == []
    assert COUNT / 5 < compared.read < COUNT * 0.9
