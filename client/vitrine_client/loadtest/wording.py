"""Wording of the load lab's views: numbers with their units, and a test in words."""

import itertools
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

_WAYS = {
    "raw": "pictures as they are",
    "multipart": "pictures in forms",
    "npy": "arrays",
    "json": "JSON",
    "rest": "REST",
    "grpc": "gRPC",
    "logged": "as logged",
    "v2": "Open Inference JSON",
    "v2-binary": "Open Inference binary data",
    "v2-grpc": "Open Inference gRPC",
}


def ms(value: float) -> str:
    """Three significant digits of milliseconds: "0.123", "12.3", "1,234"; "–" for NaN."""
    if value != value:
        return "–"
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.3g}" if value < 0.9995 else f"{value:,.{digits}f}"


def share(value: float) -> str:
    """A share as per cent, with enough digits to tell it from none: "0.02 %", "12 %"."""
    return f"{100 * value:.2g} %" if value < 0.0995 else f"{100 * value:.0f} %"


def per_second(rate: float) -> str:
    """A rate without needless digits: "0.5", "12.5", "1,234"."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def asked(about: Mapping[str, Any]) -> str:
    """The workload in words, by a result's `about`: "mlp at ADDRESS, pictures as they are"."""
    target = about.get("plan", {}).get("target", {})
    chosen = target.get("version") or target.get("label")
    model = f"{target.get('model', 'a model')}{f'/{chosen}' if chosen else ''}"
    size = batch_size(about)
    batch = f", {size} in each request" if size > 1 else ""
    kind = target.get("kind", "")
    return f"{model} at {target.get('address', '–')}, {_WAYS.get(kind, kind)}{batch}"


def batch_size(about: Mapping[str, Any]) -> int:
    """How many images each request had."""
    return int(about.get("plan", {}).get("target", {}).get("batch_size", 1))


def load(about: Mapping[str, Any]) -> str:
    """How it was asked, but for the warm-up: "open loop, 500 requests/s (poisson)"."""
    plan = about.get("plan", {})
    content = plan.get("load", {})
    count = f", {plan['count']:,} requests" if plan.get("count") else ""
    if content.get("loop") == "closed":
        return f"closed loop, {content['concurrency']} in flight{count}"
    if content.get("loop") != "open":
        return "unknown load"
    if "replayed" in content:
        return _replay(content)
    ends_s = itertools.accumulate(phase["duration_s"] for phase in content["phases"])
    measured = zip(content["phases"], ends_s, strict=True)
    warm_up_s = plan.get("warm_up_s", 0.0)
    rates = [_rates(phase) for phase, end_s in measured if end_s > warm_up_s]
    distinct = [rate for rate, before in zip(rates, [None, *rates], strict=False) if rate != before]
    return f"open loop, {', '.join(distinct)} requests/s ({content['arrivals']}){count}"


def _replay(content: Mapping[str, Any]) -> str:
    files = ", ".join(PurePath(name).name for name in content["files"])
    speed = "" if content["speed"] == 1 else f" at {content['speed']:g} times its speed"
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in content["left_out"].items())
    left_out = f"; lines left out: {reasons}" if reasons else ""
    gaps = "".join(f"; a gap of {gap}" for gap in content.get("gaps", ()))
    return f"replay of {files}{speed}, {content['replayed']:,} requests{left_out}{gaps}"


def _rates(phase: Mapping[str, float]) -> str:
    start, end = phase["rate"], phase["end_rate"]
    return per_second(start) if start == end else f"{per_second(start)}..{per_second(end)}"


def loop_of(about: Mapping[str, Any]) -> str:
    """Returns the kind of a load's loop, "open" or "closed"; empty where that is not known."""
    return str(about.get("plan", {}).get("load", {}).get("loop") or "")


def is_open(about: Mapping[str, Any]) -> bool:
    """Says whether requests were due by the clock, so that latency and service time differ."""
    return loop_of(about) == "open"
