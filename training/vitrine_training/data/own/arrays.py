"""Arrays of pictures and labels, brought into the one shape that all forms of own data have."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vitrine_training.data.idx import DataError
from vitrine_training.data.own.examples import PARTS, Examples, OwnData, checksum, ordered
from vitrine_training.data.own.labels import as_labels, class_ids
from vitrine_training.data.own.levels import as_levels
from vitrine_training.data.own.shapes import as_pictures


@dataclass(frozen=True)
class LabelledArrays:
    """Arrays of one part as a file has them: any numbers, any shape that pictures come in.

    `images_name` and `labels_name` are for messages: where each of the two is from.
    """

    images: npt.NDArray[np.generic]
    labels: npt.NDArray[np.generic]
    images_name: str
    labels_name: str


def from_arrays(
    found: Mapping[str, LabelledArrays],
    source: str,
    notes: tuple[str, ...] = (),
    names: Mapping[int, str] | None = None,
) -> OwnData:
    """Returns own data from the arrays of each part.

    `names` are those of the classes by label, where the labels are numbers whose meaning is known.
    Raises `DataError` where they are no pictures and their labels.
    """
    labels = {part: as_labels(each.labels, each.labels_name) for part, each in found.items()}
    for part, each in found.items():
        _check_counts(each, len(labels[part]))
    classes, ids = class_ids(labels)
    levels, told = as_levels({each.images_name: each.images for each in found.values()})
    parts = {}
    for part in (part for part in PARTS if part in found):
        each = found[part]
        images, assumed = as_pictures(levels[each.images_name], each.images_name)
        told += assumed
        parts[part] = ordered(Examples(images, ids[part]))
    return OwnData(
        classes if names is None else _named(classes, names),
        parts,
        (*notes, *told),
        {part: checksum(examples) for part, examples in parts.items()},
        source,
    )


def _check_counts(each: LabelledArrays, labels: int) -> None:
    if each.images.ndim < 2:
        raise DataError(
            f"{each.images_name} has {each.images.ndim} dimensions: "
            "pictures are [n, height, width], or [n, pixels]"
        )
    if len(each.images) != labels:
        raise DataError(
            f"{each.images_name} has {len(each.images):,} pictures, and {each.labels_name} "
            f"{labels:,} labels: save one label a picture"
        )


def _named(classes: tuple[str, ...], names: Mapping[int, str]) -> tuple[str, ...]:
    unknown = [label for label in classes if not label.isdecimal() or int(label) not in names]
    if unknown:
        raise DataError(
            f"label {unknown[0]} is out of range: {min(names)} to {max(names)} are labels of this "
            "data set"
        )
    return tuple(names[int(label)] for label in classes)
