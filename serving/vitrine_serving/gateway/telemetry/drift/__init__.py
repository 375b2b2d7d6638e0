"""Drift monitoring: compares the pictures that models are asked about with their validation data.

Each process has a `Watch`, which notes what is answered. Its `statistics` go into `windows` that
all processes share; `detect` compares those with the `baseline` in the model card, and `report`
says it. docs/drift.md tells the whole story.
"""

from vitrine_client.results.drift_statistics import STATISTICS, statistics
from vitrine_serving.gateway.telemetry.drift.baseline import Baseline, BaselineError
from vitrine_serving.gateway.telemetry.drift.detect import Sample, Shift, detect
from vitrine_serving.gateway.telemetry.drift.sampling import RowSample
from vitrine_serving.gateway.telemetry.drift.watch import Watch
from vitrine_serving.gateway.telemetry.drift.window import DriftState
from vitrine_serving.gateway.telemetry.drift.windows import Windows

__all__ = [
    "STATISTICS",
    "Baseline",
    "BaselineError",
    "DriftState",
    "RowSample",
    "Sample",
    "Shift",
    "Watch",
    "Windows",
    "detect",
    "statistics",
]
