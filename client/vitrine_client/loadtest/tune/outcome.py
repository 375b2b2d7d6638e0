"""Files of a tuning: settings to use, and the measurements that justify them."""

import dataclasses
import json
import math
import os
import shutil
from pathlib import Path
from typing import Any

from vitrine_client.loadtest.analysis.probes import Probe
from vitrine_client.loadtest.tune.search import Trial
from vitrine_client.loadtest.tune.summary import BATCHING, GATEWAY, MODEL_SERVER, Tuning, summary

MEASUREMENTS, SUMMARY = "measurements.json", "README.md"


def refusal(folder: Path) -> str:
    """Returns why `folder` cannot be made, or be replaced; empty where it can: there is nothing in
    it, or what an earlier tuning wrote."""
    try:
        folder = folder.resolve()
        if folder.exists() and not _is_ours(folder):
            return f"{folder} is not from `vitrine tune`; name another folder"
        parent = next(each for each in folder.parents if each.exists())
        if not (parent.is_dir() and os.access(parent, os.W_OK | os.X_OK)):
            return f"{folder} cannot be written: {parent} is no directory that this user may change"
    except OSError as error:
        return f"{folder} cannot be written: {error.strerror}"
    return ""


def _is_ours(folder: Path) -> bool:
    return folder.is_dir() and ((folder / MEASUREMENTS).exists() or not any(folder.iterdir()))


def write(folder: Path, tuning: Tuning) -> None:
    """Makes `folder` of a tuning, whole or not at all, in place of an earlier one."""
    folder = folder.resolve()
    beside = f".{folder.name}.{os.getpid()}"
    new, old = folder.with_name(f"{beside}.new"), folder.with_name(f"{beside}.old")
    new.mkdir(parents=True)
    try:
        for name, text in _files(tuning, folder.name).items():
            (new / name).write_text(text)
        if folder.exists():
            folder.rename(old)
        new.rename(folder)
    finally:
        for rest in (new, old):
            shutil.rmtree(rest, ignore_errors=True)


def _files(tuning: Tuning, folder: str) -> dict[str, str]:
    best = tuning.tuned.best
    files = {
        GATEWAY: _lines(best.gateway()),
        MODEL_SERVER: _lines(best.model_server()),
        MEASUREMENTS: json.dumps(measurements(tuning), indent=1, allow_nan=False) + "\n",
        SUMMARY: summary(tuning, folder),
    }
    return files | ({BATCHING: best.batching.text()} if best.batching else {})


def _lines(variables: dict[str, str]) -> str:
    return "".join(f"{name}={value}\n" for name, value in variables.items())


def measurements(tuning: Tuning) -> dict[str, Any]:
    """Returns the measurements as JSON."""
    return {
        "slo": str(tuning.slo),
        "load": tuning.load,
        "probe_s": tuning.probe_s,
        "best": str(tuning.tuned.best),
        "complete": tuning.tuned.complete,
        "confirmations": [dataclasses.asdict(one) for one in tuning.tuned.confirmations],
        "trials": [_trial(trial) for trial in tuning.tuned.trials],
        "duels": [
            {
                "challenger": str(duel.challenger),
                "ratio": _number(duel.ratio),
                "low": duel.low,
                "won": duel.won,
                "pairs": [[_trial(trial) for trial in pair] for pair in duel.pairs],
            }
            for duel in tuning.tuned.duels
        ],
    }


def _trial(trial: Trial) -> dict[str, Any]:
    told: dict[str, Any] = {"configuration": str(trial.configuration)}
    if not trial.found:
        return told | {"reason": trial.reason}
    found = trial.found
    probes = [_probe(probe) for probe in found.probes]
    return told | {"rate": found.rate, "low": found.low, "high": found.high, "probes": probes}


def _probe(probe: Probe) -> dict[str, Any]:
    result = probe.result
    percentiles = {f"p{p:g}": _number(result.latency.percentile_ms(p)) for p in (50, 90, 99)}
    return {
        "rate": probe.rate,
        "due": result.due,
        "answered": result.answered,
        "latency_ms": percentiles,
        "violations": list(probe.violations),
    }


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None
