"""An API that answers as a test says, put between the page and the gateway that serves it."""

import contextlib
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np
from playwright.sync_api import Error, Page, Route

from tests.browser.foreign import Foreign, profiled
from vitrine_client.images import Item, find_item
from vitrine_client.results.profiles.profile import FASHION_MNIST

LABELS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
BAG = 8
TIMING = "decode;dur=0.012, queue;dur=0.041, rpc;dur=1.873"
TIMINGS = {"instances": "decode;dur=0.6"}

CANNOT_EXPLAIN = "It has no signature `explain`"

NPY = "application/x-npy"

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
    about a box, as (path, box). `refusals` has (status, body) or (status, body, headers) by the end
    of a path; with a `key`, all else than that is refused; paths that end with `holding`, if that
    is not empty, are answered by `release`, or never. `sent` has what was posted, as (path, content
    type, bytes); no version of the `broken` models has been loaded; `labels` are the classes by
    id, and `best` is the one that is answered. `foreign` has the models that are none of Vitrine's,
    by name, and `others` the reasons of models that take no pictures.
    """

    version_labels: dict[str, dict[str, str]] = field(default_factory=dict)
    watches: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    refusals: dict[str, tuple[Any, ...]] = field(default_factory=dict)
    key: str = ""
    holding: str = ""
    models: Sequence[str] = ("mlp", "softmax")
    broken: Sequence[str] = ()
    item: Item | None = None
    asked: list[str] = field(default_factory=list)
    boxes: list[tuple[str, str]] = field(default_factory=list)
    sent: list[tuple[str, str, bytes]] = field(default_factory=list)
    labels: Sequence[str] = LABELS
    best: int = BAG
    foreign: dict[str, Foreign] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=lambda: {"linear": ""})
    held: list[Route] = field(default_factory=list)

    def stand_before(self, page: Page) -> None:
        """Answers what `page` asks of the API."""
        page.route("**/v1/**", self._answer)

    def release(self) -> None:
        """Answers what was held, as it would be now; what the page gave up is gone."""
        self.holding = ""
        held, self.held = self.held, []
        for route in held:
            with contextlib.suppress(Error):
                self._fulfil(route)

    def _answer(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        self.asked.append(url.path)
        self.boxes += [(url.path, box) for box in parse_qs(url.query).get("box", [])]
        if route.request.method == "POST":
            kind = route.request.headers["content-type"]
            self.sent.append((url.path, kind, route.request.post_data_buffer or b""))
        if self.holding and url.path.endswith(self.holding):
            self.held.append(route)
        else:
            self._fulfil(route)

    def _fulfil(self, route: Route) -> None:
        url = urlsplit(route.request.url)
        headers = {"Content-Type": "application/json"}
        if refused := self._refusal(route):
            status, body, *more = refused
            headers.update(*more)
        else:
            status, body = 200, self._body(url.path, url.query, route)
            headers["X-Request-ID"] = f"request-{len(self.asked)}"
            headers["Server-Timing"] = TIMINGS.get(url.path.rpartition("/")[2], TIMING)
        route.fulfill(status=status, body=json.dumps(body), headers=headers)

    def _refusal(self, route: Route) -> tuple[Any, ...] | None:
        if self.key and route.request.headers.get("authorization") != f"Bearer {self.key}":
            return problem(401, "This gateway wants an API key; send it as `X-API-Key: <key>`")
        path = urlsplit(route.request.url).path
        found = _MODEL.search(path)
        foreign = self.foreign.get(unquote(found["model"])) if found else None
        if foreign and not foreign.explains and path.endswith(":explain"):
            return problem(400, CANNOT_EXPLAIN)
        return next((each for end, each in self.refusals.items() if path.endswith(end)), None)

    def _body(self, path: str, query: str, route: Route) -> dict[str, Any]:
        if path.endswith("/v1/models"):
            names = sorted([*self.models, *self.foreign])
            return {
                "models": [
                    *map(self._listed, names),
                    *(_no_classifier(*each) for each in self.others.items()),
                ]
            }
        if path.endswith("/v1/instances"):
            item = self._item(route)
            shown = {"instances": [_scaled(item).tolist()]}
            return shown | {"boxes": [item.box], "warnings": [item.warnings]}
        found = _MODEL.search(path)
        assert found, path
        model = unquote(found["model"])
        version = self.version_labels.get(model, {}).get(found["version"], "1")
        if path.endswith("/drift"):
            return {"model": model, "versions": self.watches.get(model, [watched(version)])}
        if path.endswith("/profile"):
            ours = profiled(FASHION_MNIST, self.labels)
            return self.foreign[model].told() if model in self.foreign else ours
        if model in self.foreign:
            return self._of_foreign(self.foreign[model], model, path, query, route)
        row = np.load(io.BytesIO(route.request.post_data_buffer or b""))[0]
        spec = {"name": model, "version": version, "signature_name": "serving_default"}
        if path.endswith(":explain"):
            class_id = int(parse_qs(query)["class_id"][0])
            return {
                "explanations": [self._explanation(model, version, class_id, row)],
                "model_spec": spec,
            }
        return {"predictions": [self._prediction(model, version)], "model_spec": spec}

    def _of_foreign(
        self, foreign: Foreign, model: str, path: str, query: str, route: Route
    ) -> dict[str, Any]:
        method, asked = path.rpartition(":")[2], parse_qs(query)
        spec = {"name": model, "version": "1", "signature_name": "serving_default"}
        if method == "predict":
            return {"predictions": [foreign.prediction()], "model_spec": spec}
        if method == "explain":
            explanation = foreign.explanation(int(asked["class_id"][0]))
            return {"explanations": [explanation], "model_spec": spec}
        box = tuple(map(int, asked["box"][0].split(","))) if "box" in asked else None
        picture = route.request.post_data_buffer or b""
        return foreign.instances(picture, box) | {"model_spec": spec}

    def _prediction(self, model: str, version: str) -> dict[str, Any]:
        shares = _probabilities(model, version, self.best).tolist()[: len(self.labels)]
        return {
            "label": self.labels[self.best],
            "class_id": self.best,
            "probability": shares[self.best],
            "probabilities": dict(zip(self.labels, shares, strict=True)),
        }

    def _explanation(
        self, model: str, version: str, class_id: int, row: np.ndarray
    ) -> dict[str, Any]:
        """The upper half of the picture speaks for the class, the lower against it."""
        attributions = row.astype(np.float64) / 255 * np.linspace(1, -0.6, 28)[:, None]
        return {
            "label": self.labels[class_id],
            "class_id": class_id,
            "probability": float(_probabilities(model, version, self.best)[class_id]),
            "attributions": attributions.tolist(),
        }

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
        known = {} if model in self.broken else {"classifier": True}
        return {"name": model, **known, "version_labels": labels}


def _no_classifier(model: str, reason: str) -> dict[str, Any]:
    listed = {"name": model, "classifier": False, "version_labels": {}}
    return listed | ({"reason": reason} if reason else {})


def _scaled(item: Item) -> np.ndarray:
    return item.instance.astype(np.float64) / 255


def _probabilities(model: str, version: str, best: int) -> np.ndarray:
    logits = np.array([1.0, 0.2, 1.4, 0.6, 1.1, 0.9, 2.2, 0.4, 0.1, 0.3])
    logits[best] = 5 + {"softmax": -0.9, "mlp": 1.5}.get(model, 0) + (1.2 if version != "1" else 0)
    shares = np.exp(logits)
    return shares / shares.sum()
