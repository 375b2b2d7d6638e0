"""Sliding window: the last images of one version of a model, summed up, as it lies in memory."""

from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np

from vitrine_client.results.drift_statistics import MOST_CLASSES, STATISTICS, Floats
from vitrine_serving.gateway.telemetry.drift.baseline import TESTS
from vitrine_serving.gateway.telemetry.drift.detect import Kind, Sample, Shift

MODEL_BYTES = 256
"""Of a model's name in UTF-8; models with longer names are not watched."""

_KINDS: tuple[Kind, ...] = ("none", "covariate", "label")


@dataclass(frozen=True)
class DriftState:
    """State of a version's window as found last: scores and thresholds by test, and the estimated
    shares of the classes by class id. `alarm` is the kind of shift, or empty, and `gateways` are
    those whose images are in it."""

    model: str
    version: int
    images: int
    alarm: Literal["", "covariate", "label"]
    scores: dict[str, float]
    thresholds: dict[str, float]
    estimated: tuple[float, ...]
    gateways: int = 1

    @classmethod
    def of(cls, model: str, version: int, found: Shift, gateways: int) -> Self:
        """Returns the state by a verdict on the images of several gateways."""
        return cls(
            *(model, version, found.sample.size),
            alarm="" if found.kind == "none" else found.kind,
            scores=found.scores,
            thresholds=found.thresholds,
            estimated=found.priors.priors,
            gateways=gateways,
        )


class Window:
    """Sliding window: the last images of one version of a model, and the verdict on them.

    `since` is when the oldest of them came, in seconds of `time.time`.
    """

    def __init__(self, record: np.void, block: int) -> None:
        self._record: Any = record
        self._block = block

    @property
    def key(self) -> tuple[str, int]:
        """Model and version."""
        name = bytes(self._record["model"]).decode(errors="replace")
        return name, int(self._record["version"])

    @property
    def classes(self) -> int:
        """How many classes that version has."""
        return int(self._record["classes"])

    @property
    def baseline(self) -> str:
        """The digest of the baseline that it was compared with last, "" before."""
        return bytes(self._record["baseline"]).decode(errors="replace")

    @property
    def images(self) -> int:
        """How many they are."""
        return int(self._record["images"].sum())

    @property
    def since(self) -> float:
        """0 where there are none."""
        begun = self._record["begun"][self._record["images"] > 0]
        return float(begun.min()) if begun.size else 0.0

    @property
    def used(self) -> float:
        """When images came last, in seconds of `time.time`; 0 where there are none."""
        return float(self._record["used"])

    @property
    def kind(self) -> Kind:
        """The last verdict."""
        return _KINDS[int(self._record["kind"])]

    def state(self) -> DriftState:
        """Returns the last verdict with its figures."""
        return DriftState(
            *self.key,
            images=self.images,
            alarm="" if self.kind == "none" else self.kind,
            scores=dict(zip(TESTS, self._record["scores"].tolist(), strict=True)),
            thresholds=dict(zip(TESTS, self._record["thresholds"].tolist(), strict=True)),
            estimated=tuple(self._record["shares"][: self.classes].tolist()),
        )

    def sample(self) -> Sample:
        """All of its images together."""
        classes = self.classes
        sums, answered = (np.add.reduce(self._record[name]) for name in ("sums", "answered"))
        return Sample(self.images, sums[: len(STATISTICS) + classes], answered[:classes])

    def begin(self, model: bytes, version: int, classes: int) -> None:
        """Empties it, for another version."""
        for name in ("kind", "newest", "images", "sums", "answered"):
            self._record[name] = 0
        self._record["baseline"] = b""
        for name, value in (("model", model), ("version", version), ("classes", classes)):
            self._record[name] = value

    def add(self, rows: Floats, now: float) -> None:
        """Takes rows of statistics [n, 6 + classes] in, and drops as many of the oldest."""
        images, sums, answered = (self._record[name] for name in ("images", "sums", "answered"))
        newest, start, width = int(self._record["newest"]), 0, rows.shape[1]
        answers = rows[:, len(STATISTICS) :].argmax(axis=1)
        while start < len(rows):
            if images[newest] >= self._block:
                newest = (newest + 1) % len(images)
                images[newest] = sums[newest] = answered[newest] = 0
            if not images[newest]:
                self._record["begun"][newest] = now
            end = min(len(rows), start + self._block - int(images[newest]))
            sums[newest, :width] += np.add.reduce(rows[start:end])
            answered[newest] += np.bincount(answers[start:end], minlength=MOST_CLASSES)
            images[newest] += end - start
            start = end
        self._record["newest"] = newest

    def note(self, found: Shift) -> None:
        """Keeps a verdict."""
        self._record["kind"] = _KINDS.index(found.kind)
        self._record["baseline"] = found.known.digest.encode()
        self._record["scores"] = [found.scores[test] for test in TESTS]
        self._record["thresholds"] = [found.thresholds[test] for test in TESTS]
        self._record["shares"][: len(found.priors.priors)] = found.priors.priors


def record(blocks: int) -> np.dtype[Any]:
    """Returns how a window lies in memory: a ring of blocks, each with as many images as the window
    slides by: their number, when the first came, the sums of their rows of statistics, and how
    often each class was answered."""
    return np.dtype(
        [
            ("model", f"S{MODEL_BYTES}"),
            ("version", np.int64),
            ("classes", np.int64),
            ("used", np.float64),
            ("baseline", "S32"),
            ("kind", np.int64),
            ("scores", np.float64, len(TESTS)),
            ("thresholds", np.float64, len(TESTS)),
            ("shares", np.float64, MOST_CLASSES),
            ("newest", np.int64),
            ("images", np.int64, blocks),
            ("begun", np.float64, blocks),
            ("sums", np.float64, (blocks, len(STATISTICS) + MOST_CLASSES)),
            ("answered", np.int64, (blocks, MOST_CLASSES)),
        ]
    )
