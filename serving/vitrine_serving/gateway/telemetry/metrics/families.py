"""Every metric of the gateway: its name as it is scraped, its labels, and what it says."""

from dataclasses import dataclass
from typing import Literal

_SECONDS = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05),
    *(0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


@dataclass(frozen=True)
class Family:
    """A metric; a gauge's `merged` says how the values of several processes become one, a
    histogram's `bounds` are the upper ones of its buckets, without infinity."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    merged: Literal["", "livesum", "livemax"] = ""
    bounds: tuple[float, ...] = ()


REQUESTS = Family(
    "vitrine_requests_total",
    "counter",
    "Requests, by what was asked and the HTTP status of the answer; 499: the client has left.",
    ("endpoint", "model", "status"),
)
REQUEST_SECONDS = Family(
    "vitrine_request_seconds",
    "histogram",
    "Seconds from a request's head to its answer.",
    ("endpoint", "model"),
    bounds=_SECONDS,
)
STAGE_SECONDS = Family(
    "vitrine_stage_seconds",
    "histogram",
    "Seconds of a stage: decode and queue of each request with pictures, rpc of each call.",
    ("model", "version", "stage"),
    bounds=_SECONDS,
)
BATCH_IMAGES = Family(
    "vitrine_batch_images",
    "histogram",
    "Images that went to the model server in one call.",
    ("model", "version"),
    bounds=(1, 2, 4, 8, 16, 32, 64, 128, 256),
)
EMPTY_PICTURES = Family(
    "vitrine_empty_pictures_total",
    "counter",
    "Pictures sent for predictions that showed nothing, so that no model was asked about them.",
    ("model",),
)
IMAGES_WAITING = Family(
    "vitrine_images_waiting",
    "gauge",
    "Images that wait for the call in flight to end.",
    ("model",),
    merged="livesum",
)
SHEDS = Family(
    "vitrine_sheds_total",
    "counter",
    "What was turned away: requests by queue_full, too_late or rate_limit, and connections.",
    ("reason",),
)
RETRIES = Family("vitrine_retries_total", "counter", "Calls to model servers that were made again.")
IN_FLIGHT = Family(
    "vitrine_model_server_calls_in_flight",
    "gauge",
    "Calls that a model server has not answered yet.",
    ("address",),
    merged="livesum",
)
BREAKER = Family(
    "vitrine_breaker_state",
    "gauge",
    "Whether a model server is called: 0 closed, yes; 1 half-open, to try; 2 open, no. The worst.",
    ("address",),
    merged="livemax",
)
PREDICTIONS_LOGGED = Family(
    "vitrine_predictions_logged_total",
    "counter",
    "Lines for the prediction log: written, or dropped as the disk did not keep up.",
    ("result",),
)
DRIFT_ALARM = Family(
    "vitrine_drift_alarm",
    "gauge",
    "1 while the images (covariate) or the shares of classes (label) are not as in training.",
    ("model", "version", "kind"),
)
DRIFT_SCORE = Family(
    "vitrine_drift_score",
    "gauge",
    "How far the window is from the validation data, by the test for one kind of drift.",
    ("model", "version", "test"),
)
DRIFT_THRESHOLD = Family(
    "vitrine_drift_threshold",
    "gauge",
    "The score above which that test raises the alarm.",
    ("model", "version", "test"),
)
DRIFT_IMAGES = Family(
    "vitrine_drift_images",
    "gauge",
    "Images in the window that drift is looked for in.",
    ("model", "version"),
)
DRIFT_SHARE = Family(
    "vitrine_drift_estimated_share",
    "gauge",
    "Estimated share of a class among the images in the window.",
    ("model", "version", "class_id"),
)

FAMILIES = (
    *(REQUESTS, REQUEST_SECONDS, STAGE_SECONDS, BATCH_IMAGES, EMPTY_PICTURES, IMAGES_WAITING),
    *(SHEDS, RETRIES, IN_FLIGHT, BREAKER, PREDICTIONS_LOGGED),
    *(DRIFT_ALARM, DRIFT_SCORE, DRIFT_THRESHOLD, DRIFT_IMAGES, DRIFT_SHARE),
)
