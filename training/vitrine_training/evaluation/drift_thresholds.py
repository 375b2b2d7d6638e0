"""Drift thresholds: the coordinates of the two tests, and the scores that are too high in them.

A threshold is the score that windows without a shift seldom exceed. Where the validation images are
many, windows are drawn from them and judged by their own figures. Few images also estimate the
figures badly: the mean, and the covariance by which all is divided, which makes windows of others
look further away. So the baseline is drawn anew, too, again and again (the bootstrap of Efron,
1979): scores are those of windows of all images, by the baseline of a resample.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ids = npt.NDArray[Any]

SIZES = (5, 10, 20, 50, 100, 200, 500, 1000)
"""Window sizes with thresholds of their own; those between are interpolated."""

FALSE_ALARM_RATE = 0.01
"""Windows without shift that raise an alarm, at most, over both tests together."""

_MARGIN = 0.5  # thresholds aim at this part of it: the validation images are a sample too
_WINDOWS = 50_000
_RESAMPLES = 1_000  # each judges as many of the windows as the others
_ROUNDING = 1e-9  # what a statistic that does not vary may vary by
_NO_VARIANCE = 1e-6  # a direction's share of the largest variance; the outputs' sum has none


def projections(rows: Floats, labels: Ids) -> dict[str, Floats]:
    """Returns, for each test, the matrix that takes a difference of means to its coordinates.

    In those, the validation rows have unit covariance; the label test has the directions in which
    the means of the classes differ, one fewer than classes, and the covariate test the others.
    """
    scale = np.maximum(rows.std(axis=0), _ROUNDING)
    variances, directions = np.linalg.eigh(np.cov((rows / scale).T))
    kept = variances > _NO_VARIANCE * variances.max()
    whiten = directions[:, kept] / np.sqrt(variances[kept]) / scale[:, np.newaxis]
    white = (rows - rows.mean(axis=0)) @ whiten
    class_means = np.array([white[labels == one].mean(axis=0) for one in np.unique(labels)])
    turned, cut = np.linalg.svd(class_means)[2].T, len(class_means) - 1
    return {"covariate": whiten @ turned[:, cut:], "label": whiten @ turned[:, :cut]}


def of_many(centred: Floats, projections: dict[str, Floats], seed: int) -> dict[str, list[float]]:
    """Returns the score that windows drawn from validation seldom exceed, test by test, by size.

    `centred` are the validation rows less their mean, `projections` those of the same rows.
    """
    means, found = _window_means(centred, seed), {}
    share = _share(len(projections))
    for test, projection in projections.items():
        scores = [size * ((means[size] @ projection) ** 2).sum(axis=1) for size in SIZES]
        found[test] = [round(float(np.quantile(score, share)), 2) for score in scores]
    return found


def of_few(rows: Floats, labels: Ids, seed: int) -> dict[str, list[float]]:
    """Returns the same, where the mean and the projections are uncertain: each part of the windows
    is judged by those of another resample."""
    rng, centred, count = np.random.default_rng(seed), rows - rows.mean(axis=0), len(rows)
    means, part = _window_means(centred, seed), _WINDOWS // _RESAMPLES
    scores: dict[str, list[list[Floats]]] = {}
    for start in range(0, _WINDOWS, part):
        drawn = _resampled(labels, rng)
        moved, found = centred[drawn].mean(axis=0), projections(centred[drawn], labels[drawn])
        for test, projection in found.items():
            of_sizes = scores.setdefault(test, [[] for _ in SIZES])
            for size, of_size in zip(SIZES, of_sizes, strict=True):
                apart = (means[size][start : start + part] - moved) @ projection
                of_size.append(size / (1 + size / count) * (apart**2).sum(axis=1))
    share = _share(len(scores))
    return {
        test: [round(float(np.quantile(np.concatenate(one), share)), 2) for one in of_sizes]
        for test, of_sizes in scores.items()
    }


def _share(tests: int) -> float:
    return 1 - _MARGIN * FALSE_ALARM_RATE / tests


def _window_means(centred: Floats, seed: int) -> dict[int, Floats]:
    """Returns the means of windows by their size, [_WINDOWS, figures] for each of `SIZES`.

    Large windows are put together from smaller ones: as random as from images, and much faster.
    """
    rng, means = np.random.default_rng(seed), {1: centred}
    for size in SIZES:
        part = max(one for one in means if size % one == 0)
        drawn = rng.integers(len(means[part]), size=(size // part, _WINDOWS))
        means[size] = np.mean([means[part][one] for one in drawn], axis=0)
    return means


def _resampled(labels: Ids, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Returns rows that are drawn with replacement, with one more of each class that lacks."""
    drawn = rng.integers(len(labels), size=len(labels))
    lacking = np.setdiff1d(labels, labels[drawn])
    more = [rng.choice(np.flatnonzero(labels == one)) for one in lacking]
    return np.concatenate([drawn, np.array(more, np.int64)])
