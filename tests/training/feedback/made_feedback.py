"""Made feedback: lines as the gateway writes them, of pictures that are drawn here."""

import json
from pathlib import Path

import numpy as np

from vitrine_serving.gateway.inference.outcomes import Classified
from vitrine_serving.gateway.telemetry.prediction_lines import Note, line_of

TIME = "2026-11-30T20:00:00.123456Z"


def flagged(request_id="r0", label="Coat", **changes):
    """A line of the feedback file, as an object."""
    line = {
        "time": TIME,
        "request_id": request_id,
        "index": 0,
        "model": "m",
        "class_id": 1,
        "label": label,
        "key": "ann",
    }
    return line | changes


def flags_file(path: Path, *lines) -> Path:
    """Writes lines, each an object, text or bytes; text and bytes have no end but their own."""
    path.write_bytes(b"".join(map(_line, lines)))
    return path


def _line(line):
    if isinstance(line, dict):
        return json.dumps(line).encode() + b"\n"
    return line.encode() if isinstance(line, str) else line


def logged(request_id, *pictures, answered="Bag", images=True, **changes):
    """A line of the prediction log, by the gateway's own code; None is a picture it found empty."""
    rows = [each for each in pictures if each is not None]
    content = {"time": TIME, "request_id": request_id, "model": "m", "version": 1, "status": 200}
    if len(rows) < len(pictures):
        content["empty"] = [place for place, each in enumerate(pictures) if each is None]
    results = [Classified(answered, 0, 0.75, {}) for _ in rows]
    return line_of(Note(content | changes, results, np.stack(rows) if images else None, len(rows)))


def noise(count=8, *shape, seed=0):
    """Pictures that are like no others."""
    drawn = np.random.default_rng(seed)
    return drawn.integers(0, 256, (count, *(shape or (9, 9))), np.uint8)
