"""Window document: the windows of a gateway as JSON, as its peers read them."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, get_args

import numpy as np
import orjson

from vitrine_client.results.drift_statistics import MOST_CLASSES, STATISTICS, Floats
from vitrine_serving.gateway.telemetry.drift.detect import Kind, Sample
from vitrine_serving.gateway.telemetry.drift.peers.pooled_window import PooledWindow
from vitrine_serving.gateway.telemetry.drift.window import MODEL_BYTES

FORMAT = 1
"""Of documents whose figures mean the same; a gateway leaves those of others alone."""

MOST_BYTES = 1 << 18
"""Of a document: twice as many as all windows can take."""

_MOST_WINDOWS = 64
_MOST_IMAGES = 1_000_000
"""In the window of one gateway."""

MOST_POOLED = 1 << 53
"""Images, and gateways, in windows that were added up: as many as a float counts one by one."""

_LARGEST = 1e6
"""Of a statistic of an image: all are far below it."""
_WORDS = 64
_OLDEST_S = 3e9
"""Age of the oldest image that is believed, a century: far older ones have no date."""


class WindowDocument(NamedTuple):
    """Windows of one gateway, which is told from all others by its `instance`."""

    instance: str
    windows: list[PooledWindow]


def written(instance: str, windows: Iterable[PooledWindow], now: float) -> bytes:
    """Returns the document of a gateway; `now` is in seconds of `time.time`."""
    entries = [as_json(each, now) for each in windows]
    return orjson.dumps({"format": FORMAT, "instance": instance, "windows": entries})


def read(content: bytes, now: float) -> WindowDocument:
    """Reads the document of a peer. Raises `ValueError` for anything else, whatever it is."""
    try:
        found = orjson.loads(content)
        if found["format"] != FORMAT:
            raise ValueError("it is of another release, whose figures may mean something else")
        entries = found["windows"]
        if not isinstance(entries, list) or len(entries) > _MOST_WINDOWS:
            raise ValueError(f"windows is no list of {_MOST_WINDOWS} at most")
        windows = [from_json(each, now) for each in entries]
        return WindowDocument(_text("instance", found["instance"], _WORDS), windows)
    except orjson.JSONDecodeError:
        raise ValueError("it is no JSON") from None
    except KeyError as error:
        raise ValueError(f"it has no {error}") from None
    except (TypeError, OverflowError) as error:
        raise ValueError(f"it makes no sense: {error}") from None


def as_json(window: PooledWindow, now: float) -> dict[str, Any]:
    """Returns a window as plain JSON, with ages for times: clocks of machines differ."""
    return {
        "model": window.model,
        "version": window.version,
        "baseline": window.baseline,
        "images": int(window.sample.size),
        "sums": window.sample.sums.tolist(),
        "answered": window.sample.answered.tolist(),
        "size": window.size,
        "largest": window.largest,
        "gateways": window.gateways,
        "oldest_s": max(now - window.since, 0.0),
        "newest_s": max(now - window.used, 0.0),
        "drift": window.kind,
    }


def from_json(entry: Mapping[str, Any], now: float, most: int = _MOST_IMAGES) -> PooledWindow:
    """Reads a window of `most` images at most. Raises `KeyError`, `TypeError` or `ValueError`."""
    images = _whole("images", entry["images"], 1, most)
    answered = _floats("answered", entry["answered"], images)
    sums = _floats("sums", entry["sums"], images * _LARGEST)
    if answered.size > MOST_CLASSES or sums.size != len(STATISTICS) + answered.size:
        raise ValueError(f"{sums.size} sums and {answered.size} classes do not go together")
    if answered.min(initial=0.0) < 0 or (answered % 1).any() or answered.sum() != images:
        raise ValueError("the answers are others than the images")
    kind = entry["drift"]
    if kind not in get_args(Kind):
        raise ValueError("drift is no kind of it")
    return PooledWindow(
        model=_text("model", entry["model"], MODEL_BYTES),
        version=_whole("version", entry["version"], 0, 2**63 - 1),
        baseline=_text("baseline", entry["baseline"], _WORDS),
        sample=Sample(images, sums, answered),
        size=_whole("size", entry["size"], 1, most),
        largest=_whole("largest", entry["largest"], 1, most),
        gateways=_whole("gateways", entry["gateways"], 1, most),
        since=now - _age("oldest_s", entry["oldest_s"]),
        used=now - _age("newest_s", entry["newest_s"]),
        kind=kind,
    )


def _text(name: str, value: Any, most_bytes: int) -> str:
    if not isinstance(value, str) or not 0 < len(value.encode()) <= most_bytes:
        raise ValueError(f"{name} is no text of 1 to {most_bytes} bytes")
    return value


def _whole(name: str, value: Any, least: int, most: int) -> int:
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{name} is no whole number from {least} to {most}")
    return value


def _age(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise ValueError(f"{name} is no number of seconds")
    return min(float(value), _OLDEST_S)


def _floats(name: str, values: Any, most: float) -> Floats:
    if not isinstance(values, list) or not all(type(each) in (int, float) for each in values):
        raise ValueError(f"{name} is no list of numbers")
    array = np.array(values, np.float64)
    if not (np.abs(array) <= most).all():
        raise ValueError(f"{name} has values that are too large")
    return array
