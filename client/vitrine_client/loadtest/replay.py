"""Replay of a gateway's prediction log as a load: the same requests, in the same rhythm."""

import base64
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vitrine_client.errors import InvalidRequest
from vitrine_client.http import predictions, protocol
from vitrine_client.images import to_instance
from vitrine_client.loadtest.generator.targets import http_request, requests_of
from vitrine_client.loadtest.plan import Replay, Workload, WorkloadKind

_KINDS: dict[str, WorkloadKind] = {
    "picture": "raw",
    "form": "multipart",
    "npy": "npy",
    "json": "json",
}

_BROKEN = (ValueError, KeyError, TypeError, AttributeError, OSError, RecursionError)

# What was turned away because there was too much of it was part of the load; what could not be
# answered would fail again.
_TOO_MANY, _FAILED = 429, 500


_LONG_GAP_S, _MOST_GAPS = 60.0, 3
"""Seconds of a replay without a request that are told, and of how many such gaps."""


@dataclass(frozen=True)
class Line:
    """Logged request: its time in seconds, its model, and the form in which it came.

    It had `count` images, whose pixels are in `images` as PNG, unless that is empty.
    """

    at_s: float
    model: str
    version: int | None
    label: str | None
    kind: WorkloadKind
    count: int
    images: tuple[bytes, ...]


def replay(
    paths: Sequence[Path],
    target: Workload,
    *,
    speed: float = 1.0,
    longest_gap_s: float | None = None,
    connections: int = 256,
) -> tuple[Workload, Replay]:
    """Returns whom it asks, and the load that the logs in `paths` make together, `speed` times as
    fast, and with no gap between two requests that is longer than `longest_gap_s` then.

    `target` says where it goes, and has the images for lines without their own, the next ones in
    turn. Raises `ValueError` where nothing is left to send.
    """
    left_out: Counter[str] = Counter()
    lines = list(_usable(_lines(paths, left_out), bool(target.images), left_out))
    if not lines:
        raise ValueError(_nothing(paths, left_out))
    lines.sort(key=lambda line: line.at_s)
    # Each different request is made once, and has the number of its place.
    requests: dict[tuple[Workload, bool], int] = {}
    turns = [requests.setdefault(asked, len(requests)) for asked in _asked(lines, target)]
    gaps_s = np.diff([line.at_s for line in lines]) / speed
    longest_s = longest_gap_s or math.inf
    load = Replay(
        requests=tuple(_request(asked, pixels) for asked, pixels in requests),
        turns=tuple(turns),
        due_s=tuple(np.concatenate([[0.0], np.cumsum(gaps_s.clip(max=longest_s))]).tolist()),
        files=tuple(map(str, paths)),
        speed=speed,
        left_out=dict(left_out),
        gaps=tuple(_gaps(lines, gaps_s, longest_s)),
        connections=connections,
    )
    models = ", ".join(sorted({line.model for line in lines}))
    return replace(target, kind="logged", model=models, names=()), load


def _gaps(lines: Sequence[Line], gaps_s: NDArray[np.float64], longest_s: float) -> Iterator[str]:
    """Says where nothing comes for long, the longest gaps first."""
    longest = gaps_s.argsort()[::-1][:_MOST_GAPS]
    for place in longest[gaps_s[longest] > min(_LONG_GAP_S, longest_s)]:
        began = datetime.fromtimestamp(lines[place].at_s, UTC)
        shortened = gaps_s[place] > longest_s
        done = f", shortened to {longest_s:g} s" if shortened else ""
        yield f"{gaps_s[place]:,.0f} s from {began:%Y-%m-%d %H:%M:%S} UTC on{done}"


def _asked(lines: Iterable[Line], target: Workload) -> Iterator[tuple[Workload, bool]]:
    """Also says whether the images are those that a model was shown."""
    pictures = cycle(target.images)
    for line in lines:
        images = line.images or tuple(islice(pictures, line.count))
        asked = replace(
            target,
            kind=line.kind,
            model=line.model,
            version=line.version,
            label=line.label,
            images=images,
            names=(),
            batch_size=len(images),
        )
        yield asked, bool(line.images)


def _request(asked: Workload, pixels: bool) -> bytes:
    """Returns a request as it travels. An array that a model was shown is sent as it is, and not
    prepared once more."""
    if pixels and asked.kind == "npy":
        pixels_of_each = [_pixels(image) for image in asked.images]
        return http_request(asked, predictions.as_array("", pixels_of_each))
    return requests_of(asked)[0]


def _lines(paths: Iterable[Path], left_out: Counter[str]) -> Iterator[Line]:
    """Counts broken lines; a process that is killed can leave half of one, say."""
    for path in paths:
        with path.open("rb") as file:
            for text in file:
                try:
                    content = json.loads(text)
                    status = int(content["status"])
                    is_prediction = "endpoint" not in content
                    line = _line(content)
                except (*_BROKEN, InvalidRequest):
                    left_out["broken"] += 1
                    continue
                if not is_prediction:
                    left_out["not predictions"] += 1
                elif 400 <= status < _FAILED and status != _TOO_MANY:
                    left_out["refused"] += 1
                else:
                    yield line


def _usable(lines: Iterable[Line], pictures: bool, left_out: Counter[str]) -> Iterator[Line]:
    for line in lines:
        if line.images or pictures:
            yield line
        else:
            left_out["without images"] += 1


def _line(content: dict[str, Any]) -> Line:
    kind = _KINDS[content["content"]]
    images = tuple(base64.b64decode(each) for each in content.get("instances", ()) if each)
    if kind != "npy" and not all(map(_passes_through, images)):
        kind = "npy"
    answered = sum("error" not in each for each in content.get("results", ()))
    model, version = content["model"], content.get("asked_version")
    label = content.get("asked_label")
    protocol.verb_path(model, version, label)  # raises where no address has them
    return Line(
        at_s=datetime.fromisoformat(content["time"]).timestamp(),
        model=model,
        version=version,
        label=label,
        kind=kind,
        count=answered or 1,
        images=images,
    )


def _passes_through(image: bytes) -> bool:
    """Whether a gateway makes the same pixels of a picture of 28x28 pixels: not of an item that
    fills its frame, say. An array is what the model is shown, whatever it has."""
    return np.array_equal(to_instance(image), _pixels(image))


def _pixels(image: bytes) -> NDArray[np.uint8]:
    return np.asarray(Image.open(BytesIO(image)).convert("L"))


def _nothing(paths: Sequence[Path], left_out: Counter[str]) -> str:
    names = ", ".join(map(str, paths))
    if left_out["without images"]:
        return (
            f"{names}: no line has images (the gateway keeps them with "
            "VITRINE_PREDICTION_LOG_IMAGES=1); give --pictures to send instead"
        )
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items())
    return f"{names}: no line has a prediction that could be asked for again ({reasons or 'empty'})"
