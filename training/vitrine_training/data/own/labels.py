"""Labels of arrays: numbers or names, from which classes and class ids are made."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from vitrine_training.data.idx import DataError
from vitrine_training.data.own.files import cut

MOST_CLASSES = 1_000
MOST_LABEL = 1_000_000_000
MOST_NAME = 200
"""Characters of a label that is a name."""

Place = Callable[[int], str]
"""Words for the place of a row's label, as "line 7"."""

ClassIds = dict[str, npt.NDArray[np.int64]]
"""Class ids by part."""


def as_labels(array: npt.NDArray[np.generic], name: str) -> npt.NDArray[np.generic]:
    """Returns labels as [n], int64 or text. Raises `DataError` where they are none."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        shape = ", ".join(map(str, array.shape))
        raise DataError(
            f"{name} has the shape [{shape}]: labels are [n], one number or name a picture "
            "(of one-hot rows, take argmax(axis=1) first)"
        )
    place: Place = lambda row: f"{name}[{row}]"  # noqa: E731
    if array.dtype.kind == "S":
        array = _decoded(array, place)
    if array.dtype.kind == "U":
        return text_labels(array, place)
    if array.dtype.kind not in "buif":
        raise DataError(f"{name} has no labels but {array.dtype}: save whole numbers, or names")
    return _numbers(array, place)


def text_labels(texts: npt.NDArray[np.generic], place: Place) -> npt.NDArray[np.generic]:
    """Returns labels that came as text: int64 where all are numbers, else names.

    Raises `DataError` where one is empty, or a number that is no label.
    """
    names = np.strings.strip(texts.astype(np.str_))
    lengths = np.strings.str_len(names)
    _refuse(lengths == 0, lambda row: f"{place(row)}: the label is empty")
    _refuse(
        lengths > MOST_NAME,
        lambda row: (
            f"{place(row)}: a label of {lengths[row]:,} characters, {MOST_NAME} are the most"
        ),
    )
    try:
        return _numbers(names.astype(np.float64), place)
    except ValueError:  # names, or at least one
        return names


def _decoded(array: npt.NDArray[np.generic], place: Place) -> npt.NDArray[np.generic]:
    try:
        return np.strings.decode(array.astype(np.bytes_), "utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"{place(0)} and others: the names are not in UTF-8") from error


def _numbers(array: npt.NDArray[np.generic], place: Place) -> npt.NDArray[np.int64]:
    """Returns numbers as int64; raises `DataError` of the first that is no label."""
    with np.errstate(all="ignore"):  # NaN and infinity are refused below
        values = array.astype(np.float64)
    _refuse(
        ~np.isfinite(values) | (values != np.rint(values)),
        lambda row: f"{place(row)}: the label {array[row]} is no whole number",
    )
    _refuse(
        (values < 0) | (values > MOST_LABEL),
        lambda row: (
            f"{place(row)}: the label {values[row]:.0f} is out of range: "
            f"0 to {MOST_LABEL:,} are labels"
        ),
    )
    return array.astype(np.int64)


def _refuse(wrong: npt.NDArray[np.bool_], told: Callable[[int], str]) -> None:
    if wrong.any():
        raise DataError(told(int(wrong.argmax())))


def class_ids(labels: Mapping[str, npt.NDArray[np.generic]]) -> tuple[tuple[str, ...], ClassIds]:
    """Returns the classes of all parts and the class ids by part.

    Numbers are in numeric order and need not be without gaps; names are sorted. Raises `DataError`
    where some parts have numbers and others names, or there are too many classes.
    """
    kinds = {array.dtype.kind for array in labels.values() if len(array)}
    if len(kinds) > 1:
        parts = ", ".join(labels)
        raise DataError(f"labels are numbers in some of {parts} and names in others: save one kind")
    given = [array for array in labels.values() if len(array)]
    found = np.unique(np.concatenate(given)) if given else np.empty(0, np.int64)
    if len(found) > MOST_CLASSES:
        first = ", ".join(cut(str(label)) for label in found[:3])
        raise DataError(
            f"labels have {len(found):,} different values ({first}, …), and {MOST_CLASSES:,} "
            "classes are the most: check that they are labels"
        )
    ids = {part: np.searchsorted(found, array).astype(np.int64) for part, array in labels.items()}
    return tuple(str(label) for label in found), ids
