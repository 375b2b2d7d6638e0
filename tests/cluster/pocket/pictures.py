"""Pictures of the load, each with its one right answer."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

NUMBER = 40
_FILE = "pictures.json"
_CLOSE = 1e-4
"""How far a probability may be off: batches of other sizes are summed in another order."""


@dataclass(frozen=True)
class Picture:
    """Picture as the body of a request, and the class and probability that are its answer."""

    body: bytes
    class_id: int
    probability: float

    def is_answered_by(self, answer: Mapping[str, Any]) -> bool:
        """Says whether an answer is the right one."""
        (found,) = answer["predictions"]
        return bool(
            found["class_id"] == self.class_id
            and abs(found["probability"] - self.probability) < _CLOSE
        )


def arrays() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Returns uint8 [NUMBER, 28, 28], each of them other than all others."""
    return np.random.default_rng(7).integers(0, 256, (NUMBER, 28, 28), dtype=np.uint8)


def of_programmed() -> list[Picture]:
    """Returns pictures with the answers of `harness.fake_model_server.classifying`."""
    pixels = arrays()
    pixels[np.arange(NUMBER), np.arange(NUMBER) % 10] = 255  # it answers by the brightest row
    rows = pixels.astype(np.float64).sum(axis=2)[:, :10] / 255 + 1
    shares = rows / rows.sum(axis=1, keepdims=True)
    return [
        Picture(_npy(one), int(share.argmax()), float(share.max()))
        for one, share in zip(pixels, shares, strict=True)
    ]


def answered(found: Sequence[tuple[int, float]]) -> list[Picture]:
    """Returns pictures with the class and probability that somebody found for each alone."""
    return [Picture(_npy(one), *answer) for one, answer in zip(arrays(), found, strict=True)]


def save(folder: Path, pictures: list[Picture]) -> None:
    """Writes pictures for another process."""
    rows = [[one.body.hex(), one.class_id, one.probability] for one in pictures]
    (folder / _FILE).write_text(json.dumps(rows))


def load(folder: Path) -> list[Picture]:
    """Reads what `save` has written."""
    rows = json.loads((folder / _FILE).read_text())
    return [Picture(bytes.fromhex(body), *answer) for body, *answer in rows]


def _npy(pixels: np.ndarray[Any, np.dtype[np.uint8]]) -> bytes:
    file = io.BytesIO()
    np.save(file, pixels[None])
    return file.getvalue()
