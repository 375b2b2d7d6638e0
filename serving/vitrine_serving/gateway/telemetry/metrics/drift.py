"""What is known of drift, as metrics: read from memory that all processes share, at the scrape."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from vitrine_serving.gateway.telemetry.drift import DriftState
from vitrine_serving.gateway.telemetry.metrics import families
from vitrine_serving.gateway.telemetry.metrics.families import Family


class Watch(Protocol):
    """Who knows of drift; `drift.Watch` is one."""

    def states(self) -> Sequence[DriftState]:
        """Returns what is known of each version; from any thread."""


class DriftCollector(Collector):
    """Asks a watch at each scrape."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Returns the metrics, without samples before the first image."""
        states = self._watch.states()
        yield _gauges(
            families.DRIFT_ALARM,
            [
                (state, kind, float(state.alarm == kind))
                for state in states
                for kind in ("covariate", "label")
            ],
        )
        yield _gauges(
            families.DRIFT_SCORE,
            [(state, test, score) for state in states for test, score in state.scores.items()],
        )
        yield _gauges(
            families.DRIFT_THRESHOLD,
            [(state, test, score) for state in states for test, score in state.thresholds.items()],
        )
        yield _gauges(families.DRIFT_IMAGES, [(state, "", state.images) for state in states])
        yield _gauges(
            families.DRIFT_SHARE,
            [
                (state, str(class_id), share)
                for state in states
                for class_id, share in enumerate(state.estimated)
            ],
        )


def _gauges(family: Family, samples: list[tuple[DriftState, str, float]]) -> GaugeMetricFamily:
    """Returns a gauge of values with the label that comes after model and version, if any."""
    gauge = GaugeMetricFamily(family.name, family.help, labels=family.labels)
    for state, label, value in samples:
        labels = [state.model, str(state.version), label]
        gauge.add_metric(labels[: len(family.labels)], value)
    return gauge
