"""JSON answers about pictures: predictions, explanations and instances."""

import io
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import numpy as np
import orjson
from PIL import Image

from vitrine_client.errors import InvalidImage
from vitrine_client.images import SIDE, Item
from vitrine_client.images.preprocessing import shown as looked_at
from vitrine_client.results.explanations import Explanation
from vitrine_client.results.profiles.profile import FASHION_MNIST, ModelProfile
from vitrine_client.tfserving import messages
from vitrine_client.tfserving.tensors import Array
from vitrine_serving.gateway.http.messages import Answer
from vitrine_serving.gateway.inference.decoding.decoder import Empty, Found, Shown
from vitrine_serving.gateway.inference.outcomes import Classified, Outcome

T = TypeVar("T")
Json = dict[str, Any]

_NUMPY = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE
_TIMING = "Server-Timing"


def predictions(outcome: Outcome[Classified], top_k: int | None) -> Answer:
    """Returns a prediction for each picture; of `top_k` classes, best first, unless that is
    None."""

    def entry(predicted: Classified) -> Json:
        label, class_id, probability, probabilities = predicted
        if top_k:
            best_first = sorted(probabilities.items(), key=lambda item: -item[1])
            probabilities = dict(best_first[:top_k])
        return {
            "label": label,
            "class_id": class_id,
            "probability": probability,
            "probabilities": probabilities,
        }

    entries = _entries(outcome, entry)
    content = {"predictions": entries, "model_spec": _spec(outcome, _signature(outcome))}
    body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
    return Answer(200, body, headers=[_timing(outcome)])


def explanations(outcome: Outcome[Explanation]) -> Answer:
    """Returns an explanation for each picture."""

    def entry(explained: Explanation) -> Json:
        return {
            "label": explained.label,
            "class_id": explained.class_id,
            "probability": explained.probability,
            "attributions": explained.attributions,
        }

    content = {
        "explanations": _entries(outcome, entry),
        "model_spec": _spec(outcome, messages.EXPLAIN),
    }
    body = orjson.dumps(content, option=_NUMPY)
    return Answer(200, body, headers=[_timing(outcome)])


def instances(shown: Shown) -> Answer:
    """Returns what models are shown: of an array its rows; of pictures also where their items are,
    and black for those that are empty."""
    pictures = [each for each in shown.found if not isinstance(each, InvalidImage)]
    rows, beside = list(shown.rows), {}
    if pictures:
        items = [each if isinstance(each, Item) else None for each in pictures]
        rows = [each.instance if each else _black(shown.profile) for each in items]
        boxes = [each.box if each else None for each in items]
        beside = {"boxes": boxes, "warnings": [each.warnings for each in pictures]}
    content = {"instances": [messages.scaled(_levels(row)) for row in rows], **beside}
    body = orjson.dumps(content, option=_NUMPY)
    return Answer(200, body, headers=[(_TIMING, f"decode;dur={1e3 * shown.decode_s:.3f}")])


def _black(profile: ModelProfile) -> Array:
    return np.zeros((SIDE, SIDE, *[each or 1 for each in profile.shape[2:]]), np.uint8)


def _levels(row: Array | bytes) -> Array:
    """Returns the levels of an instance as people see them, uint8; those of an encoded picture
    decoded."""
    if isinstance(row, bytes) or row.dtype == object:
        return np.asarray(Image.open(io.BytesIO(row if isinstance(row, bytes) else row.item())))
    return looked_at(row)


def _entries(outcome: Outcome[T], told: Callable[[T], Json]) -> list[Json]:
    """Returns what is said of each picture; `told` says it of an answer."""
    found = outcome.shown.found if outcome.shown else ()
    if not found:  # as in arrays, of which each row has an answer
        return [told(each) for each in cast(Sequence[T], outcome.results)]
    pairs = zip(outcome.results, found, strict=True)
    return [_entry(index, *pair, told) for index, pair in enumerate(pairs)]


def _entry(
    index: int, result: T | Empty | InvalidImage, found: Found, told: Callable[[T], Json]
) -> Json:
    if isinstance(result, InvalidImage):
        return {"error": f"image {index}: {result}"}
    if isinstance(result, Empty):
        return {"empty": True, "warnings": result.warnings}
    entry = told(result)
    if isinstance(found, Item):
        entry["box"] = found.box
        entry["warnings"] = found.warnings
    return entry


def _signature(outcome: Outcome[Any]) -> str:
    return (outcome.shown.profile if outcome.shown else FASHION_MNIST).signature


def _spec(outcome: Outcome[T], signature_name: str) -> Json:
    version = str(outcome.version)
    return {"name": outcome.model, "version": version, "signature_name": signature_name}


def _timing(outcome: Outcome[T]) -> tuple[str, str]:
    """https://www.w3.org/TR/server-timing/, in milliseconds."""
    decode_ms, queue_ms = 1e3 * outcome.decode_s, 1e3 * outcome.queue_s
    rpc_ms = 1e3 * outcome.rpc_s
    return _TIMING, f"decode;dur={decode_ms:.3f}, queue;dur={queue_ms:.3f}, rpc;dur={rpc_ms:.3f}"
