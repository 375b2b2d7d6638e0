"""Distribution shift: whether what a model is asked about still looks like what it was made for.

`baseline` goes into the model card; with it and the `statistics` of the last images, `detect` tells
two of the text's three kinds of shift; concept shift shows in labels only. Under *label shift* each
class looks as before: the mean of the statistics moves within the space that the classes' own means
span. Under *covariate shift* the images change, and the mean leaves it. So its distance from that
of validation (Hotelling's T²) makes two tests. See also https://arxiv.org/abs/1810.11953.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

STATISTICS = ("brightness", "contrast", "brightest", "column", "row", "sharpness")
"""Of each image: mean, standard deviation and maximum of its pixels (0..1), the centre of its
brightness (pixels from the left and from the top), and the mean difference of neighbours."""

SIZES = (5, 10, 20, 50, 100, 200, 500, 1000)
"""Window sizes with thresholds of their own; those between are interpolated."""

FALSE_ALARM_RATE = 0.01
"""Windows without shift that raise an alarm, at most, over both tests together."""

_MARGIN = 0.5  # thresholds aim at this part of it: the validation images are a sample too
_WINDOWS = 50_000
_ROUNDING = 1e-9  # what a statistic that does not vary may vary by
_NO_VARIANCE = 1e-6  # a direction's share of the largest variance; the outputs' sum has none
_NO_DIFFERENCE = 0.01  # of singular values: classes that the model hardly tells apart


@dataclass(frozen=True)
class Priors:
    """Estimated shares of the classes, and each over its share in validation.

    `chi_square` compares the counts of answers with those in validation (Pearson, two samples);
    without shift it is about as large as there are classes.
    """

    priors: tuple[float, ...]
    weights: tuple[float, ...]
    chi_square: float


@dataclass(frozen=True)
class Shift:
    """What `detect` found in a window of `size` images; `reason` says it in words.

    For each test, the score is the squared distance from the validation mean, in standard errors,
    and the threshold what is too far. The estimated `priors` hold unless the kind is covariate.
    """

    kind: Literal["none", "covariate", "label"]
    size: int
    scores: dict[str, float]
    thresholds: dict[str, float]
    priors: Priors
    reason: str

    @property
    def alarm(self) -> bool:
        """Whether there is a shift of either kind."""
        return self.kind != "none"


def statistics(images: Array, probabilities: Array) -> Floats:
    """Returns a row for each image, float64 [n, 6 + classes]: `STATISTICS`, then the outputs.

    `images` are uint8, or floats in 0..1, [n, height, width]; `probabilities` are [n, classes].
    Raises `ValueError` where they do not fit together or are not finite.
    """
    images, probabilities = np.asarray(images), np.asarray(probabilities)
    shapes, fit = f"{images.shape} and {probabilities.shape}", images.size and probabilities.size
    if images.ndim != 3 or probabilities.ndim != 2 or len(images) != len(probabilities) or not fit:
        raise ValueError(f"pass images [n, height, width] and outputs [n, classes], not {shapes}")
    pixels = images.astype(np.float64) / (255 if images.dtype == np.uint8 else 1)
    if not (np.isfinite(pixels).all() and np.isfinite(probabilities).all()):
        raise ValueError("pixels or probabilities are not finite: leave those images out")
    if np.abs(probabilities.sum(axis=1) - 1).max() > 0.01:
        raise ValueError("probabilities must sum to 1 in each row: apply softmax to logits first")
    both = (1, 2)
    columns, rows, total = pixels.sum(axis=1), pixels.sum(axis=2), pixels.sum(axis=both)
    total[total == 0] = 1  # a black image has its centre at 0, 0
    centre = [sums @ np.arange(sums.shape[1]) / total for sums in (columns, rows)]
    steps = [np.abs(np.diff(pixels, axis=axis)).mean(axis=both) for axis in both]
    levels = pixels.mean(axis=both), pixels.std(axis=both), pixels.max(axis=both)
    return np.column_stack([*levels, *centre, sum(steps) / 2, probabilities]).astype(np.float64)


def baseline(images: Array, probabilities: Array, labels: Array, seed: int = 0) -> dict[str, Any]:
    """Returns what `detect` needs to know of validation, as plain JSON for the model card.

    Images and probabilities as for `statistics`; `labels` are the true class ids, [n]. What never
    varies in validation is not tested. The same `seed` gives the same thresholds. Raises
    `ValueError` for what `statistics` refuses, and unless each class has an image.
    """
    rows, labels = statistics(images, probabilities), np.asarray(labels)
    outputs = rows[:, len(STATISTICS) :]
    classes = outputs.shape[1]
    if labels.shape != (len(rows),) or set(np.unique(labels)) != set(range(classes)):
        raise ValueError(f"pass a class id for each image, with all of 0 to {classes - 1} in them")
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels.astype(np.int64), outputs.argmax(axis=1)), 1)
    names = [*STATISTICS, *(f"probability of class {one}" for one in range(classes))]
    measured = zip([*names, "confidence"], [*rows.T, outputs.max(axis=1)], strict=True)
    shown = ((name, np.histogram(values, bins=20)) for name, values in measured)
    projections = _projections(rows, labels)
    return {
        "images": len(rows),
        "statistics": names,
        "means": _plain(rows.mean(axis=0)),
        "deviations": _plain(rows.std(axis=0)),
        "confusion": confusion.tolist(),
        "priors": _plain(confusion.sum(axis=1) / len(rows)),
        "projections": {test: _plain(one) for test, one in projections.items()},
        "window_sizes": list(SIZES),
        "thresholds": _thresholds(rows - rows.mean(axis=0), projections, seed),
        "histograms": {
            name: {"counts": counts.tolist(), "edges": _plain(edges)}
            for name, (counts, edges) in shown
        },
    }


def _projections(rows: Floats, labels: Array) -> dict[str, Floats]:
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


def _thresholds(centred: Floats, projections: dict[str, Floats], seed: int) -> dict[str, Any]:
    """Returns the score that windows drawn from validation seldom exceed, test by test, by size.

    Large windows are put together from smaller ones: as random as from images, and much faster.
    """
    rng, means, found = np.random.default_rng(seed), {1: centred}, {}
    for size in SIZES:
        part = max(one for one in means if size % one == 0)
        drawn = rng.integers(len(means[part]), size=(size // part, _WINDOWS))
        means[size] = np.mean([means[part][one] for one in drawn], axis=0)
    share = 1 - _MARGIN * FALSE_ALARM_RATE / len(projections)
    for test, projection in projections.items():
        scores = [size * ((means[size] @ projection) ** 2).sum(axis=1) for size in SIZES]
        found[test] = [round(float(np.quantile(score, share)), 2) for score in scores]
    return found


def _plain(values: npt.ArrayLike) -> Any:
    """Returns (lists of) floats with six digits, which is enough and half as long."""
    array = np.asarray(values, np.float64)
    return float(f"{array:.6g}") if array.ndim == 0 else [_plain(one) for one in array]


def estimate_priors(confusion: npt.ArrayLike, predicted_counts: npt.ArrayLike) -> Priors:
    """Estimates the shares of the classes from how often each class was answered, [classes].

    Black-box shift estimation (Lipton, Wang and Smola, 2018, https://arxiv.org/abs/1802.03916):
    solves C w = answered for the weights w, C the joint shares of answer and class in validation.
    `confusion` has counts, true classes in rows. Weights below 0 become 0. Where C is singular, the
    smallest change is taken: classes that the model does not tell apart keep their ratio. Raises
    `ValueError` unless there are counts, validation images of each class, and the shapes fit.
    """
    known, counts = np.asarray(confusion, np.float64), np.asarray(predicted_counts, np.float64)
    if counts.ndim != 1 or not counts.size or known.shape != (counts.size, counts.size):
        raise ValueError("pass a confusion matrix [classes, classes] and counts [classes]")
    finite = np.isfinite(counts.sum() + known.sum()) and min(counts.min(), known.min()) >= 0
    if not (finite and counts.sum() > 0 and known.sum(axis=1).min() > 0):
        raise ValueError("counts must be >= 0, with an answer and images of each class among them")
    joint, answered, usual = known.T / known.sum(), counts / counts.sum(), known.sum(axis=0)
    change = np.linalg.pinv(joint, rcond=_NO_DIFFERENCE) @ (answered - joint.sum(axis=1))
    before = joint.sum(axis=0)
    now = before * np.maximum(1 + change, 0)
    now /= now.sum()
    seen, ratio = usual + counts > 0, math.sqrt(counts.sum() / usual.sum())
    terms = (usual * ratio - counts / ratio)[seen] ** 2 / (usual + counts)[seen]
    return Priors(tuple(now.tolist()), tuple((now / before).tolist()), float(terms.sum()))


def detect(known: dict[str, Any], window: npt.ArrayLike) -> Shift:
    """Says whether the images of a window come from where the validation images came from.

    `known` is a `baseline`, `window` rows of `statistics`, [n, 6 + classes]. Fewer images than
    `SIZES[0]` raise no alarm. Raises `ValueError` for a window that is empty, of another width or
    not finite.
    """
    rows, sizes = np.asarray(window, np.float64), known["window_sizes"]
    if rows.ndim != 2 or rows.shape[1] != len(known["means"]) or not len(rows):
        wanted = f"[n, {len(known['means'])}] with an image at the least"
        raise ValueError(f"pass rows of `statistics`, {wanted}, not {list(rows.shape)}")
    if not np.isfinite(rows).all():
        raise ValueError("the window has values that are not finite: leave those rows out")
    size, difference, scores, thresholds = len(rows), rows.mean(axis=0) - known["means"], {}, {}
    factor = size / (1 + size / known["images"])  # both means vary: 1/size and 1/images
    for test, projection in known["projections"].items():
        scores[test] = factor * float(((difference @ np.array(projection)) ** 2).sum())
        limits = known["thresholds"][test]
        thresholds[test] = float(np.interp(math.log(size), np.log(sizes), limits))
    answers = rows[:, len(STATISTICS) :].argmax(axis=1)
    counts = np.bincount(answers, minlength=len(known["priors"]))
    priors = estimate_priors(known["confusion"], counts)
    raised = [test for test in scores if size >= sizes[0] and scores[test] > thresholds[test]]
    kind: Any = raised[0] if raised else "none"  # a covariate shift often raises both
    found = "no sign of a shift" if size >= sizes[0] else f"too few to tell, it takes {sizes[0]}"
    if kind == "covariate":
        most = int(np.argmax(np.abs(difference) / np.maximum(known["deviations"], _ROUNDING)))
        name, old = known["statistics"][most], known["means"][most]
        found = f"they look different, most in {name}: {old + difference[most]:.3g}, was {old:.3g}"
    elif kind == "label":
        most = int(np.argmax(np.abs(np.subtract(priors.priors, known["priors"]))))
        old, new = known["priors"][most], priors.priors[most]
        found = f"other shares of the classes, most of class {most}: {new:.2f}, was {old:.2f}"
    figures = [f"{test} {scores[test]:.1f} (limit {thresholds[test]:.1f})" for test in scores]
    reason = f"{size} images: {found}; {', '.join(figures)}"
    return Shift(kind, size, scores, thresholds, priors, reason)
