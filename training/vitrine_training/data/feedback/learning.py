"""Learning from feedback: the rows that flags add to a training part, and those that they relabel.

The first reason to leave a flag out counts: its model, what others say of the same picture, whether
that is logged, its shape, what others say of equal pixels, its label, and the parts of the data
that have it already.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from vitrine_client.results.predictions import distinct
from vitrine_training.data.feedback.budget import Budget
from vitrine_training.data.feedback.flags import FlaggedPicture, FlaggedPictures
from vitrine_training.data.feedback.logged import Logged, LoggedPicture
from vitrine_training.data.feedback.pngs import read_pixels
from vitrine_training.data.feedback.reasons import LeftOut, Reason
from vitrine_training.data.own.examples import Examples, checksum, row_digests
from vitrine_training.data.own.near_duplicates import beside_others
from vitrine_training.data.rows_on_disk import RowsOnDisk, as_array

MOST_KEYS = 100
"""Keys that a card names; it counts the others together."""

Rows = npt.NDArray[np.int64]
Arrays = tuple[npt.NDArray[np.uint8], npt.NDArray[Any]]
"""Images, uint8 [n, h, w] or [n, h, w, 3], and their class ids, [n]."""


@dataclass(frozen=True)
class BaseData:
    """Data that is trained on without feedback; `held_out` are the images of the other parts."""

    labels: Sequence[str]
    train: Arrays
    held_out: Sequence[npt.NDArray[np.uint8]]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of a picture."""
        return tuple(self.train[0].shape[1:])


@dataclass(frozen=True)
class Learning:
    """Pictures to learn from, and what becomes of the training part.

    `examples` are those used, by class and then by SHA-256 of their pixels. `train` is the training
    part with them: `added` are new rows at its end, `relabelled` rows have their label now.
    `changes` counts flags by key, label and answer; `card` is the card's member `feedback`.
    """

    examples: Examples
    train: Arrays
    added: int
    relabelled: int
    changes: Mapping[tuple[str, str, str], int]
    left_out: LeftOut
    card: Mapping[str, Any]


class _Picture:
    """Picture of some flags, which say that it is `label`."""

    def __init__(self, flags: list[FlaggedPicture], logged: LoggedPicture) -> None:
        self.flags, self.label = flags, flags[0].label
        self.logged = logged
        self.pixels = np.zeros(0, np.uint8)

    @property
    def digest(self) -> bytes:
        """SHA-256 of the pixels."""
        return hashlib.sha256(self.pixels.tobytes()).digest()

    @property
    def answered(self) -> str:
        """Labels that were answered; there are several where versions came to others."""
        return ", ".join(sorted(self.logged.answers))


def learn(model: str, flags: FlaggedPictures, logged: Logged, data: BaseData) -> Learning:
    """Returns what a model learns from feedback, which does not depend on the order of files.

    Raises `DataError` where the flagged pictures take too much memory.
    """
    left_out = LeftOut()
    labels = distinct(data.labels)
    agreed = _agreed(model, flags, left_out)
    decoded = _decoded(_logged(agreed, logged, left_out), data.shape, left_out)
    groups = _of_known_labels(_of_equal_pixels(decoded, left_out), labels, left_out)
    examples, equal, used = _new_rows(groups, labels, data, left_out)
    train, added, relabelled = _with_rows(data.train, examples, equal)
    card = {
        "rows_sha256": checksum(examples),
        "added": added,
        "relabelled": relabelled,
        "by_key": _most(Counter(flag.key for picture in used for flag in picture.flags)),
        "by_label": _by_label(examples, labels),
        "left_out": {str(reason): count for reason, count in sorted(left_out.counts.items())},
    }
    return Learning(examples, train, added, relabelled, _changes(used), left_out, card)


def _agreed(model: str, flags: FlaggedPictures, left_out: LeftOut) -> list[list[FlaggedPicture]]:
    """Returns the flags of each picture of a model of which nobody says something else."""
    pictures: dict[tuple[str, str, int], list[FlaggedPicture]] = defaultdict(list)
    for flag in flags.every:
        if flag.model == model:
            pictures[flag.picture].append(flag)
        else:
            left_out.add(Reason.OTHER_MODEL, [flag])
    found = []
    for each in pictures.values():
        if len({flag.label for flag in each}) > 1:
            left_out.add(Reason.CONTRADICTED, each)
        else:
            found.append(each)
    return found


def _logged(
    pictures: Iterable[list[FlaggedPicture]], logged: Logged, left_out: LeftOut
) -> Iterator[_Picture]:
    for each in pictures:
        found = logged.pictures.get(each[0].picture)
        if found is None:
            left_out.add(Reason.NOT_LOGGED, each)
        elif found.pngs:
            yield _Picture(each, found)
        else:
            left_out.add(Reason.BAD_PICTURE if found.bad else Reason.NO_PICTURE, each)


def _decoded(
    pictures: Iterable[_Picture], shape: tuple[int, ...], left_out: LeftOut
) -> Iterator[_Picture]:
    for each in pictures:
        try:
            pixels = [read_pixels(png, shape) for png in sorted(each.logged.pngs)]
        except ValueError as error:
            left_out.add(Reason.OTHER_SHAPE, each.flags, str(error))
            continue
        each.pixels = pixels[0]
        if any((other != each.pixels).any() for other in pixels[1:]):
            left_out.add(Reason.SEVERAL_PICTURES, each.flags)
        else:
            yield each


def _of_equal_pixels(pictures: Iterable[_Picture], left_out: LeftOut) -> list[list[_Picture]]:
    """Returns groups of equal pictures, without those that are flagged as two things. Raises
    `DataError` where too many are different."""
    groups: dict[bytes, list[_Picture]] = defaultdict(list)
    budget = Budget("the pixels of flagged pictures")
    for each in pictures:
        group = groups[each.digest]
        if group:
            each.pixels = group[0].pixels
        else:
            budget.take(each.pixels.nbytes)
        group.append(each)
    found = []
    for group in groups.values():
        if len({each.label for each in group}) > 1:
            for each in group:
                left_out.add(Reason.CONTRADICTED, each.flags)
        else:
            found.append(group)
    return found


def _of_known_labels(
    groups: Iterable[list[_Picture]], labels: Sequence[str], left_out: LeftOut
) -> list[list[_Picture]]:
    """Returns the groups whose label is one of the data's, by class and SHA-256 of their pixels."""
    found = []
    for group in groups:
        if group[0].label in labels:
            found.append(group)
        else:
            for each in group:
                left_out.add(Reason.UNKNOWN_LABEL, each.flags)
    return sorted(found, key=lambda group: (labels.index(group[0].label), group[0].digest))


def _new_rows(
    groups: list[list[_Picture]], labels: Sequence[str], data: BaseData, left_out: LeftOut
) -> tuple[Examples, Rows, list[_Picture]]:
    """Returns the examples that teach something, rows of the training part that equal them, as
    pairs of a row and an example, int64 [pairs, 2], and the pictures that they are of."""
    images = np.zeros((len(groups), *data.shape), np.uint8)
    for row, group in enumerate(groups):
        images[row] = group[0].pixels
        for each in group:
            each.pixels = images[row]  # once in memory
    ids = np.array([labels.index(group[0].label) for group in groups], np.int64)
    equal = _equal_rows(images, data.train[0])
    held_out, known = _held_out(images, data.held_out), _known(ids, equal, data.train[1])
    for row, group in enumerate(groups):
        if held_out[row] or known[row]:
            for each in group:
                left_out.add(Reason.HELD_OUT if held_out[row] else Reason.KNOWN, each.flags)
    kept = ~held_out & ~known
    equal = equal[kept[equal[:, 1]]]
    equal[:, 1] = (np.cumsum(kept) - 1)[equal[:, 1]]
    used = [each for group, is_kept in zip(groups, kept, strict=True) if is_kept for each in group]
    return Examples(images[kept], ids[kept]), equal, used


def _held_out(
    images: npt.NDArray[np.uint8], parts: Sequence[npt.NDArray[np.uint8]]
) -> npt.NDArray[np.bool_]:
    """Returns of each image, bool [n], whether a held-out part has it, or one that is near."""
    found = np.zeros(len(images), bool)
    for part in parts if len(images) else ():
        there = set(_digests(part))
        found |= np.array([digest in there for digest in _digests(images)], bool)
        found |= beside_others(images, part)
    return found


def _known(ids: Rows, equal: Rows, train_labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Returns of each example, bool [n], whether rows equal it, and all of them have its label."""
    agreeing, others = np.zeros((2, len(ids)), bool)
    same = train_labels[equal[:, 0]] == ids[equal[:, 1]]
    agreeing[equal[same, 1]] = True
    others[equal[~same, 1]] = True
    return agreeing & ~others


def _equal_rows(images: npt.NDArray[np.uint8], train: npt.NDArray[np.uint8]) -> Rows:
    places = {digest: place for place, digest in enumerate(_digests(images))}
    found = [
        (row, places[digest])
        for row, digest in enumerate(_digests(train) if places else ())
        if digest in places
    ]
    return np.array(found, np.int64).reshape(-1, 2)


def _digests(images: npt.NDArray[np.uint8]) -> list[bytes]:
    return [digest.tobytes() for digest in row_digests(images)]


def _with_rows(train: Arrays, examples: Examples, equal: Rows) -> tuple[Arrays, int, int]:
    """Returns the training part with the examples, how many rows are new, and how many rows have
    another label than before."""
    images, labels = train
    relabelled = labels.copy()
    relabelled[equal[:, 0]] = examples.labels[equal[:, 1]]
    changed = int((relabelled != labels).sum())
    new = np.ones(len(examples), bool)
    new[equal[:, 1]] = False
    rows = _joined(images, examples.images[new]) if new.any() else images
    ids = np.concatenate([relabelled, examples.labels[new].astype(labels.dtype)])
    return (rows, ids), int(new.sum()), changed


def _joined(images: npt.NDArray[np.uint8], more: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    if isinstance(images, RowsOnDisk):
        return as_array(RowsOnDisk([images, more]))
    return np.concatenate([images, more])


def _changes(used: Iterable[_Picture]) -> Counter[tuple[str, str, str]]:
    return Counter(
        (flag.key, flag.label, picture.answered) for picture in used for flag in picture.flags
    )


def _by_label(examples: Examples, labels: Sequence[str]) -> dict[str, int]:
    counts = np.bincount(examples.labels, minlength=len(labels)).tolist()
    return {label: count for label, count in zip(labels, counts, strict=True) if count}


def _most(counts: Counter[str]) -> dict[str, int]:
    """Returns the counts of the most frequent names, and the sum of the others behind them."""
    every = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    found = dict(every[:MOST_KEYS])
    if others := every[MOST_KEYS:]:
        found[f"{len(others):,} others"] = sum(count for _, count in others)
    return found
