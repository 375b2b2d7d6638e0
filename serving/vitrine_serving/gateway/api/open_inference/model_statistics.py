"""Model statistics: Triton's JSON for what was counted of a version."""

from typing import Any

from vitrine_serving.gateway.telemetry.metrics.inference_statistics import Totals

Json = dict[str, Any]

_NS = 1e9


def statistics_of(model: str, version: int, totals: Totals | None) -> Json:
    """Returns the statistics of a version; all are 0 where nothing was counted of it."""
    totals = totals or Totals()
    answered = totals.answered
    stages_s = totals.queue_s + totals.input_s + totals.infer_s
    output_s = max(totals.answered_s - stages_s, 0.0)
    return {
        "name": model,
        "version": str(version),
        "last_inference": round(totals.last_ms),
        "inference_count": round(totals.rows),
        "execution_count": round(totals.calls),
        "inference_stats": {
            "success": _duration(answered, totals.answered_s),
            "fail": _duration(totals.failed, totals.failed_s),
            "queue": _duration(answered, totals.queue_s),
            "compute_input": _duration(answered, totals.input_s),
            "compute_infer": _duration(answered, totals.infer_s),
            "compute_output": _duration(answered, output_s),
            "cache_hit": _duration(0, 0),
            "cache_miss": _duration(0, 0),
        },
    }


def _duration(count: float, seconds: float) -> Json:
    return {"count": round(count), "ns": round(seconds * _NS)}
