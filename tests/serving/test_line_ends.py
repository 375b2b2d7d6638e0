"""JSON of the gateway's own ends with a line's end, so that a prompt is not glued to it."""

import pytest

from tests.serving.asked_gateway import PNG, PREDICT, form, picture

GOOD = {"content": picture(4), "headers": PNG}
ASKED = {
    "prediction": ("POST", PREDICT, GOOD),
    "top classes": ("POST", f"{PREDICT}?top_k=2", GOOD),
    "several": ("POST", PREDICT, {"files": form(picture(1), picture(2))}),
    "instances": ("POST", "/v1/instances", GOOD),
    "explanation": ("POST", "/v1/models/mlp:explain", GOOD),
    "models": ("GET", "/v1/models", {}),
    "profile": ("GET", "/v1/models/mlp/profile", {}),
    "drift": ("GET", "/v1/models/mlp/drift", {}),
    "live": ("GET", "/healthz", {}),
    "ready": ("GET", "/readyz", {}),
    "OpenAPI": ("GET", "/openapi.json", {}),
    "bad picture": ("POST", PREDICT, {"content": b"hello", "headers": PNG}),
    "no address": ("GET", "/v1/nonsense", {}),
    "wrong method": ("GET", PREDICT, {}),
    "too large": ("POST", PREDICT, {"content": b"x" * 100_001, "headers": PNG}),
}


@pytest.mark.parametrize(("method", "path", "more"), ASKED.values(), ids=ASKED)
def test_answers_end_with_a_line_end(http, method, path, more):
    """One, and the length counts it; errors too."""
    answer = http.request(method, path, **more)
    assert "json" in answer.headers["Content-Type"]
    assert answer.json()
    assert answer.content.endswith(b"}\n")
    assert int(answer.headers["Content-Length"]) == len(answer.content)
