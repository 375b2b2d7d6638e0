"""Drift baseline: statistics of the validation images, read from a model card."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vitrine_client.results.drift_statistics import MOST_CLASSES, STATISTICS, Floats
from vitrine_client.results.profiles.profile import Shape
from vitrine_serving.gateway.telemetry.drift.priors import Confusion

TESTS = ("covariate", "label")
_SHARES_OFF = 0.01

_HUGE = 1e30  # nothing that is computed from less than that overflows


class BaselineError(ValueError):
    """There is no baseline, or none that makes sense; the message says why."""


@dataclass(frozen=True)
class Baseline:
    """Baseline of the validation images, as `detect` uses it.

    `images` are their number; `means` and `deviations` are those of rows of statistics,
    [6 + classes]. For each test, a projection [6 + classes, k] takes a difference of means to
    coordinates, and `limits` are the scores that are too high at the `sizes`, both [sizes].
    """

    labels: tuple[str, ...]
    images: int
    means: Floats
    deviations: Floats
    confusion: Confusion
    projections: dict[str, Floats]
    sizes: Floats
    limits: dict[str, Floats]

    @classmethod
    def read(cls, card: Any, labels: Sequence[str] = (), shape: Shape = ()) -> "Baseline":
        """Reads a card's `baseline`; without `labels` the classes have numbers. `shape` is that of
        the images that will come, as profiles have it, and any without one.

        Raises `BaselineError` for anything else.
        """
        if not isinstance(card, Mapping):
            raise BaselineError(
                "the model card has no baseline; training the model again adds it, or importing "
                "it with pictures of each class"
            )
        try:
            _check_shape(card.get("shape"), shape)
            return cls._read(card, labels)
        except KeyError as error:
            raise BaselineError(f"the baseline in the model card has no {error}") from None
        except (TypeError, ValueError, OverflowError) as error:
            raise BaselineError(f"the baseline in the model card makes no sense: {error}") from None

    @classmethod
    def _read(cls, card: Mapping[str, Any], labels: Sequence[str]) -> "Baseline":
        confusion = Confusion(card["confusion"])
        classes = confusion.priors.size
        if classes > MOST_CLASSES:
            raise ValueError(f"{classes} classes, and at most {MOST_CLASSES} are watched")
        if labels and len(labels) != classes:
            raise ValueError(f"it has {classes} classes, and the model {len(labels)} labels")
        if tuple(card["statistics"][: len(STATISTICS)]) != STATISTICS:
            raise ValueError(f"its statistics are not {', '.join(STATISTICS)}")
        width = len(STATISTICS) + classes
        sizes = _floats("window_sizes", card["window_sizes"], (None,))
        if not sizes.size or sizes[0] < 1 or (np.diff(sizes) <= 0).any():
            raise ValueError("window_sizes do not grow from 1 or more")
        if not 1 <= float(card["images"]) < math.inf:
            raise ValueError("images is no count")
        limits, projections = card["thresholds"], card["projections"]
        return cls(
            labels=tuple(labels) or tuple(f"class {number}" for number in range(classes)),
            images=int(card["images"]),
            means=_floats("means", card["means"], (width,)),
            deviations=_floats("deviations", card["deviations"], (width,)),
            confusion=confusion,
            projections={
                test: _floats("projections", projections[test], (width, None)) for test in TESTS
            },
            sizes=sizes,
            limits={test: _floats("thresholds", limits[test], sizes.shape) for test in TESTS},
        )

    @cached_property
    def digest(self) -> str:
        """Digest of all that samples are compared with: windows with the same one can be pooled."""
        sha = hashlib.sha256(f"{self.images} {self.labels}".encode())
        for array in (
            *(self.means, self.deviations, self.sizes, self.confusion.priors),
            *(each[test] for each in (self.projections, self.limits) for test in TESTS),
        ):
            sha.update(str(array.shape).encode() + np.ascontiguousarray(array, "<f8").tobytes())
        return sha.hexdigest()[:32]

    @property
    def has_shares(self) -> bool:
        """Whether the outputs are shares that sum to 1, and no scores."""
        return abs(float(self.means[len(STATISTICS) :].sum()) - 1) <= _SHARES_OFF

    def is_enough(self, size: int) -> bool:
        """Says whether so many images can tell a shift."""
        return bool(size >= self.sizes[0])

    def limit(self, test: str, size: int) -> float:
        """Returns the threshold for a sample of any size; those between are interpolated."""
        return float(np.interp(math.log(size), np.log(self.sizes), self.limits[test]))


def _check_shape(of_baseline: Any, shape: Shape) -> None:
    """Raises `ValueError` where the baseline's images have a shape, and it is another."""
    if of_baseline is None or not shape:
        return
    known, sides = (_with_channels(tuple(each)) for each in (of_baseline, shape))
    if len(known) != len(sides) or any(
        wanted not in (None, found) for wanted, found in zip(sides, known, strict=True)
    ):
        raise ValueError(f"its images are {list(of_baseline)}, and the model's {list(shape)}")


def _with_channels(shape: tuple[Any, ...]) -> tuple[Any, ...]:
    return (*shape, 1) if len(shape) == 2 else shape


def _floats(name: str, values: Any, shape: tuple[int | None, ...]) -> Floats:
    array = np.asarray(values, np.float64)
    if array.ndim != len(shape) or any(
        wanted not in (None, found) for wanted, found in zip(shape, array.shape, strict=True)
    ):
        raise ValueError(f"{name} is {list(array.shape)}, not {list(shape)}")
    if not (np.abs(array) < _HUGE).all():  # which NaN is not, either
        raise ValueError(f"{name} has values that are not finite, or huge")
    return array
