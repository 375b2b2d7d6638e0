"""ServingMetrics of the model server: TensorFlow Serving's, in Prometheus' text format.

Dashboards know these names and these bounds of buckets, as they are written. The library
prometheus_client cannot write them (it adds `_total` to a counter, and `le="10.0"` for `le="10"`),
so this does.
"""

import threading
from bisect import bisect_left
from dataclasses import dataclass, field
from pathlib import Path

from vitrine_serving.model_server.protos import options_pb2, text_protos

DEFAULT_PATH = "/monitoring/prometheus/metrics"

LATENCY_US = tuple(10 * 1.8**power for power in range(33))
"""Upper bounds of the latency buckets in microseconds (servables/tensorflow/util.cc)."""

OTHER = "other"
"""Label of all names of models that are not served: anybody can send any number of them, of any
length."""

EXAMPLES = tuple(float(2**power) for power in range(15))


def read_monitoring(path: Path) -> str | None:
    """Returns the address that a `monitoring_config_file` gives the metrics, None if not enabled.

    Raises `ServingError` that names the file.
    """
    prometheus = text_protos.read(path, options_pb2.MonitoringConfig()).prometheus_config
    return (prometheus.path or DEFAULT_PATH) if prometheus.enable else None


@dataclass
class _Cell:
    buckets: list[int]
    total: float = 0.0


@dataclass
class _Family:
    """Family of metrics: a counter, or with `bounds` a histogram; a cell for each set of labels."""

    name: str
    labels: tuple[str, ...]
    bounds: tuple[float, ...] = ()
    cells: dict[tuple[str, ...], _Cell] = field(default_factory=dict)

    def add(self, values: tuple[str, ...], amount: float) -> None:
        cell = self.cells.get(values)
        if cell is None:
            cell = self.cells[values] = _Cell([0] * (len(self.bounds) + 1))
        cell.total += amount
        if self.bounds:
            cell.buckets[bisect_left(self.bounds, amount)] += 1

    def lines(self) -> list[str]:
        lines = [f"# TYPE {self.name} {'histogram' if self.bounds else 'counter'}"]
        for values, cell in sorted(self.cells.items()):
            labels = ",".join(
                f'{name}="{_escaped(value)}"'
                for name, value in zip(self.labels, values, strict=True)
            )
            if not self.bounds:
                lines.append(f"{self.name}{{{labels}}} {cell.total:.0f}")
                continue
            count = 0
            for bound, inside in zip((*self.bounds, None), cell.buckets, strict=True):
                count += inside
                limit = "+Inf" if bound is None else f"{bound:g}"
                lines.append(f'{self.name}_bucket{{{labels},le="{limit}"}} {count}')
            lines.append(f"{self.name}_sum{{{labels}}} {cell.total:g}")
            lines.append(f"{self.name}_count{{{labels}}} {count}")
        return lines


class ServingMetrics:
    """Counts and latencies of a server; safe to use from any thread."""

    def __init__(self) -> None:
        prefix = ":tensorflow:serving:"
        call = ("model_name", "API")
        self._lock = threading.Lock()
        self._requests = _Family(f"{prefix}request_count", ("model_name", "status"))
        self._request_us = _Family(f"{prefix}request_latency", (*call, "entrypoint"), LATENCY_US)
        self._runtime_us = _Family(f"{prefix}runtime_latency", (*call, "runtime"), LATENCY_US)
        self._examples = _Family(f"{prefix}request_example_counts", ("model",), EXAMPLES)
        self._example_total = _Family(f"{prefix}request_example_count_total", ("model",))

    def observe_request(
        self, model: str, call: str, entrypoint: str, status: str, took_s: float
    ) -> None:
        """Counts an answer; `status` is a gRPC code's name, and only latencies of OK are kept.

        Each `model` is kept for good: it is one that is served, or `OTHER`.
        """
        with self._lock:
            self._requests.add((model, status), 1)
            if status == "OK":
                self._request_us.add((model, call, entrypoint), took_s * 1e6)

    def observe_run(self, model: str, call: str, took_s: float) -> None:
        """Keeps how long the model itself took, waiting for its batch included."""
        with self._lock:
            self._runtime_us.add((model, call, "TF1"), took_s * 1e6)

    def observe_examples(self, model: str, count: int) -> None:
        """Counts the examples of a MultiInference."""
        with self._lock:
            self._examples.add((model,), count)
            self._example_total.add((model,), count)

    def text(self) -> bytes:
        """Returns all of it in Prometheus' text format."""
        families = (
            self._requests,
            self._example_total,
            self._examples,
            self._request_us,
            self._runtime_us,
        )
        with self._lock:
            lines = [line for family in families for line in family.lines()]
        return ("\n".join(lines) + "\n").encode()


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
