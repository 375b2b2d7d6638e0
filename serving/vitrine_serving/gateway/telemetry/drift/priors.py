"""The shares of the classes, from what a classifier answers that is sometimes wrong."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_NO_DIFFERENCE = 0.01  # of singular values: classes that the model hardly tells apart


@dataclass(frozen=True)
class Priors:
    """Estimated shares of the classes, and each over its share in validation."""

    priors: tuple[float, ...]
    weights: tuple[float, ...]


class Confusion:
    """How often each class was answered for each in validation.

    Black-box shift estimation (Lipton, Wang and Smola, 2018, https://arxiv.org/abs/1802.03916)
    solves C w = answered for the weights w, C the joint shares of answer and class. Where C is
    singular, the smallest change is taken: classes that the model does not tell apart keep their
    ratio.
    """

    def __init__(self, counts: npt.ArrayLike) -> None:
        """`counts` are [classes, classes], true classes in rows. Raises `ValueError` unless there
        are images of each class."""
        known = np.asarray(counts, np.float64)
        if known.ndim != 2 or not known.size or known.shape[0] != known.shape[1]:
            raise ValueError("pass a confusion matrix [classes, classes]")
        finite = np.isfinite(known.sum()) and known.min() >= 0
        if not (finite and known.sum(axis=1).min() > 0):
            raise ValueError("counts must be >= 0, with images of each class among them")
        joint = known.T / known.sum()
        self.priors: Floats = joint.sum(axis=0)
        self._answered: Floats = joint.sum(axis=1)
        self._solve: npt.NDArray[Any] = np.linalg.pinv(joint, rcond=_NO_DIFFERENCE)

    def estimate(self, answered: npt.ArrayLike) -> Priors:
        """Estimates the shares from how often each class was answered, [classes].

        Weights below 0 become 0. Raises `ValueError` unless there are counts that fit.
        """
        counts = np.asarray(answered, np.float64)
        if counts.shape != self.priors.shape:
            raise ValueError(f"pass {self.priors.size} counts, one for each class")
        total = counts.sum()
        if not (0 < total < math.inf and counts.min() >= 0):
            raise ValueError("counts must be >= 0, with an answer among them")
        weights = np.maximum(1 + self._solve @ (counts / total - self._answered), 0)
        weights /= self.priors @ weights
        return Priors(tuple((self.priors * weights).tolist()), tuple(weights.tolist()))
