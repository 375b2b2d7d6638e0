"""Shift detection: tests of images and answers against those of validation, and the kind of shift.

Under *label shift* each class looks as before: the mean of the statistics moves within the space
that the classes' own means span. Under *covariate shift* the images change, and the mean leaves it.
So its distance from that of validation (Hotelling's T²) makes two tests. See also
https://arxiv.org/abs/1810.11953.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

from vitrine_client.results.drift_statistics import STATISTICS, Floats
from vitrine_serving.gateway.telemetry.drift.baseline import TESTS, Baseline
from vitrine_serving.gateway.telemetry.drift.priors import Priors

Kind = Literal["none", "covariate", "label"]

RAISE = 1.4
"""Factors by which scores of a sliding window have to pass their thresholds to raise an alarm;
it goes down at the threshold itself. Measured: docs/drift.md."""

_PLAIN = dict.fromkeys(TESTS, 1.0)


class Sample(NamedTuple):
    """All that is kept of some images: how many, the sum of their rows of statistics
    [6 + classes], and how often each class was the answer [classes]."""

    size: int
    sums: Floats
    answered: Floats

    @classmethod
    def of(cls, rows: npt.ArrayLike) -> "Sample":
        """Sums up rows of statistics, [n, 6 + classes]. Raises `ValueError` for others."""
        array = np.asarray(rows, np.float64)
        if array.ndim != 2 or not len(array) or array.shape[1] <= len(STATISTICS):
            wanted = "[n, 6 + classes] with an image at the least"
            raise ValueError(f"pass rows of statistics, {wanted}, not {list(array.shape)}")
        if not np.isfinite(array).all():
            raise ValueError("the rows have values that are not finite: leave those out")
        answers = array[:, len(STATISTICS) :].argmax(axis=1)
        classes = array.shape[1] - len(STATISTICS)
        counts = np.bincount(answers, minlength=classes).astype(np.float64)
        return cls(len(array), array.sum(axis=0), counts)


@dataclass(frozen=True)
class Shift:
    """Verdict on a sample; `reason` says it in words.

    For each test, the score is the squared distance from the validation mean, in standard errors,
    and the threshold the distance that is too far. The estimated `priors` hold unless the kind is
    covariate.
    """

    known: Baseline
    sample: Sample
    kind: Kind
    scores: dict[str, float]
    thresholds: dict[str, float]
    priors: Priors

    @property
    def alarm(self) -> bool:
        """Whether there is a shift of either kind."""
        return self.kind != "none"

    @property
    def reason(self) -> str:
        """The finding in words: "312 images look as in validation"."""
        size = f"{self.sample.size} image" + ("s" if self.sample.size != 1 else "")
        if self.kind == "covariate":
            return f"{size}: they look different, most in {self._most_different()}"
        if self.kind == "label":
            return f"{size}: other shares of the classes, most of {self._most_changed()}"
        if not self.known.is_enough(self.sample.size):
            return f"{size}: too few to tell, it takes {self.known.sizes[0]:.0f}"
        return f"{size} look as in validation"

    def _most_different(self) -> str:
        means = self.sample.sums / self.sample.size
        apart = np.abs(means - self.known.means) / np.maximum(self.known.deviations, 1e-9)
        most, names = int(apart.argmax()), (*STATISTICS, *self.known.labels)
        answer = "probability" if self.known.has_shares else "score"
        kind = f"the {answer} of " if most >= len(STATISTICS) else ""
        now, was = _told_apart(float(means[most]), float(self.known.means[most]))
        return f"{kind}{names[most]}: {now}, was {was}"

    def _most_changed(self) -> str:
        usual = self.known.confusion.priors
        most = int(np.argmax(np.abs(np.array(self.priors.priors) - usual)))
        now = self.priors.priors[most]
        return f"{self.known.labels[most]}: {100 * now:.0f} %, was {100 * usual[most]:.0f} %"


def _told_apart(one: float, other: float) -> tuple[str, str]:
    """Returns two numbers with two decimals, or as many as it takes to tell them apart."""
    told = [(f"{one:.{digits}f}", f"{other:.{digits}f}") for digits in range(2, 9)]
    return next((pair for pair in told if pair[0] != pair[1]), told[0])


def detect(
    known: Baseline,
    sample: Sample,
    margins: Mapping[str, float] = _PLAIN,
    counted: int | None = None,
) -> Shift:
    """Says whether a sample comes from where the validation images came from.

    Fewer images than there are thresholds for raise no alarm. `margins` multiply the
    thresholds, test by test. The sample counts for `counted` images, if that is fewer than it has.
    Raises `ValueError` for a sample of other classes.
    """
    if sample.sums.shape != known.means.shape:
        raise ValueError(f"the sample has {sample.sums.size} columns, not {known.means.size}")
    difference = sample.sums / sample.size - known.means
    size = sample.size if counted is None else min(sample.size, counted)
    factor = size / (1 + size / known.images)  # both means vary: 1/size and 1/images
    scores, thresholds = {}, {}
    for test in TESTS:
        distance = difference @ known.projections[test]
        scores[test] = factor * float(distance @ distance)
        thresholds[test] = margins[test] * known.limit(test, size)
    enough = known.is_enough(sample.size)
    raised = [test for test in TESTS if enough and scores[test] > thresholds[test]]
    kind: Kind = "none"
    if raised:  # a covariate shift often raises both
        kind = "covariate" if raised[0] == "covariate" else "label"
    return Shift(known, sample, kind, scores, thresholds, known.confusion.estimate(sample.answered))


def judge(known: Baseline, sample: Sample, was: Kind, counted: int | None = None) -> Shift:
    """Does what `detect` does for a sliding window, which was found to be `was` before.

    More is needed to raise an alarm than to keep it up, as windows that overlap are many tests. The
    thresholds are those of the alarm as it is now: a score is over its own if it raises one.
    """
    found = detect(known, sample, _margins(was), counted)
    return found if found.kind == was else detect(known, sample, _margins(found.kind), counted)


def _margins(kind: Kind) -> dict[str, float]:
    return {test: 1.0 if test == kind else RAISE for test in TESTS}
