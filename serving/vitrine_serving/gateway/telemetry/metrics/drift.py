"""Drift metrics: read at the scrape, from memory that all processes share."""

from collections.abc import Callable, Iterable

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from vitrine_serving.gateway.telemetry.drift import DriftState, Watch
from vitrine_serving.gateway.telemetry.metrics import families
from vitrine_serving.gateway.telemetry.metrics.families import Family
from vitrine_serving.gateway.telemetry.metrics.shared_series import metric

_VALUES: dict[Family, Callable[[DriftState], dict[str, float]]] = {
    families.DRIFT_ALARM: lambda state: {
        kind: float(state.alarm == kind) for kind in ("covariate", "label")
    },
    families.DRIFT_SCORE: lambda state: state.scores,
    families.DRIFT_THRESHOLD: lambda state: state.thresholds,
    families.DRIFT_IMAGES: lambda state: {"": state.images},
    families.DRIFT_GATEWAYS: lambda state: {"": state.gateways},
    families.DRIFT_SHARE: lambda state: {
        str(class_id): share for class_id, share in enumerate(state.estimated)
    },
}
"""Values of a version by the label that comes after model and version, if any."""


class DriftCollector(Collector):
    """Collector that reads a watch at each scrape."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def collect(self) -> Iterable[Metric]:
        """Returns the metrics, without samples before the first image."""
        states = self._watch.states()
        for family, values in _VALUES.items():
            found = {
                (state.model, str(state.version), label)[: len(family.labels)]: [value]
                for state in states
                for label, value in values(state).items()
            }
            yield metric(family, found)
