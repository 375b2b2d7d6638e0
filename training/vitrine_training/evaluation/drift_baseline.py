"""Drift baseline: figures and thresholds by which a server notices that its inputs have changed.

`baseline` goes into the model card. With it, and the `statistics` of the last images, the gateway
tells two of the text's three kinds of shift (docs/drift.md); concept shift shows in labels only.
Under *label shift* each class looks as before: the mean of the statistics moves within the space
that the classes' own means span. Under *covariate shift* the images change, and the mean leaves it.
So its distance from that of validation (Hotelling's T²) makes two tests. See also
https://arxiv.org/abs/1810.11953.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrine_client.results import drift_statistics
from vitrine_client.results.drift_statistics import MOST_CLASSES, STATISTICS
from vitrine_training.evaluation import drift_thresholds
from vitrine_training.evaluation.drift_thresholds import SIZES

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Images = Array | Sequence[Array]

MANY = 20
"""Images for each of the figures from which on mean and covariance are taken as known. With half as
many, up to 12 % of the windows of a model with two classes raised a server's alarm without shift
(the worst of twelve baselines: 84 %); with these it was less than 1 % for 2, 10 and 40 classes (the
worst: 4 %)."""

FEWEST = 7
"""Images for each of the figures, at least; what fewer than `MANY` can tell is in docs/drift.md, by
`python -m benchmarks.small_baselines`."""

_SHARES_OFF = 0.01
_WHITE = 255
_IMAGES_AT_A_TIME = 64


def statistics(images: Images, probabilities: Array) -> Floats:
    """Returns `drift_statistics` of images: levels 0..255, integers or floats, an array [n, h, w]
    or [n, h, w, channels], or an array for each image where their sizes differ.

    `probabilities` are [n, classes]: shares that sum to 1 in each row, or scores in 0..1. Raises
    `ValueError` where they do not fit together, are not finite or something else.
    """
    probabilities, count = np.asarray(probabilities), len(images)
    if probabilities.ndim != 2 or len(probabilities) != count or not probabilities.size:
        given = f"{_told(images)} and {probabilities.shape}"
        raise ValueError(f"pass images [n, height, width] and outputs [n, classes], not {given}")
    if not np.isfinite(probabilities).all():
        raise ValueError("probabilities are not finite: leave those images out")
    if not _are_shares(probabilities) and (probabilities.min() < 0 or probabilities.max() > 1):
        raise ValueError(
            "probabilities must sum to 1 in each row, and scores be in 0..1: apply softmax to "
            "logits first"
        )
    rows, brightest = np.empty((count, len(STATISTICS) + probabilities.shape[1])), 0.0
    for part, some in _in_parts(images):
        levels = _as_levels(some)
        brightest = max(brightest, 256 if some.dtype.kind == "u" else float(levels.max()))
        rows[part] = drift_statistics.statistics(levels, probabilities[part])
    if 0 < brightest <= 1:
        raise ValueError("images are levels 0..255, and these are in 0..1: multiply them by 255")
    return rows


def _told(images: Images) -> str:
    return str(images.shape) if isinstance(images, np.ndarray) else f"{len(images)} images"


def _are_shares(probabilities: Array) -> bool:
    return bool(np.abs(probabilities.sum(axis=1) - 1).max() <= _SHARES_OFF)


def _in_parts(images: Images) -> Iterator[tuple[slice, Array]]:
    """Yields the images some at a time, so that there are no large copies."""
    step = _IMAGES_AT_A_TIME if isinstance(images, np.ndarray) else 1
    for start in range(0, len(images), step):
        part = slice(start, start + step)
        yield part, np.asarray(images[part])


def _as_levels(images: Array) -> Array:
    """Returns uint8 as they are, and others as float32."""
    if images.dtype == np.uint8:
        return images
    levels = images.astype(np.float32)
    if not np.isfinite(levels).all():
        raise ValueError("pixels are not finite: leave those images out")
    if levels.size and (levels.min() < 0 or levels.max() > _WHITE):
        raise ValueError(f"images are levels 0..{_WHITE}, and these are not")
    return levels


def baseline(images: Images, probabilities: Array, labels: Array, seed: int = 0) -> dict[str, Any]:
    """Returns a server's baseline from the validation split, as plain JSON for the model card.

    Images and probabilities as for `statistics`; `labels` are the true class ids, [n]. `shape` is
    that of an image, None where their sizes differ. Figures that never vary in validation are not
    tested. The same `seed` gives the same thresholds. Raises `ValueError` where `statistics` does,
    for too many classes, unless each class has an image, and for so few images that a server would
    raise alarms by chance.
    """
    rows, labels = statistics(images, probabilities), np.asarray(labels)
    outputs = rows[:, len(STATISTICS) :]
    classes = outputs.shape[1]
    _check_count(len(rows), labels, classes)
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels.astype(np.int64), outputs.argmax(axis=1)), 1)
    names = [*STATISTICS, *(f"probability of class {one}" for one in range(classes))]
    measured = zip([*names, "confidence"], [*rows.T, outputs.max(axis=1)], strict=True)
    shown = ((name, np.histogram(values, bins=20)) for name, values in measured)
    projections = drift_thresholds.projections(rows, labels)
    return {
        "images": len(rows),
        "shape": _common_shape(images),
        "statistics": names,
        "means": _plain(rows.mean(axis=0)),
        "deviations": _plain(rows.std(axis=0)),
        "confusion": confusion.tolist(),
        "priors": _plain(confusion.sum(axis=1) / len(rows)),
        "projections": {test: _plain(one) for test, one in projections.items()},
        "window_sizes": list(SIZES),
        "thresholds": _thresholds(rows, labels, projections, seed),
        "histograms": {
            name: {"counts": counts.tolist(), "edges": _plain(edges)}
            for name, (counts, edges) in shown
        },
    }


def _check_count(images: int, labels: Array, classes: int) -> None:
    fewest = FEWEST * (len(STATISTICS) + classes)
    if classes > MOST_CLASSES:
        raise ValueError(f"{classes} classes, and at most {MOST_CLASSES} are watched for drift")
    if labels.shape != (images,) or set(np.unique(labels)) != set(range(classes)):
        raise ValueError(f"pass a class id for each image, with all of 0 to {classes - 1} in them")
    if images < fewest:
        raise ValueError(
            f"{images} images are too few to notice drift by: {classes} classes take {fewest}"
        )


def _thresholds(
    rows: Floats, labels: Array, projections: dict[str, Floats], seed: int
) -> dict[str, list[float]]:
    if len(rows) < MANY * rows.shape[1]:
        return drift_thresholds.of_few(rows, labels, seed)
    return drift_thresholds.of_many(rows - rows.mean(axis=0), projections, seed)


def _common_shape(images: Images) -> list[int] | None:
    """Returns the shape that all images have, None where their sizes differ."""
    shapes = {image.shape for image in map(np.asarray, images)}
    return list(shapes.pop()) if len(shapes) == 1 else None


def _plain(values: npt.ArrayLike) -> Any:
    """Returns (lists of) floats with six digits, which is enough and half as long."""
    array = np.asarray(values, np.float64)
    return float(f"{array:.6g}") if array.ndim == 0 else [_plain(one) for one in array]
