"""Statistics of a version: requests of the Open Inference Protocol, as Triton's clients read them.

https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_statistics.md
"""

import threading
import time

from vitrine_client.open_inference import wire_pb2 as wire


class VersionStatistics:
    """Counts of a version; safe to use from any thread. Times are in nanoseconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last_ms = 0
        self._rows = self._successes = self._failures = 0
        self._success_ns = self._run_ns = self._failure_ns = 0

    def succeeded(self, rows: int, took_ns: int, run_ns: int) -> None:
        """Counts an answer of so many rows, and how long the model ran for it, waiting for its
        batch included."""
        with self._lock:
            self._last_ms = time.time_ns() // 1_000_000
            self._rows += rows
            self._successes += 1
            self._success_ns += took_ns
            self._run_ns += run_ns

    def failed(self, took_ns: int) -> None:
        """Counts a request that could not be answered."""
        with self._lock:
            self._failures += 1
            self._failure_ns += took_ns

    def message(self, name: str, version: int) -> wire.ModelStatistics:
        """Returns the message of a version. Each request counts as an execution, shared batches or
        not; what is not the model's run is input, as reading takes longer than writing."""
        with self._lock:
            count, run_ns = self._successes, self._run_ns
            return wire.ModelStatistics(
                name=name,
                version=str(version),
                last_inference=self._last_ms,
                inference_count=self._rows,
                execution_count=count,
                inference_stats=wire.InferStatistics(
                    success=_duration(count, self._success_ns),
                    fail=_duration(self._failures, self._failure_ns),
                    queue=_duration(count, 0),
                    compute_input=_duration(count, max(self._success_ns - run_ns, 0)),
                    compute_infer=_duration(count, run_ns),
                    compute_output=_duration(count, 0),
                ),
            )


def _duration(count: int, ns: int) -> wire.StatisticDuration:
    return wire.StatisticDuration(count=count, ns=ns)
