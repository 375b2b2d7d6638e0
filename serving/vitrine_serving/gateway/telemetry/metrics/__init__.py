"""The gateway's metrics, in Prometheus' text format.

`families` says what there is, `observed` counts and times, `ledger` and `shared_series` make one
sum of what several processes count, `drift` tells what is known of drift at the moment of the
scrape.
"""

from vitrine_serving.gateway.telemetry.metrics.families import FAMILIES
from vitrine_serving.gateway.telemetry.metrics.observed import Metrics
from vitrine_serving.gateway.telemetry.metrics.shared_series import SharedSeries

__all__ = ["FAMILIES", "Metrics", "SharedSeries"]
