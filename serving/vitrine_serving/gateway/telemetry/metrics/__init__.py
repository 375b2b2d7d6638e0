"""The gateway's metrics, in Prometheus' text format.

`families` says what there is, `observed` counts and times, `ledger` and `files` make one sum of
what several processes count, `drift` tells what is known of drift at the moment of the scrape.
"""

from vitrine_serving.gateway.telemetry.metrics.families import FAMILIES, Family
from vitrine_serving.gateway.telemetry.metrics.files import Files
from vitrine_serving.gateway.telemetry.metrics.observed import Metrics

__all__ = ["FAMILIES", "Family", "Files", "Metrics"]
