"""Drift pooled over peers: the windows of all gateways of a service, judged as one sample.

One process of each gateway asks the others for the sums of their windows (`rounds`, by `client`,
as a `document` has them), adds them to its own (`pooled_window`), and a `drift_pool` tells the
verdict to the other processes. docs/drift.md tells the whole story.
"""

from vitrine_serving.gateway.telemetry.drift.peers.client import PeerClient, PeerTls
from vitrine_serving.gateway.telemetry.drift.peers.drift_pool import DriftPool
from vitrine_serving.gateway.telemetry.drift.peers.pooled_window import PooledWindow, merged
from vitrine_serving.gateway.telemetry.drift.peers.rounds import PeerRounds

__all__ = ["DriftPool", "PeerClient", "PeerRounds", "PeerTls", "PooledWindow", "merged"]
