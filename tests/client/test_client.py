"""The HTTP client against servers that behave in every way."""

import http.server
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SAMPLES, free_port
from vitrine_client import Client, InvalidImage, errors
from vitrine_client.client import encoded

ANSWER = {
    "predictions": [
        {
            "label": "Bag",
            "class_id": 1,
            "probability": 0.75,
            "probabilities": {"Shirt": 0.25, "Bag": 0.75},
        }
    ],
    "model_spec": {"name": "mlp", "version": "12", "signature_name": "serving_default"},
}


@contextmanager
def server(status: int, body: bytes, *, stall: threading.Event | None = None) -> Iterator[Client]:
    """A real HTTP server that gives one answer to everything; with `stall`, only once it is set."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if stall:
                stall.wait(10)
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=listening.serve_forever, daemon=True).start()
    try:
        with Client(f"http://127.0.0.1:{listening.server_port}/", timeout_s=0.5) as client:
            yield client
    finally:
        if stall:
            stall.set()
        listening.shutdown()
        listening.server_close()


def test_a_prediction_has_everything():
    """What the gateway answers becomes a `Prediction`, the version as a number."""
    with server(200, json.dumps(ANSWER).encode()) as client:
        found = client.predict(b"...")
    assert (found.label, found.class_id, found.probability) == ("Bag", 1, 0.75)
    assert (found.model, found.version) == ("mlp", 12)
    assert found.top(1) == [("Bag", 0.75)]
    assert [label for label, _ in found.top(5)] == ["Bag", "Shirt"]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.InvalidRequest),
        (404, errors.NotFound),
        (405, errors.MethodNotAllowed),
        (413, errors.PayloadTooLarge),
        (415, errors.UnsupportedMediaType),
        (418, errors.InvalidRequest),
        (429, errors.ResourceExhausted),
        (500, errors.ServerError),
        (502, errors.ServerError),
        (503, errors.Unavailable),
        (504, errors.DeadlineExceeded),
    ],
)
def test_each_status_is_an_exception(status, kind):
    """The gateway's detail is the message of the exception that stands for its status."""
    with server(status, b'{"detail": "do this"}') as client, pytest.raises(kind, match="do this"):
        client.predict(b"...")


def test_every_exception_has_one_base():
    """One `except` catches all, and each class knows its status."""
    for status in (400, 404, 405, 413, 415, 429, 500, 503, 504):
        error = errors.for_status(status, "why")
        assert isinstance(error, errors.VitrineError)
        assert (error.status, str(error)) == (status, "why")


@pytest.mark.parametrize("body", [b"<html>proxy</html>", b"", b'"text"'])
def test_answers_that_are_no_problem_json(body):
    """A proxy's page in between is an error that says where it came from."""
    with server(502, body) as client, pytest.raises(errors.ServerError, match="502"):
        client.predict(b"...")


def test_a_slow_gateway_is_a_deadline():
    """No answer within the timeout is `DeadlineExceeded`, not a hang."""
    with (
        server(200, b"{}", stall=threading.Event()) as client,
        pytest.raises(errors.DeadlineExceeded, match=r"0\.5 s"),
    ):
        client.predict(b"...")


def test_nobody_there_is_unavailable():
    """Nobody listening is `Unavailable`, and the message says how to start a gateway."""
    with (
        Client(f"http://127.0.0.1:{free_port()}") as client,
        pytest.raises(errors.Unavailable, match="make serve"),
    ):
        client.models()


def test_no_pictures_no_request():
    """An empty list needs no gateway."""
    with Client(f"http://127.0.0.1:{free_port()}") as client:
        assert client.predict_many([]) == []


def test_what_travels():
    """Files travel as they are, pixels as a PNG of the same pixels."""
    path = SAMPLES[0]
    content, image = path.read_bytes(), Image.open(path)
    for picture in (path, str(path), content, io.BytesIO(content)):
        assert encoded(picture) == content
    for picture in (image, np.asarray(image)):
        sent = Image.open(io.BytesIO(encoded(picture)))
        np.testing.assert_array_equal(np.asarray(sent), np.asarray(image))


@pytest.mark.parametrize("array", [np.zeros((2, 2), "M8[s]"), np.zeros((2, 2, 7), np.uint8)])
def test_arrays_that_are_no_pictures(array):
    """An array that no picture has is refused before anything is sent."""
    with pytest.raises(InvalidImage):
        encoded(array)


def test_floats_travel_as_pixels():
    """Floats 0..1 are the same picture as their bytes."""
    pixels = np.asarray(Image.open(SAMPLES[0]))
    assert encoded(pixels / 255) == encoded(pixels)
