"""The JSON of a result: how it is read, and what is wrong with one that is damaged."""

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from vitrine_client.loadtest.results.histogram import Histogram
from vitrine_client.loadtest.results.parts import Connecting, Generator, Interval

FORMAT = 1
"""Of the file; one that is newer is not read. What was added since it began has a default."""

_BROKEN = (KeyError, TypeError, AttributeError)


def parsed(text: bytes) -> Any:
    """Returns what a file has. Raises `ValueError` where it is no JSON."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("no result of a load test (nested too deeply)") from error


def members(content: Any) -> dict[str, Any]:
    """Returns the members of a result. Raises `ValueError` where they are not all there and sound,
    so that nothing fails later, in the middle of a table."""
    try:
        if content["format"] != FORMAT:
            raise ValueError(f"format {content['format']}, this vitrine reads {FORMAT}")
        about = content["about"]
        if not isinstance(about, dict):
            raise TypeError("about")
        return {
            "about": about,
            "intervals": tuple(_interval(each) for each in content["intervals"]),
            "generator": _generator(content["generator"]),
            "warnings": tuple(str(each) for each in content["warnings"]),
            "events": tuple((float(at_s), str(text)) for at_s, text in content["events"]),
            "connecting": _connecting(content.get("connecting")),
        }
    except _BROKEN as error:
        raise ValueError(f"no result of a load test ({error!r})") from error


def _interval(content: Mapping[str, Any]) -> Interval:
    """Another member is an error: it could be one that counts."""
    counts = {name: int(content[name]) for name in ("due", "completed", "late", "dropped")}
    members = {
        **content,
        **counts,
        "start_s": float(content["start_s"]),
        "duration_s": float(content["duration_s"]),
        "latency": _histogram(content["latency"]),
        "service": _histogram(content["service"]),
        "errors": _counter(content["errors"]),
        "unsent": _counter(content.get("unsent", {})),
    }
    return Interval(**members)


def _generator(content: Mapping[str, Any]) -> Generator:
    names = ("busiest", "lag_p99_ms", "lag_p50_ms")
    known = {name: content.get(name) for name in names}
    shares = {name: None if value is None else float(value) for name, value in known.items()}
    return Generator(cpu_s=float(content["cpu_s"]), **shares)


def _connecting(content: Mapping[str, Any] | None) -> Connecting | None:
    if content is None:
        return None
    fewest, most = content["closed_after"]
    made = _histogram(content["connect"]), _histogram(content["tls"])
    return Connecting(*made, int(content["again"]), (int(fewest), int(most)))


def _counter(content: Mapping[str, Any]) -> Counter[str]:
    return Counter({str(kind): int(count) for kind, count in content.items()})


def _histogram(blob: Any) -> Histogram:
    """Decodes it, which shows whether it is whole."""
    histogram = Histogram(blob)
    histogram.check()
    return histogram
