"""An API that answers as a test says, put between the page and the gateway that serves it."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from playwright.sync_api import Page, Route

from vitrine_client.images import Item, find_item

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

    `item` is what it sees in each picture, the real item unless given; `boxes` has what was asked
    about a box, as (path, box). `refusals` has (status, body) by the end of a path; with a `key`,
    all else than that is refused; what is asked while `holding` is never answered.
    """

    version_labels: dict[str, dict[str, str]] = field(default_factory=dict)
    watches: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    refusals: dict[str, tuple[int, dict[str, Any]]] = field(default_factory=dict)
    key: str = ""
    holding: bool = False
    models: Sequence[str] = ("mlp", "softmax")
    item: Item | None = None
    asked: list[str] = field(default_factory=list)
    boxes: list[tuple[str, str]] = field(default_factory=list)

    def stand_before(self, page: Page) -> None:
        """Answers what `page` asks of the API."""
        page.route("**/v1/**", self._answer)

    def _answer(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        self.asked.append(url.path)
        self.boxes += [(url.path, box) for box in parse_qs(url.query).get("box", [])]
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
            return {"models": [*map(self._listed, sorted(self.models)), _REGRESSION]}
        if path.endswith("/v1/instances"):
            item = self._item(route)
            shown = {"instances": [_scaled(item).tolist()]}
            return shown | {"boxes": [item.box], "warnings": [item.warnings]}
        found = _MODEL.search(path)
        assert found, path
        model = found["model"]
        version = self.version_labels.get(model, {}).get(found["version"], "1")
        if path.endswith("/drift"):
            return {"model": model, "versions": self.watches.get(model, [watched(version)])}
        item = self._item(route)
        entry = {"empty": True} if item.empty else {"box": item.box}
        spec = {"name": model, "version": version, "signature_name": "serving_default"}
        if path.endswith(":explain") and not item.empty:
            class_id = int(parse_qs(query)["class_id"][0])
            entry |= _explanation(model, version, class_id, item)
        elif not item.empty:
            entry |= _prediction(model, version)
        name = "explanations" if path.endswith(":explain") else "predictions"
        return {name: [entry | {"warnings": item.warnings}], "model_spec": spec}

    def _item(self, route: Route) -> Item:
        boxes = parse_qs(urlsplit(route.request.url).query).get("box")
        x, y, width, height = map(int, boxes[0].split(",")) if boxes else (0, 0, 0, 0)
        if not self.item:
            picture = route.request.post_data_buffer or b""
            return find_item(picture, box=(x, y, width, height) if boxes else None)
        if not boxes:
            return self.item
        return Item(self.item.instance, (x, y, width, height), self.item.warnings)

    def _listed(self, model: str) -> dict[str, Any]:
        labels = self.version_labels.get(model, {})
        return {"name": model, "classifier": True, "version_labels": labels}


_REGRESSION = {"name": "linear", "classifier": False, "version_labels": {}}


def _scaled(item: Item) -> np.ndarray:
    return item.instance.astype(np.float64) / 255


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


def _explanation(model: str, version: str, class_id: int, item: Item) -> dict[str, Any]:
    """The upper half of the picture speaks for the class, the lower against it."""
    attributions = _scaled(item) * np.linspace(1, -0.6, 28)[:, None]
    return {
        "label": LABELS[class_id],
        "class_id": class_id,
        "probability": float(_probabilities(model, version)[class_id]),
        "attributions": attributions.tolist(),
    }
