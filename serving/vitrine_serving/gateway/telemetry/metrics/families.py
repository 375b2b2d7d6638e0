"""Metric families of the gateway: each with its scraped name, its labels and its meaning."""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

_SECONDS = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


@dataclass(frozen=True)
class Family:
    """A metric. Of a gauge, several processes tell the sum, or the `worst`: the highest. A
    histogram's `bounds` are the upper ones of its buckets, without infinity."""

    name: str
    help: str
    labels: tuple[str, ...] = ()
    kind: Literal["counter", "gauge", "histogram"] = field(kw_only=True)
    worst: bool = False
    bounds: tuple[float, ...] = ()


_counter = partial(Family, kind="counter")
_gauge = partial(Family, kind="gauge")
_histogram = partial(Family, kind="histogram")

REQUESTS = _counter(
    "vitrine_requests_total",
    "Requests, by what was asked and the HTTP status of the answer; 499: the client has left.",
    ("endpoint", "model", "status"),
)
REQUEST_SECONDS = _histogram(
    "vitrine_request_seconds",
    "Seconds from a request's head to its answer.",
    ("endpoint", "model"),
    bounds=_SECONDS,
)
STAGE_SECONDS = _histogram(
    "vitrine_stage_seconds",
    "Seconds of a stage: decode of pictures and JSON, queue of pictures, rpc of each call.",
    ("model", "version", "stage"),
    bounds=_SECONDS,
)
BATCH_IMAGES = _histogram(
    "vitrine_batch_images",
    "Images, or other rows, that went to the model server in one call.",
    ("model", "version"),
    bounds=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
EMPTY_PICTURES = _counter(
    "vitrine_empty_pictures_total",
    "Pictures that showed nothing, so that no model was asked about them.",
    ("model",),
)
DECODING_WAITING = _gauge(
    "vitrine_decoding_waiting_seconds",
    "Estimated work of the decoding processes on what they have not decoded yet.",
)
DECODING_ENDED = _counter(
    "vitrine_decoding_processes_ended_total",
    "Decoding processes that ended with a job in hand, as it took too long or for a fault.",
)
IMAGES_WAITING = _gauge(
    "vitrine_images_waiting",
    "Images that wait for the call in flight to end.",
    ("model",),
)
SHEDS = _counter(
    "vitrine_sheds_total",
    "What was turned away: requests by queue_full, too_late or rate_limit, and connections.",
    ("reason",),
)
PEERS = _gauge(
    "vitrine_peers",
    "Gateways that share rate limits, as this one knows them, itself among them.",
    worst=True,
)
RETRIES = _counter("vitrine_retries_total", "Calls to model servers that were made again.")
VERSION_SKEW = _counter(
    "vitrine_version_skew_total",
    "Calls that another model server answered, as the first one lacked the version.",
)
LARGE_MESSAGES = _counter(
    "vitrine_large_messages_total",
    "Messages that were too large for the local socket, and went to the model server by gRPC.",
)
IN_FLIGHT = _gauge(
    "vitrine_model_server_calls_in_flight",
    "Calls that a model server has not answered yet.",
    ("address",),
)
BREAKER = _gauge(
    "vitrine_breaker_state",
    "Whether a model server is called: 0 closed, yes; 1 half-open, to try; 2 open, no. The worst.",
    ("address",),
    worst=True,
)
EJECTED = _gauge(
    "vitrine_model_server_ejected",
    "1 while a model server is left alone, or on trial, as it does worse than others. The worst.",
    ("address",),
    worst=True,
)
EJECTIONS = _counter(
    "vitrine_ejections_total",
    "Times that a process left a model server alone: failures or latency, compared with others'.",
    ("reason",),
)
MODEL_SERVERS = _gauge(
    "vitrine_model_servers",
    "Model servers by state: called, ejected, half-open, open. Of the process that has most.",
    ("state",),
    worst=True,
)
PREDICTIONS_LOGGED = _counter(
    "vitrine_predictions_logged_total",
    "Lines for the prediction log: written, or dropped as the disk did not keep up.",
    ("result",),
)
FEEDBACK = _counter(
    "vitrine_feedback_total",
    "Answers that people flagged: noted, again with the same label, differs from the label they "
    "have, refused, failed before that as a model server is down or late, or unwritten as the file "
    "could not be.",
    ("model", "outcome"),
)
FEEDBACK_OUTCOMES = ("noted", "again", "differs", "refused", "failed", "unwritten")
DRIFT_ALARM = _gauge(
    "vitrine_drift_alarm",
    "1 while the images (covariate) or the shares of classes (label) are not as in training.",
    ("model", "version", "kind"),
)
DRIFT_SCORE = _gauge(
    "vitrine_drift_score",
    "How far the window is from the validation data, by the test for one kind of drift.",
    ("model", "version", "test"),
)
DRIFT_THRESHOLD = _gauge(
    "vitrine_drift_threshold",
    "The score above which that test raises the alarm.",
    ("model", "version", "test"),
)
DRIFT_IMAGES = _gauge(
    "vitrine_drift_images",
    "Images in the window that drift is looked for in.",
    ("model", "version"),
)
DRIFT_GATEWAYS = _gauge(
    "vitrine_drift_gateways",
    "Gateways whose images are in the window: the last of all peers are judged as one.",
    ("model", "version"),
)
DRIFT_SHARE = _gauge(
    "vitrine_drift_estimated_share",
    "Estimated share of a class among the images in the window.",
    ("model", "version", "class_id"),
)

FAMILIES = tuple(each for each in list(globals().values()) if isinstance(each, Family))
"""Each of them, in this order: that of the scrape and of the docs."""
