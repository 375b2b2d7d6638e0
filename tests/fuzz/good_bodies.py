"""Bodies as they should be: one of each kind, answered with 200 by the gateway of these tests."""

import base64
import io
import json
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tests.serving.forms import FORM, form, part

PREDICT = "/v1/models/clothes:predict"


@dataclass(frozen=True)
class Body:
    """What is posted, and where."""

    path: str
    content_type: str
    content: bytes
    encoding: str = ""


def good_bodies() -> list[Body]:
    """Returns a body of each kind that is answered with 200."""
    pixels = np.random.default_rng(3).integers(0, 256, (40, 30, 3), np.uint8)
    files = {kind: _file(pixels, kind) for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP")}
    small = _file(pixels[:28, :28, 0], "PNG")
    rows = (pixels[:28, :28, 0] / 255).round(3).tolist()
    array = np.stack([pixels[:28, :28, 0]] * 3)
    text = {"instances": [{"b64": base64.b64encode(small).decode()}]}
    return [
        *(Body(PREDICT, f"image/{kind.lower()}", file) for kind, file in files.items()),
        Body(PREDICT, "application/octet-stream", _file(pixels[..., 0], "PNG", "L")),
        Body(f"{PREDICT}?top_k=3", "image/png", small),
        Body("/v1/models/clothes/versions/1:predict", FORM, form(*files.values())),
        Body(PREDICT, FORM, form(part(b"hello", name="note"), small, small)),
        Body("/v1/models/clothes:explain?class_id=3", FORM, form(small, *files.values())),
        Body("/v1/models/clothes/labels/stable:explain", "application/x-npy", _npy(array)),
        Body("/v1/instances", "image/jpeg", files["JPEG"]),
        Body(PREDICT, "application/x-npy", _npy(array)),
        Body(PREDICT, "application/x-npy", _npy(np.asfortranarray(array / 255))),
        _json("/v1/models/clothes/labels/stable:predict", {"instances": [rows]}),
        _json(PREDICT, {"inputs": {"images": [rows, rows]}, "signature_name": "serving_default"}),
        _json(PREDICT, {"signature_name": "serve_bytes", **text}),
        _json(
            "/v1/models/clothes:classify",
            {
                "signature_name": "classify",
                "examples": [{"images": np.ravel(rows).tolist()}],
            },
        ),
        _json(
            "/v1/models/clothes:regress",
            {"signature_name": "regress", "examples": [{"features": [1.5, -0.5]}]},
        ),
        *(
            _json("/v1/models/echo:predict", {"signature_name": name, "instances": values})
            for name, values in _ECHOED.items()
        ),
    ]


_ECHOED = {
    "float32": [[1.5, -2e-3], [1e38, 0]],
    "int64": [9223372036854775807, -1],
    "uint8": [[0, 255]],
    "bool": [True, False],
    "string": ["é", {"b64": "AAEC"}],
}


def _json(path: str, content: object) -> Body:
    return Body(path, "application/json", json.dumps(content).encode())


def _file(pixels: np.ndarray, kind: str, mode: str = "") -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(buffer, kind)
    return buffer.getvalue()


def _npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()
