"""Publication of an imported classifier: measured, gated, written, checked, and whole or absent."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from vitrine_client.images.preprocessing import model_input
from vitrine_client.results import strict_json
from vitrine_training.imports.inspection import Inspected, made_up
from vitrine_training.imports.measurement import ImportJudge, findings
from vitrine_training.publish import archive
from vitrine_training.publish import versions as publish
from vitrine_training.publish.archive import Card
from vitrine_training.publish.export import warm_up
from vitrine_training.publish.gate import Gate
from vitrine_training.publish.provenance import code_revision, packages
from vitrine_training.publish.signatures import members_of

CHECKED_ROWS = 100
"""Pictures that the written version has to answer as the model in memory does."""

_GRAPH_BYTES = 2_000_000


@dataclass(frozen=True)
class Importing:
    """Import of a model from a `path`, in a `format`, as the next version of `name`; `held` is what
    its functions are parts of."""

    path: Path
    format: str
    name: str
    models_dir: Path
    force: bool
    inspected: Inspected
    judge: ImportJudge
    held: Any = None


def publish_import(job: Importing, say: Callable[[str], None]) -> tuple[Path, Card]:
    """Publishes a model as the next version of its name; returns its directory and its card.

    Raises `WorseModel`, `SameModel`, `Incomparable`, `ExportError`, or `OSError` where it cannot be
    written; then nothing is published.
    """
    started = time.monotonic()
    served, judge = job.inspected.served, job.judge
    gate = Gate(job.models_dir, job.name, judge, force=job.force, say=say)
    publish.rehearse(job.models_dir, job.name, _size_bytes(job.path), say)
    answer = tf.function(lambda images: served.answer(images)[judge.output])
    outputs = judge.validation_outputs(answer) if judge.data else np.empty(0)
    measured, notes = findings(judge, answer, outputs)
    card: Card = {}

    def write(directory: Path, version: int) -> None:
        if judge.data:
            gate.check_no_worse(judge.score(outputs))
        card.update(_card(job, version), **measured, notes=[*job.inspected.notes, *notes])
        card["duration_s"] = round(time.monotonic() - started, 3)
        card.update(strict_json.plain(card))
        _write(job, directory, card)
        gate.check_not_same(directory, card)
        say("comparing what was written with the model in memory")
        _check(job, directory)

    return publish.publish(job.models_dir, job.name, write, say), card


def _card(job: Importing, version: int) -> Card:
    served = job.inspected.served
    return {
        "model": job.name,
        "version": version,
        "imported": {"file": job.path.name, "format": job.format},
        "labels": list(served.labels),
        "input_shape": list(served.profile.shape),
        "profile": members_of(served.profile),
        "data": job.judge.data.checksums if job.judge.data else {},
        "packages": packages(),
        "revision": code_revision(),
        "imported_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _write(job: Importing, directory: Path, card: Card) -> None:
    served = job.inspected.served
    levels = made_up(served.profile, max(archive.WARM_UP_ROWS))
    images = tf.constant(model_input(levels, served.profile))
    endpoints = served.endpoints(card)
    requests = warm_up(served, endpoints, levels, images)
    archive.write(directory, endpoints, card, requests, job.held)


def _check(job: Importing, directory: Path) -> None:
    """Compares the written version with the original, on pictures to measure by or made-up ones.
    Raises `ExportError`."""
    profile = job.inspected.served.profile
    data = job.judge.data
    levels = _spread(data.test.levels) if data and profile.has_fixed_size else ()
    rows = np.stack(levels) if len(levels) else made_up(profile, CHECKED_ROWS)
    images = tf.constant(model_input(rows, profile))
    expected = _in_parts(job.inspected.original, images)

    def answered() -> Any:
        serve = tf.saved_model.load(str(directory)).signatures[profile.signature]
        return _in_parts(lambda part: serve(**{profile.input: part})[profile.output], images)

    archive.check(directory, profile.output, expected, answered)


def _spread(levels: Sequence[Any]) -> Sequence[Any]:
    """Returns some levels from all of them, as those of a class lie together."""
    return levels[:: -(-len(levels) // CHECKED_ROWS)]


def _in_parts(call: Callable[[tf.Tensor], tf.Tensor], images: tf.Tensor) -> Any:
    """Returns what is answered to some pictures at a time, as large ones take memory."""
    rows = max(archive.WARM_UP_ROWS)
    parts = [call(images[start : start + rows]) for start in range(0, len(images), rows)]
    return np.concatenate([part.numpy() for part in parts])


def _size_bytes(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(each.stat().st_size for each in files if each.is_file()) + _GRAPH_BYTES
