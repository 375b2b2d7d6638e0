"""Cost of observing a request: the gateway's way, and prometheus_client's own values.

`python -m benchmarks.metrics`; microseconds of processor time, the best of several rounds.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import numpy as np

from vitrine_client.images.finding.item import Item
from vitrine_client.results.predictions import Prediction
from vitrine_serving.gateway.http.messages import Answer, Request
from vitrine_serving.gateway.inference.decoding.decoder import Shown
from vitrine_serving.gateway.inference.outcomes import Outcome
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.telemetry.metrics import Metrics
from vitrine_serving.gateway.telemetry.metrics.families import (
    BATCH_IMAGES,
    REQUEST_SECONDS,
    STAGE_SECONDS,
)
from vitrine_serving.gateway.telemetry.observers import harmless

ROUNDS = 9
CALLS = 20_000

REQUEST = "counter, latency, decode and queue of a request"
CALL = "rpc and images of a call"


def best_us(function: Callable[[], object]) -> float:
    """Returns microseconds of processor time for one call."""
    took = []
    for _ in range(ROUNDS):
        started = time.process_time()
        for _ in range(CALLS):
            function()
        took.append((time.process_time() - started) / CALLS)
    return 1e6 * min(took)


def ours() -> None:
    """Prints what the gateway's metrics take."""
    metrics = Metrics(("mlp",))
    rows = np.zeros((1, 28, 28), np.uint8)
    shown = Shown(rows, [Item(rows[0], None)], 0.0004)
    outcome = Outcome([Prediction("Bag", 8, 0.9, {}, "mlp", 3)], "mlp", 3, shown, 0.003, 0.006)
    request = Request("POST", "/v1/models/mlp:predict", "", {}, "", "0")
    request.endpoint, request.target, request.outcome = "predict", ModelRef("mlp"), outcome
    answer = Answer(200, b"")
    note_request, note_call = harmless(metrics.note_request), harmless(metrics.note_call)
    print(f"{best_us(lambda: note_request(request, answer, 0.012)):6.2f} us  {REQUEST}")
    print(f"{best_us(lambda: note_call('mlp', 3, 16, 0.006)):6.2f} us  {CALL}")
    metrics.flush()
    for name, work in (("flush", metrics.flush), ("scrape", metrics.render)):
        note_request(request, answer, 0.012)
        started = time.process_time()
        work()
        print(f"{1e6 * (time.process_time() - started):6.0f} us  {name}")


def library() -> None:
    """Prints what the library's mapped values take, with labels looked up beforehand."""
    from prometheus_client import Counter, Histogram

    requests = Counter("requests", "-", ["endpoint", "model", "status"], registry=None)
    counted = requests.labels("predict", "mlp", "200")
    latency, decode, queue, rpc, images = (
        Histogram(f"h{number}", "-", ["model"], buckets=bounds, registry=None).labels("mlp")
        for number, bounds in enumerate(
            (*(REQUEST_SECONDS.bounds,), *(3 * (STAGE_SECONDS.bounds,)), BATCH_IMAGES.bounds)
        )
    )

    def note_request() -> None:
        counted.inc()
        latency.observe(0.012)
        decode.observe(0.0004)
        queue.observe(0.003)

    def note_call() -> None:
        rpc.observe(0.006)
        images.observe(16)

    print(f"{best_us(note_request):6.2f} us  {REQUEST}")
    print(f"{best_us(note_call):6.2f} us  {CALL}")


def main() -> None:
    """Measures both, the library's in a process of its own, as its mode is the environment's."""
    if sys.argv[1:] == ["library"]:
        library()
        return
    print("the gateway's metrics:")
    ours()
    print("prometheus_client's multiprocess values:", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            [sys.executable, "-m", "benchmarks.metrics", "library"],
            env={"PROMETHEUS_MULTIPROC_DIR": folder},
            check=True,
        )


if __name__ == "__main__":
    main()
