"""Summary of a tuning in words: the verdict, its reasons, and the use of the files."""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vitrine_client.loadtest.analysis.slo import Slo
from vitrine_client.loadtest.plan import Workload
from vitrine_client.loadtest.tune.search import Confirmation, Duel, Trial, Tuned
from vitrine_client.loadtest.wording import per_second

GATEWAY, MODEL_SERVER, BATCHING = "gateway.env", "model-server.env", "batching.config"

_WHERE = """\
The model server that was measured is the embedded one, on this machine, with the load beside it. A
model server that runs already, here or elsewhere, was left alone: its threads are settings of its
start. Where TensorFlow Serving is in its place, or the load comes from elsewhere, `vitrine loadtest
search` says what holds there: start it with one setting and with the other, and compare."""


@dataclass(frozen=True)
class Tuning:
    """Tuning: an objective, a load in words, the seconds of a probe, and the result."""

    slo: Slo
    load: str
    probe_s: float
    tuned: Tuned


def load_of(target: Workload) -> str:
    """Returns a load in words."""
    images = f"{len(target.images)} picture{'s' * (len(target.images) > 1)}"
    return (
        f"{images} to {target.model}, {target.batch_size} a request, as {target.kind}; Poisson "
        "arrivals"
    )


def verdict(tuning: Tuning) -> str:
    """Says the result in words, with its confidence."""
    return " ".join(filter(None, (_chosen(tuning), _confirmed(tuning.tuned.confirmations))))


def _chosen(tuning: Tuning) -> str:
    tuned, slo = tuning.tuned, tuning.slo
    rate = per_second(tuned.rate_of(tuned.best))
    if tuned.duels and tuned.duels[-1].won:
        duel = tuned.duels[-1]
        return (
            f"{tuned.best} meets {slo} at {rate} requests/s: {duel.ratio:.2f} times the rate of "
            f"the defaults, and with 95 % confidence over {duel.low:.2f} times ({len(duel.pairs)} "
            "pairs measured in turn)."
        )
    if not tuned.duels:
        why = "nothing that was tried seemed faster"
    elif any(duel.low for duel in tuned.duels):
        why = "what seemed faster did not beat them beyond the noise, when measured in turn"
    else:
        why = (
            "what seemed faster was not measured in turn often enough to be sure, for want of time"
        )
    return f"Keep the defaults: they meet {slo} at {rate} requests/s, and {why}."


def _confirmed(loads: Sequence[Confirmation]) -> str:
    """How sure the rate is: what a longer load said of it."""
    if not loads:
        return ""
    first, last = loads[0], loads[-1]
    for_s = f"{last.duration_s:.3g} s in a row"
    if not first.violations:
        return f"It kept that up for {for_s}."
    missed = f"at {per_second(first.rate)} requests/s {', '.join(first.violations)}"
    if last.violations:
        return f"No rate down to {per_second(last.rate)} requests/s held for {for_s}: {missed}."
    return (
        f"The rate is of short probes: for {for_s} it kept up {per_second(last.rate)} requests/s "
        f"({missed})."
    )


def unreachable(tuning: Tuning) -> str:
    """Says how far from the objective the service is, at the lowest rate that was probed."""
    if tuning.tuned.confirmations:
        return _confirmed(tuning.tuned.confirmations)
    probes = [p for trial in tuning.tuned.trials if trial.found for p in trial.found.probes]
    lowest = min(probes, key=lambda probe: probe.rate)
    return (
        f"nothing that was tried meets {tuning.slo}, at any rate: at "
        f"{per_second(lowest.rate)} requests/s {', '.join(lowest.violations)}"
    )


def summary(tuning: Tuning, folder: str) -> str:
    """Returns a page (Markdown) on it, that lies in `folder` beside the files it speaks of."""
    tuned = tuning.tuned
    parts = [
        f"# Tuned for {tuning.slo}",
        verdict(tuning),
        f"Load: {tuning.load}; {tuning.probe_s:g} s at each rate.",
        "" if tuned.complete else "The time was up before all was tried; `--for-s` gives it more.",
        "## How to use it",
        _usage(folder, batching=tuned.best.batching is not None),
        _WHERE,
        "## What was tried",
        _trials(tuned.trials),
        *(_duel(duel) for duel in tuned.duels if duel.pairs),
        *_warnings(tuned.trials),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _usage(folder: str, *, batching: bool) -> str:
    file, quoted = f"{folder}/{BATCHING}", shlex.quote(folder)
    option = f" \\\n        --batching-parameters-file {quoted}/{BATCHING}" if batching else ""
    compose = (
        f"With Compose, give the service `gateway` an `env_file: {folder}/{GATEWAY}`,\nappend "
        f"`{folder}/{MODEL_SERVER}` to the `.env` beside docker-compose.yml"
    )
    if batching:
        compose += (
            f",\ncopy `{file}` to `deploy/tensorflow_serving/`, and add\n`--enable_batching=true` "
            f"and `--batching_parameters_file=/config/{BATCHING}`\nto the command of `model-server`"
        )
    variables = f"{quoted}/{GATEWAY} {quoted}/{MODEL_SERVER}"
    serve = f"    env $(cat {variables}) vitrine-serve up{option}"
    return f"From the folder that `{folder}` is in:\n\n{serve}\n\n{compose}."


def _trials(trials: Iterable[Trial]) -> str:
    rows = [
        f"| {trial.configuration} | {per_second(trial.found.rate)} | "
        f"{per_second(trial.found.low)} to {per_second(trial.found.high)} |"
        if trial.found
        else f"| {trial.configuration} | skipped | {trial.reason.replace('|', '/')} |"
        for trial in trials
    ]
    return "\n".join(["| configuration | requests/s | between |", "|---|---|---|", *rows])


def _duel(duel: Duel) -> str:
    rows = [
        f"| {per_second(default.rate)} | {per_second(challenger.rate)} |"
        for default, challenger in duel.pairs
    ]
    table = "\n".join(["| default | challenger |", "|---|---|", *rows])
    outcome = f"Ratio {duel.ratio:.2f}" + (f", over {duel.low:.2f}" if duel.low else "")
    return (
        f"### In turn: {duel.challenger}\n\n{table}\n\n{outcome}: "
        f"{'faster' if duel.won else 'not faster beyond the noise'}."
    )


def _warnings(trials: Iterable[Trial]) -> list[str]:
    """Each kind once, in the words of its last: they differ in their figures."""
    founds = [trial.found for trial in trials if trial.found]
    texts = [text for found in founds for text in found.warnings]
    kinds = {re.sub(r"\d[\d.]*", "", text): text for text in texts}
    return [f"Warning: {text}" for text in kinds.values()]
