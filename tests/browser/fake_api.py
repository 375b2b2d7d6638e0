"""An API that answers as a test says, put between the page and the gateway that serves it."""

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from playwright.sync_api import Page, Route

from vitrine_client.images import to_instance

LABELS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
BAG = 8
TIMING = "decode;dur=0.612, queue;dur=0.041, rpc;dur=1.873"

_MODEL = re.compile(r"/v1/models/(?P<model>[^/:]+)(?:/(?:labels|versions)/(?P<version>[^/:]+))?")


def problem(status: int, detail: str) -> tuple[int, dict[str, Any]]:
    """An answer that refuses, as the gateway's."""
    return status, {"title": "Refused", "status": status, "detail": detail, "error": detail}


def watched(version: str = "1", **changes: object) -> dict[str, Any]:
    """What a watch says of a version whose window is full and fine, with `changes`."""
    return {
        "version": version,
        "drift": "none",
        "alarm": False,
        "reason": "500 images: they look as those that the model was validated with",
        "images": 500,
        "window": 500,
        "since": "2025-11-03T09:12:00Z",
        "scores": {"covariate": 2.14, "label": 3.4},
        "thresholds": {"covariate": 4.05, "label": 8.13},
        "classes": [
            {"label": label, "validation": 0.1, "answered": 0.1, "estimated": 0.08 + 0.004 * index}
            for index, label in enumerate(LABELS)
        ],
        "statistics": [{"name": "brightness", "validation": 0.286, "now": 0.29, "deviation": 0.1}],
    } | changes


def label_shift() -> dict[str, Any]:
    """What a watch says where there are far more bags than there were."""
    shares = {label: 0.46 if label == LABELS[BAG] else 0.06 for label in LABELS}
    return watched(
        drift="label",
        alarm=True,
        reason="500 images: other classes come than did, most of all Bag: 46 %, was 10 %",
        scores={"covariate": 2.9, "label": 31.2},
        classes=[
            {"label": label, "validation": 0.1, "answered": share, "estimated": share}
            for label, share in shares.items()
        ],
    )


@dataclass
class FakeApi:
    """Says that every picture is a bag.

    `refusals` has (status, body) by the end of a path; with a `key`, all else than that is refused;
    what is asked while `holding` is never answered.
    """

    version_labels: dict[str, dict[str, str]] = field(default_factory=dict)
    watches: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    refusals: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    key: str = ""
    holding: bool = False
    asked: list[str] = field(default_factory=list)

    def stand_before(self, page: Page) -> None:
        """Answers what `page` asks of the API."""
        page.route("**/v1/**", self._answer)

    def _answer(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        self.asked.append(url.path)
        if self.holding:
            return
        status, body = self._refusal(route) or (200, self._body(url.path, url.query, route))
        headers = {"Content-Type": "application/json"}
        if url.path.endswith(":predict"):
            headers["Server-Timing"] = TIMING
        route.fulfill(status=status, body=json.dumps(body), headers=headers)

    def _refusal(self, route: Route) -> tuple[int, dict[str, Any]] | None:
        if self.key and route.request.headers.get("authorization") != f"Bearer {self.key}":
            return problem(401, "This gateway wants an API key; send it as `X-API-Key: <key>`")
        path = urlsplit(route.request.url).path
        return next((each for end, each in self.refusals.items() if path.endswith(end)), None)

    def _body(self, path: str, query: str, route: Route) -> dict[str, Any]:
        if path.endswith("/v1/models"):
            return {"models": [self._listed("softmax"), self._listed("mlp"), _REGRESSION]}
        if path.endswith("/v1/instances"):
            return {"instances": [_instance(route).tolist()]}
        found = _MODEL.search(path)
        assert found, path
        model = found["model"]
        version = self.version_labels.get(model, {}).get(found["version"], "1")
        if path.endswith("/drift"):
            return {"model": model, "versions": self.watches.get(model, [watched(version)])}
        spec = {"name": model, "version": version, "signature_name": "serving_default"}
        if path.endswith(":explain"):
            class_id = int(parse_qs(query)["class_id"][0])
            return {"explanations": [_explanation(model, version, class_id, route)]}
        return {"predictions": [_prediction(model, version)], "model_spec": spec}

    def _listed(self, model: str) -> dict[str, Any]:
        labels = self.version_labels.get(model, {})
        return {"name": model, "classifier": True, "version_labels": labels}


_REGRESSION = {"name": "linear", "classifier": False, "version_labels": {}}


def _instance(route: Route) -> np.ndarray:
    return to_instance(route.request.post_data_buffer or b"").astype(np.float64) / 255


def _probabilities(model: str, version: str) -> np.ndarray:
    logits = np.array([1.0, 0.2, 1.4, 0.6, 1.1, 0.9, 2.2, 0.4, 5.0, 0.3])
    logits[BAG] += {"softmax": -0.9, "mlp": 1.5}.get(model, 0) + (1.2 if version != "1" else 0)
    shares = np.exp(logits)
    return shares / shares.sum()


def _prediction(model: str, version: str) -> dict[str, Any]:
    shares = dict(zip(LABELS, _probabilities(model, version).tolist(), strict=True))
    return {
        "label": LABELS[BAG],
        "class_id": BAG,
        "probability": shares[LABELS[BAG]],
        "probabilities": shares,
    }


def _explanation(model: str, version: str, class_id: int, route: Route) -> dict[str, Any]:
    """The upper half of the picture speaks for the class, the lower against it."""
    attributions = _instance(route) * np.linspace(1, -0.6, 28)[:, None]
    return {
        "label": LABELS[class_id],
        "class_id": class_id,
        "probability": float(_probabilities(model, version)[class_id]),
        "attributions": attributions.tolist(),
    }
