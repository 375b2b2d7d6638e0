"""Prediction line: a request of the prediction log, as JSON.

Nothing of a picture, unless that is asked for; then it is the pixels that the model saw, as a
PNG in Base64.
"""

import base64
import io
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from PIL import Image

from vitrine_client.errors import InvalidImage
from vitrine_client.images.preprocessing import shown
from vitrine_client.open_inference.http_bodies import HEADER as JSON_LENGTH
from vitrine_client.results.explanations import Explanation
from vitrine_client.tfserving.tensors import Array
from vitrine_serving.gateway.http.messages import GRPC_PATH, Answer, Request
from vitrine_serving.gateway.inference.decoding.decoder import Empty, Rows
from vitrine_serving.gateway.inference.outcomes import Classified
from vitrine_serving.gateway.telemetry import logs

_CONTENTS = {"application/x-npy": "npy", "multipart/form-data": "form", "application/json": "json"}


class Note(NamedTuple):
    """Content of a line that is made later and elsewhere; it holds `size` images, and counts as one
    where it holds none."""

    content: dict[str, Any]
    results: Sequence[Classified | Explanation | InvalidImage]
    instances: Rows | None
    size: int


def note_of(request: Request, answer: Answer, took_s: float, *, images: bool) -> Note:
    """Returns the fields of a request, without keeping its body."""
    target, outcome = request.target, request.outcome
    content: dict[str, Any] = {
        "time": logs.moment(time.time() - took_s),
        **logs.ids(request),
        "key": request.key_name,
        "model": target.model if target else "",
        "asked_version": target.version if target else None,
        "asked_label": target.label if target else None,
        "version": logs.answered_by(request),
        "endpoint": "" if request.endpoint == "predict" else request.endpoint,
        "content": _content(request),
        "status": answer.status,
        "duration_ms": round(1e3 * took_s, 3),
        **logs.stages(request),
    }
    # Empty pictures were shown to no model, so there is nothing to note of them but their places:
    # feedback counts a request's pictures, these among them.
    told = outcome.results if outcome else ()
    results = [each for each in told if not isinstance(each, Empty)]
    if len(results) < len(told):
        content["empty"] = [place for place, each in enumerate(told) if isinstance(each, Empty)]
    instances = outcome.shown.rows if outcome and outcome.shown and images else None
    return Note(content, results, instances, max(len(results), 1))


def _content(request: Request) -> str:
    if request.endpoint == "infer":  # whose content type says nothing
        return "binary" if JSON_LENGTH in request.headers else "json"
    if request.path.startswith(GRPC_PATH):
        return "grpc"
    kind = request.headers.get("content-type", "")
    return _CONTENTS.get(kind.partition(";")[0].strip().lower(), "picture")


def line_of(note: Note) -> bytes:
    """Returns the line, and its end."""
    content = {name: value for name, value in note.content.items() if value not in ("", None)}
    if note.results:
        content["results"] = [_result(each) for each in note.results]
    if note.instances is not None:
        pngs = (_png(instance) for instance in note.instances)
        content["instances"] = [
            None if isinstance(each, InvalidImage) else next(pngs, None) for each in note.results
        ]
    return f"{logs.json_line(content)}\n".encode()


def _result(result: Classified | Explanation | InvalidImage) -> dict[str, Any]:
    if isinstance(result, InvalidImage):
        return {"error": str(result)}
    return {
        "class_id": result.class_id,
        "label": result.label,
        "probability": round(result.probability, 6),
    }


def _png(instance: Array) -> str:
    if instance.dtype == object:
        return base64.b64encode(instance.item()).decode()
    levels = shown(instance)
    buffer = io.BytesIO()
    Image.fromarray(levels[..., 0] if levels.shape[2:] == (1,) else levels).save(buffer, "PNG")
    return base64.b64encode(buffer.getbuffer()).decode()
