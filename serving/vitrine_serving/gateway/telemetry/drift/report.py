"""Drift report: the AVAILABLE versions of a model, each in words and figures."""

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import numpy as np

from vitrine_client.errors import InvalidRequest, NotFound
from vitrine_client.results.drift_statistics import STATISTICS
from vitrine_client.results.profiles.description import Description
from vitrine_serving.gateway.telemetry.drift.baseline import Baseline
from vitrine_serving.gateway.telemetry.drift.detect import Sample, Shift
from vitrine_serving.gateway.telemetry.drift.peers import PooledWindow
from vitrine_serving.gateway.upstream.model_servers import ModelServers


async def describe(
    model: str, version: int | None, servers: ModelServers, timeout_s: float
) -> dict[int, Description | None]:
    """Returns what each AVAILABLE version says of itself, newest first; None if it says nothing.

    Raises what `servers` raise, and `NotFound` where there is no such version.
    """
    deadline = time.monotonic() + timeout_s
    statuses = await servers.status(model, version=version, timeout_s=timeout_s)
    found = sorted((one.version for one in statuses if one.state == "AVAILABLE"), reverse=True)
    if not found:
        wanted = (
            f"{model} has no version"
            if version is None
            else f"Version {version} of {model} is not one"
        )
        raise NotFound(f"{wanted} that is AVAILABLE; GET /v1/models lists what there is")

    async def ask(number: int) -> Description | None:
        left_s = deadline - time.monotonic()
        try:
            return await servers.describe(model, number, timeout_s=left_s)
        except (InvalidRequest, NotFound):  # no signature `describe`
            return None

    described = await asyncio.gather(*(ask(number) for number in found))
    return dict(zip(found, described, strict=True))


def unknown(version: int, why: str, size: int) -> dict[str, Any]:
    """Returns the entry of a version that is not watched."""
    return _entry(version, "unknown", why, size, {})


def entry(version: int, known: Baseline, seen: PooledWindow | None, size: int) -> dict[str, Any]:
    """Returns the entry of a version, of which nothing was seen yet without a window; one gateway's
    has `size` images when it is full.

    Of too few images to tell, scores and thresholds would tell something: they are left out.
    """
    if seen is None:
        nothing = {"classes": _classes(known, None), "statistics": _statistics(known, None)}
        return _entry(version, "none", "no images seen yet", size, nothing)
    shift = seen.judged(known, seen.kind)
    enough = known.is_enough(seen.sample.size)
    figures = {
        "images": seen.sample.size,
        "window": seen.size,
        "gateways": seen.gateways,
        "since": datetime.fromtimestamp(seen.since, UTC).isoformat(timespec="seconds"),
        "scores": _rounded(shift.scores) if enough else {},
        "thresholds": _rounded(shift.thresholds) if enough else {},
        "classes": _classes(known, shift),
        "statistics": _statistics(known, shift.sample),
    }
    return _entry(version, shift.kind, shift.reason, size, figures)


def _entry(
    version: int, kind: str, reason: str, size: int, figures: dict[str, Any]
) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "images": 0,
        "window": size,
        "gateways": 1,
        "since": None,
        "scores": {},
        "thresholds": {},
        "classes": [],
        "statistics": [],
    }
    alarm = kind in ("covariate", "label")
    said = {"version": str(version), "drift": kind, "alarm": alarm, "reason": reason}
    return said | nothing | figures


def _classes(known: Baseline, shift: Shift | None) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for number, label in enumerate(known.labels):
        figures = {"validation": float(known.confusion.priors[number])}
        if shift:
            figures["answered"] = float(shift.sample.answered[number]) / shift.sample.size
            figures["estimated"] = shift.priors.priors[number]
        names = ("validation", "answered", "estimated")
        entries.append({"label": label} | {name: _short(figures.get(name)) for name in names})
    return entries


def _statistics(known: Baseline, sample: Sample | None) -> list[dict[str, Any]]:
    entries = []
    for number, name in enumerate(STATISTICS):
        was, spread = float(known.means[number]), float(known.deviations[number])
        now = float(sample.sums[number]) / sample.size if sample else None
        apart = (now - was) / spread if now is not None and spread > 0 else None
        figures = {"validation": _short(was), "now": _short(now), "deviation": _short(apart)}
        entries.append({"name": name, **figures})
    return entries


def _rounded(figures: dict[str, float]) -> dict[str, float | None]:
    return {test: _short(value) for test, value in figures.items()}


def _short(value: float | None) -> float | None:
    """Four digits, which is what a window can tell and more."""
    return None if value is None or not np.isfinite(value) else float(f"{value:.4g}")
