"""Checks of own data, the same for pictures in folders and for arrays: errors and doubts."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from vitrine_training.data.idx import DataError
from vitrine_training.data.own.examples import PARTS, OwnData
from vitrine_training.data.own.files import listed
from vitrine_training.data.own.labels import MOST_CLASSES

FEW = 20
"""Pictures of a class below which its figures say little."""

_BLOCK_ROWS = 256
_HELD_OUT = ("validation", "test")


def checked(data: OwnData) -> OwnData:
    """Returns data that a classifier can learn from, with notes about what is doubtful in it.

    Raises `DataError` where nothing can be learnt: no pictures, one class, a class that is in a
    held-out part only, labels out of range, parts that do not go together.
    """
    _check_parts(data)
    _check_classes(data)
    _check_counts(data)
    return replace(data, notes=(*data.notes, *_doubts(data)))


def _check_parts(data: OwnData) -> None:
    parts = data.parts
    if not sum(map(len, parts.values())):
        raise DataError(f"{data.source} has no pictures: put some there, or name another place")
    if unknown := set(parts) - set(PARTS):
        raise DataError(f"{data.source} has the part {listed(sorted(unknown))}, which is unknown")
    if "all" in parts and len(parts) > 1:
        held = listed(part for part in parts if part != "all")
        raise DataError(f"{data.source} has pictures of no part beside those of {held}: sort them")
    if "all" not in parts and "train" not in parts:
        raise DataError(f"{data.source} has {listed(parts)} and nothing to train on: add train")
    if empty := [part for part, examples in parts.items() if not len(examples)]:
        raise DataError(f"{data.source} has no pictures in {listed(empty)}: fill or remove it")
    sizes = {part: examples.images.shape[1:] for part, examples in parts.items()}
    if len(set(sizes.values())) > 1:
        each = ", ".join(f"{part} {'x'.join(map(str, size))}" for part, size in sizes.items())
        raise DataError(
            f"{data.source} has pictures of more than one shape ({each}): make them one"
        )


def _check_classes(data: OwnData) -> None:
    count = len(data.classes)
    for part, examples in data.parts.items():
        lowest, highest = int(examples.labels.min()), int(examples.labels.max())
        if lowest < 0 or highest >= count:
            wrong = lowest if lowest < 0 else highest
            raise DataError(
                f"{data.source} has the class id {wrong} in {part}, which is out of range: "
                f"0 to {count - 1} are classes"
            )
    if count > MOST_CLASSES:
        raise DataError(
            f"{data.source} has {count:,} classes, and {MOST_CLASSES:,} are the most: merge some"
        )
    if len(set(data.classes)) < count:
        twice = sorted({name for name in data.classes if data.classes.count(name) > 1})
        raise DataError(f"{data.source} has two classes called {listed(twice)}: rename one")


def _check_counts(data: OwnData) -> None:
    counts = _counts(data)
    learnt = counts["all" if "all" in counts else "train"]
    for part in _HELD_OUT:
        if part in counts and (only := _classes(data, (counts[part] > 0) & (learnt == 0))):
            raise DataError(
                f"{data.source} has {_class(only)} in {part} only: "
                "put some of its pictures into train, or leave it out"
            )
    present = _classes(data, learnt > 0)
    if len(present) == 1:
        raise DataError(
            f"{data.source} has one class ({listed(present)}) to learn: two are the least"
        )


def _doubts(data: OwnData) -> Iterable[str]:
    counts = _counts(data)
    learnt = "all" if "all" in counts else "train"
    if few := _classes(data, (counts[learnt] < FEW) & (counts[learnt] > 0)):
        yield f"{_class(few)}: fewer than {FEW} pictures to learn from, so figures of it say little"
    if none := _classes(data, counts[learnt] == 0):
        yield f"{_class(none)}: no pictures at all, so no picture will be taken for it"
    for part in _HELD_OUT:
        if part in counts and (
            missing := _classes(data, (counts[part] == 0) & (counts[learnt] > 0))
        ):
            yield f"{_class(missing)}: no pictures in {part}, so nothing is measured of it there"
    if all(_has_one_level(examples.images) for examples in data.parts.values()):
        yield "all pixels of all pictures have one level, so there is nothing to tell them by"


def _has_one_level(images: npt.NDArray[np.uint8]) -> bool:
    """Tells whether all pixels are the same; of most pictures the first block is enough to read."""
    blocks = (images[at : at + _BLOCK_ROWS] for at in range(0, len(images), _BLOCK_ROWS))
    return all(bool((block == images[0].flat[0]).all()) for block in blocks)


def _counts(data: OwnData) -> dict[str, npt.NDArray[np.int64]]:
    """Returns the number of pictures by part, in it by class id."""
    return {
        part: np.bincount(examples.labels, minlength=len(data.classes))
        for part, examples in data.parts.items()
    }


def _classes(data: OwnData, chosen: npt.NDArray[np.bool_]) -> list[str]:
    return [name for name, taken in zip(data.classes, chosen, strict=True) if taken]


def _class(names: list[str]) -> str:
    return f"the {'class' if len(names) == 1 else 'classes'} {listed(names)}"
