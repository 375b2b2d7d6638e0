"""What is answered about pictures, as JSON."""

from collections.abc import Sequence
from typing import Any

import orjson

from vitrine_client import calls
from vitrine_client.errors import InvalidImage
from vitrine_client.predictions import Prediction
from vitrine_serving.gateway.batcher import Batched
from vitrine_serving.gateway.decoder import Instances
from vitrine_serving.gateway.explanations import Explanation
from vitrine_serving.gateway.http import Answer
from vitrine_serving.gateway.predictor import Outcome


def predictions(outcome: Outcome, top_k: int | None) -> Answer:
    """Returns a prediction for each picture; of `top_k` classes, best first, unless that is
    None."""
    answered = _first(outcome.results)
    entries = [_entry(index, result, top_k) for index, result in enumerate(outcome.results)]
    spec = _spec(answered.model, answered.version, "serving_default")
    body = orjson.dumps({"predictions": entries, "model_spec": spec})
    timing = _timing(outcome.decode_s, outcome.queue_s, outcome.rpc_s)
    return Answer(200, body, headers=[timing])


def explanations(found: Batched[Explanation], decode_s: float) -> Answer:
    """Returns an explanation for each picture."""
    entries = [
        {
            "label": row.label,
            "class_id": row.class_id,
            "probability": row.probability,
            "attributions": row.attributions,
        }
        for row in found.answers
    ]
    spec = _spec(found.answers[0].model, found.answers[0].version, calls.EXPLAIN)
    body = orjson.dumps(
        {"explanations": entries, "model_spec": spec}, option=orjson.OPT_SERIALIZE_NUMPY
    )
    return Answer(200, body, headers=[_timing(decode_s, found.queue_s, found.rpc_s)])


def instances(rows: Instances) -> Answer:
    """Returns uint8 [n, 28, 28] as models are shown them."""
    shown = {"instances": calls.scaled(rows)}
    return Answer(200, orjson.dumps(shown, option=orjson.OPT_SERIALIZE_NUMPY))


def _spec(model: str, version: int, signature_name: str) -> dict[str, str]:
    return {"name": model, "version": str(version), "signature_name": signature_name}


def _timing(decode_s: float, queue_s: float, rpc_s: float) -> tuple[str, str]:
    """https://www.w3.org/TR/server-timing/, in milliseconds."""
    stages = {"decode": decode_s, "queue": queue_s, "rpc": rpc_s}
    said = ", ".join(f"{name};dur={1e3 * took_s:.3f}" for name, took_s in stages.items())
    return "Server-Timing", said


def _first(results: Sequence[Prediction | InvalidImage]) -> Prediction:
    return next(result for result in results if isinstance(result, Prediction))


def _entry(index: int, result: Prediction | InvalidImage, top_k: int | None) -> dict[str, Any]:
    if isinstance(result, InvalidImage):
        return {"error": f"image {index}: {result}"}
    return {
        "label": result.label,
        "class_id": result.class_id,
        "probability": result.probability,
        "probabilities": dict(result.top(top_k)) if top_k else result.probabilities,
    }
