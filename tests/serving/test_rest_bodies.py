"""Bodies of REST requests: gzip, and whatever is thrown at the server."""

import gzip
import json
import random
import tracemalloc

import numpy as np
import pytest

from tests.serving.fake_api import PREDICT, Model, client_of, error_of
from vitrine_serving.model_server.api import tensorflow_rest
from vitrine_serving.model_server.bounded_log import BoundedLog


@pytest.fixture
def client():
    return client_of(Model())


BODY = b'{"instances": [1]}'
GZIP = gzip.compress(BODY, mtime=0)  # without the time, as tests are named by it
EMPTY = "JSON Parse error: The document is empty"


def post_gzip(client, body: bytes):
    return client.post(PREDICT, data=body, headers={"Content-Encoding": "gzip"})


def test_gzip(client):
    """Bodies may be gzip; answers never are."""
    for encoding in ("gzip", "x-gzip", "br, gzip"):
        response = client.post(
            PREDICT,
            data=GZIP,
            headers={"Content-Encoding": encoding, "Accept-Encoding": "gzip"},
        )
        assert response.json == {"predictions": [2.0]}
        assert "Content-Encoding" not in response.headers
    assert error_of(post_gzip(client, gzip.compress(b""))) == EMPTY
    assert error_of(post_gzip(client, b"")) == EMPTY


def test_gzip_in_capitals(client):
    """It is no gzip to TensorFlow Serving, which looks for the word as it is; so it is no JSON."""
    response = client.post(PREDICT, data=GZIP, headers={"Content-Encoding": "GZIP"})
    assert response.status_code == 400
    assert error_of(response).startswith("JSON Parse error: Invalid ")


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (GZIP[:-1], "its gzip is truncated"),
        (GZIP[:5], "its gzip is truncated"),
        (GZIP + b"x", "its gzip is followed by something else"),
        (GZIP + GZIP, "its gzip is followed by something else"),
        (BODY, "its gzip is broken ("),
        (GZIP[:-8] + b"\0" * 8, "its gzip is broken ("),
    ],
)
def test_broken_gzip(client, caplog, body, problem, monkeypatch):
    """A body that can't be unpacked whole is taken for none, and the log says why."""
    monkeypatch.setattr(tensorflow_rest, "_broken_gzip", BoundedLog(tensorflow_rest.log))
    response = post_gzip(client, body)
    assert (response.status_code, error_of(response)) == (400, EMPTY)
    [record] = caplog.records
    assert problem in record.getMessage()


def test_gzip_bomb():
    """A body is unpacked up to the bound and not further."""
    client = client_of(Model(), max_inflated_bytes=len(BODY))
    assert post_gzip(client, GZIP).status_code == 200
    response = post_gzip(client, gzip.compress(BODY + b" "))
    assert (response.status_code, error_of(response)) == (400, EMPTY)
    bomb = gzip.compress(bytes(20_000_000))
    tracemalloc.start()
    assert tensorflow_rest.inflate(bomb, 100_000) == b""
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_whatever_is_thrown_at_it(client):
    """Seeded garbage is answered as JSON, and never as an error of the server's own."""
    seeds = [
        b'{"instances": [{"x": [1, 2.5, null]}, {"x": [true, "a", -1e400]}]}',
        b'{"signature_name": "serving_default", "inputs": {"x": [[1], [2]]}}',
        b'{"examples": [{"x": 1.0}], "context": {"c": {"b64": "YQ=="}}}',
        b'{"inputs": [NaN, Infinity, 123456789012345678901234567890]}',
    ]
    pieces = [b"[", b"]", b"{", b"}", b'"', b"\\u", b"\xff", b"9" * 30, b"NaN", b",", b"e999", b""]
    choose = random.Random(4)
    seen = set()
    for _ in range(1500):
        body = choose.choice(seeds)
        for _ in range(choose.randrange(4)):
            at = choose.randrange(len(body) + 1)
            body = body[:at] + choose.choice(pieces) + body[at + choose.randrange(3) :]
        method = choose.choice(["predict", "classify", "regress"])
        response = client.post(f"/v1/models/m:{method}", data=body)
        seen.add(response.status_code)
        assert response.status_code in (200, 400), body
        assert json.loads(response.data.decode(errors="surrogateescape"))
    assert seen == {200, 400}


def test_deep_nesting(client):
    """Lists within lists within lists are refused before the stack ends."""
    for depth in (300, 500, 1023, 5000, 200_000):
        lists = b"[" * depth + b"]" * depth
        for body in (b'{"inputs": %b}', b'{"instances": %b}', b'{"instances": 1, "inputs": %b}'):
            response = client.post(PREDICT, data=body % lists)
            assert response.status_code == 400
            assert error_of(response)


def test_numbers_keep_their_value(client):
    """What goes in as float32 comes out as float32."""
    values = np.random.default_rng(0).standard_normal(1000).astype(np.float32)
    body = json.dumps({"instances": values.tolist()})
    answer = client.post(PREDICT, data=body).json["predictions"]
    assert (np.array(answer, np.float32) == values * 2).all()
