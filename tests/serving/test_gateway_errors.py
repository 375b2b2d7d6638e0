"""What a gateway refuses, and how it says so; bad settings among it."""

import gzip
import json
import struct
import zlib

import numpy as np
import pytest
from pydantic import ValidationError

from tests.serving.asked_gateway import PNG, PREDICT, form, npy, picture
from vitrine_client.errors import (
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    Unavailable,
    VitrineError,
)
from vitrine_serving.gateway.console import wsgi
from vitrine_serving.gateway.console.pages import make_pages
from vitrine_serving.gateway.http.messages import Request
from vitrine_serving.gateway.http.problems import expected
from vitrine_serving.gateway.settings import Settings, explain


def png_header(width: int, height: int) -> bytes:
    """A PNG that promises width x height pixels and has none."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


WRONG = {
    "empty body": ({"content": b"", "headers": PNG}, 400, "empty"),
    "text": ({"content": b"hello", "headers": PNG}, 400, "PNG"),
    "truncated PNG": ({"content": picture(4)[:50], "headers": PNG}, 400, "truncated"),
    "huge PNG header": ({"content": png_header(50_000, 50_000), "headers": PNG}, 400, "pixels"),
    "SVG": (
        {"content": b"<svg xmlns='x'/>", "headers": {"Content-Type": "image/svg+xml"}},
        400,
        "SVG",
    ),
    "wrong content type": (
        {"content": b"{}", "headers": {"Content-Type": "text/html"}},
        415,
        "Content-Type",
    ),
    "curl's default type": (
        {"content": picture(4), "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
        415,
        "--data-binary",
    ),
    "no content type": ({"content": picture(4)}, 415, "Content-Type"),
    "form without image": ({"files": form(picture(1), name="file")}, 400, "named `image`"),
    "top_k that is none": (
        {"path": f"{PREDICT}?top_k=few", "content": picture(1), "headers": PNG},
        400,
        "count",
    ),
    "top_k of nothing": (
        {"path": f"{PREDICT}?top_k=0", "content": picture(1), "headers": PNG},
        400,
        "from 1",
    ),
    "broken gzip": ({"content": b"x", "headers": PNG | {"Content-Encoding": "gzip"}}, 400, "gzip"),
    "gzip bomb": (
        {"content": gzip.compress(bytes(100_001)), "headers": PNG | {"Content-Encoding": "gzip"}},
        413,
        "100000",
    ),
    "unknown encoding": (
        {"content": b"x", "headers": PNG | {"Content-Encoding": "br"}},
        415,
        "gzip",
    ),
    "array of another shape": (
        {"content": npy(np.zeros((2, 3))), "headers": {"Content-Type": "application/x-npy"}},
        400,
        "28",
    ),
    "version beyond int64": (
        {"path": f"/v1/models/mlp/versions/{2**63}:predict", "content": picture(1), "headers": PNG},
        400,
        "numeric",
    ),
    "too many images": (
        {"files": form(*[picture(1)] * 5)},
        413,
        "at most 4, which is the gateway's VITRINE_MAX_IMAGES",
    ),
    "too many parts": ({"files": form(*[picture(1)] * 9)}, 413, "at most 4"),
    "too large a body": ({"content": b"x" * 100_001, "headers": PNG}, 413, "smaller"),
    "unknown address": ({"path": "/v1/nonsense", "content": b""}, 404, "GET /v1/models"),
    "version that is no number": (
        {"path": "/v1/models/mlp/versions/one:predict", "content": picture(1), "headers": PNG},
        404,
        "no address",
    ),
    "wrong method": ({"path": PREDICT, "method": "GET"}, 405, "POST"),
    "wrong method elsewhere": ({"path": "/v1/models", "method": "DELETE"}, 405, "DELETE"),
}


@pytest.mark.parametrize(("request_", "status", "hint"), WRONG.values(), ids=WRONG)
def test_wrong_requests_are_told_what_to_do(http, servers, request_, status, hint):
    """Wrong input gets a 4xx with a problem+json that helps; the model server is not bothered."""
    answer = http.request(**({"path": PREDICT, "method": "POST"} | request_))
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert hint in answer.json()["detail"]
    assert answer.json()["error"]
    assert "Traceback" not in answer.text
    assert servers.asked == []


BACKEND_ERRORS = [
    (NotFound("Servable not found for request: Latest(mlp)"), 404, "GET /v1/models"),
    (Unavailable("nobody there"), 503, "nobody there"),
    (DeadlineExceeded("too late"), 504, "too late"),
    (VitrineError("odd"), 500, "odd"),
    (ZeroDivisionError("secret of the house"), 500, "log"),
]


@pytest.mark.parametrize(("error", "status", "hint"), BACKEND_ERRORS)
def test_servers_errors_have_their_status(http, servers, error, status, hint):
    """What the model server says keeps its status; a bug of ours shows nothing of the inside."""
    servers.error = error
    answer = http.post(PREDICT, content=picture(1), headers=PNG)
    assert answer.status_code == status
    assert hint in answer.json()["detail"]
    assert "secret" not in answer.text
    assert ("Retry-After" in answer.headers) == (status == 503)


def test_a_bug_in_a_page_is_for_the_gateway():
    """It is raised through Flask, whose own answer would be HTML, and is answered as any other."""
    pages = make_pages({"no JSON": object()}, max_body_bytes=1)
    with pytest.raises(TypeError):
        wsgi.call(
            pages, Request("GET", "/openapi.json", "", {"host": "a.example"}, "", "id-1"), "http"
        )


@pytest.mark.parametrize(
    ("variable", "value"),
    [("VITRINE_PORT", "eighty"), ("VITRINE_MAX_PIXELS", "0"), ("VITRINE_REQUEST_TIMEOUT_S", "-1")],
)
def test_a_bad_setting_names_its_variable(monkeypatch, variable, value):
    """Who mistypes a setting is told which one."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(ValidationError) as caught:
        Settings()
    assert explain(caught.value).startswith(f"{variable}='{value}': ")


def test_settings_come_from_the_environment(monkeypatch):
    """Lists are separated by commas."""
    monkeypatch.setenv("VITRINE_MODELS", "a, b,")
    monkeypatch.setenv("VITRINE_PORT", "9000")
    settings = Settings()
    assert (settings.listed.models, settings.server.port) == (("a", "b"), 9000)


def test_a_failed_computation_is_told_without_its_graph():
    """TensorFlow's words in one line, and where a picture cannot be decoded, which kinds can; in
    `error` they stay as they came."""
    node = "\n\t [[{{node map/while/decode_image/DecodeImage}}]]"
    words = "Unknown image file format. One of JPEG, PNG, GIF, BMP required."
    calls = "Graph execution error:\n\nDetected at node x (last):\n<stack traces unavailable>\n"
    for text in (f"{words}{node}", f"{calls}{words}{node} [Op:__inference_1]"):
        content = json.loads(expected(InvalidRequest(text)).body)
        assert content["detail"].startswith(f"A picture cannot be decoded ({words}); the model")
        assert "PNG, JPEG, GIF and BMP" in content["detail"]
        assert content["error"] == text
    other = "Incompatible shapes: [2] vs. [3]\n\t [[{{node add}}]]"
    told = json.loads(expected(InvalidRequest(other)).body)["detail"]
    assert told == "Incompatible shapes: [2] vs. [3]"
