"""Splits of own data: train, validation and test, stratified by class, without leakage."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from vitrine_client.doctor.machine.machine import memory_bytes
from vitrine_training.data.idx import DataError
from vitrine_training.data.own.examples import (
    Examples,
    OwnData,
    checksum,
    row_digests,
    row_order,
)
from vitrine_training.data.own.files import listed
from vitrine_training.data.own.near_duplicates import Duplicates
from vitrine_training.data.rows_on_disk import RowsOnDisk, as_array

HELD_OUT = ("test", "validation")
"""Parts that are split off where they are not given, in this order."""

GLUED = 20
"""Near-duplicates that are parted where they are more than these, and most of their class."""

MEMORY_PARTS = 5
"""Training takes three to five times the pixels, so that those of a part of the memory fit."""

Rows = npt.NDArray[np.int64]


def split(
    data: OwnData,
    seed: int = 0,
    *,
    validation: float = 0.1,
    test: float = 0.15,
    most_bytes: int | None = None,
) -> OwnData:
    """Returns data that is `checked` in three parts: "train", "validation" and "test".

    A part that is given stays as it is. One that lacks is split off "all" or "train": that share of
    each class, and one picture at least where there are enough. The same pictures and seed give the
    same parts, in whatever order the rows are.

    Duplicates are in one part; where equal pictures have different labels, that is "train". Where
    near-duplicates are most of a class, they are parted, equal ones excepted, or nothing could be
    measured of it. Notes tell that, which classes are missing in a part, and how many pictures of a
    given part are in "train" too. Raises `DataError` where there are too few pictures.

    Pictures of more than `most_bytes`, a fifth of the memory unless it is given, are not copied:
    those of the parts are `RowsOnDisk`.
    """
    if not (validation > 0 and test > 0 and validation + test < 1):
        raise ValueError(f"shares are above 0, and below 1 together: not {validation} and {test}")
    table = _Table.of(data, memory_bytes() // MEMORY_PARTS if most_bytes is None else most_bytes)
    given = [part for part in HELD_OUT if part in data.parts]
    shares = {"test": test, "validation": validation}
    lacking = {part: shares[part] for part in HELD_OUT if part not in given}
    groups, glued = _groups(table)
    held = _held_out(table, groups, lacking, seed)
    parts = _parts(data, table, held)
    if empty := [part for part in lacking if not len(parts[part])]:
        raise DataError(
            f"{data.source} has too few pictures to split {listed(empty)} off: add pictures, three "
            "of a class that are no copies of one another, or a part of that name"
        )
    notes = [
        *_contradictions(data, table),
        *_parted(data, glued),
        *_missing(data, table, held),
        *_leakage(table, held, given),
    ]
    checksums = {part: checksum(examples) for part, examples in parts.items()}
    return replace(data, parts=parts, notes=(*data.notes, *notes), checksums=checksums)


@dataclass(frozen=True)
class _Table:
    """Rows of all parts one after the other.

    `images` and `labels` are theirs, `parts` the names of their parts. `pool` has the rows that are
    to be split, by label and then by pixels. `classes` is the number of classes.
    """

    images: npt.NDArray[np.uint8]
    labels: Rows
    parts: npt.NDArray[np.str_]
    pool: Rows
    duplicates: Duplicates
    classes: int

    @classmethod
    def of(cls, data: OwnData, most_bytes: int) -> "_Table":
        every = list(data.parts.values())
        images = every[0].images  # not copied where it is all
        if sum(examples.images.nbytes for examples in every) > most_bytes:
            images = as_array(RowsOnDisk([examples.images for examples in every]))
        elif len(every) > 1:
            images = np.concatenate([examples.images for examples in every])
        labels = np.concatenate([examples.labels for examples in every])
        parts = np.repeat(np.array(list(data.parts)), [len(examples) for examples in every])
        digests = row_digests(images)
        order = row_order(digests, labels)
        pool = order[np.isin(parts[order], ("all", "train"))]
        found = Duplicates.of(images, labels, digests)
        return cls(images, labels, parts, pool, found, len(data.classes))


def _groups(table: _Table) -> tuple[Rows, Rows]:
    """Returns the group of each row to be split, and the classes whose groups had to be parted."""
    duplicates = table.duplicates
    labels = table.labels[table.pool]
    groups = duplicates.groups()[table.pool]
    kinds, members = np.unique(np.stack([groups, labels]), axis=1, return_counts=True)
    most = (members > GLUED) & (2 * members > np.bincount(labels)[kinds[1]])
    if not most.any():
        return groups, kinds[1, most]
    parted = np.isin(groups, kinds[0, most])
    linked = np.ones(duplicates.count, bool)
    linked[duplicates.units[table.pool[parted]]] = False
    return duplicates.groups(linked)[table.pool], np.unique(kinds[1, most])


def _held_out(
    table: _Table, groups: Rows, shares: Mapping[str, float], seed: int
) -> dict[str, npt.NDArray[np.bool_]]:
    """Returns of each row to be split, bool [pool], whether it is in a held-out part, by part."""
    drawn = np.random.default_rng(seed)
    labels = table.labels[table.pool]
    mixed = np.isin(groups, _mixed(groups, labels))
    held = {part: np.zeros(len(groups), bool) for part in shares}
    for class_id in range(table.classes):
        rows = np.flatnonzero((labels == class_id) & ~mixed)
        if not len(rows):
            continue
        _, first, places, sizes = np.unique(
            groups[rows], return_index=True, return_inverse=True, return_counts=True
        )
        order = drawn.permutation(np.argsort(first))
        by_need = sorted(shares, key=lambda part: int(held[part].sum()))
        wanted = {
            part: max(1, round(float(shares[part] * np.sum(labels == class_id))))
            for part in sorted(by_need[: len(sizes) - 1], key=HELD_OUT.index)
        }
        for part, taken in _taken(order.tolist(), sizes.tolist(), wanted).items():
            held[part][rows[np.isin(places, taken)]] = True
    return held


def _mixed(groups: Rows, labels: Rows) -> Rows:
    """Returns the groups that have more than one label."""
    kinds = np.unique(np.stack([groups, labels]), axis=1)[0]
    found, times = np.unique(kinds, return_counts=True)
    return found[times > 1]


def _taken(order: list[int], sizes: list[int], wanted: Mapping[str, int]) -> dict[str, list[int]]:
    """Returns the groups of one class that each part takes, of those in a drawn order.

    A part takes groups until it has the pictures wanted of it, or the smallest one where all are
    larger. At least one is left for each later part, and for "train".
    """
    taken: dict[str, list[int]] = {}
    for later, (part, most) in enumerate(wanted.items(), 1 - len(wanted)):
        chosen: list[int] = []
        spare, count = len(order) - 1 + later, 0
        for group in order:
            if len(chosen) < spare and count + sizes[group] <= most:
                chosen.append(group)
                count += sizes[group]
        taken[part] = chosen or [min(order, key=sizes.__getitem__)]
        left = set(order).difference(taken[part])
        order = [group for group in order if group in left]
    return taken


def _parts(
    data: OwnData, table: _Table, held: Mapping[str, npt.NDArray[np.bool_]]
) -> dict[str, Examples]:
    if isinstance(table.images, RowsOnDisk):
        data = replace(data, parts=_on_disk(data))
    if not held:
        return {part: data.parts[part] for part in ("train", "validation", "test")}
    rest = ~np.any(list(held.values()), axis=0)
    rows = {part: table.pool[chosen] for part, chosen in ({"train": rest} | dict(held)).items()}
    return {
        part: Examples(_taken_rows(table.images, rows[part]), table.labels[rows[part]])
        if part in rows
        else data.parts[part]
        for part in ("train", "validation", "test")
    }


def _on_disk(data: OwnData) -> dict[str, Examples]:
    return {
        part: replace(examples, images=as_array(RowsOnDisk([examples.images])))
        for part, examples in data.parts.items()
    }


def _taken_rows(images: npt.NDArray[np.uint8], rows: Rows) -> npt.NDArray[np.uint8]:
    return as_array(images.taken(rows)) if isinstance(images, RowsOnDisk) else images[rows]


def _contradictions(data: OwnData, table: _Table) -> Iterator[str]:
    units = table.duplicates.units
    unclear = np.isin(units, _mixed(units, table.labels))
    if unclear.any():
        names = [data.classes[label] for label in np.unique(table.labels[unclear])]
        yield (
            f"{unclear.sum():,} pictures are equal to one of another class, so some labels are "
            f"wrong ({listed(names)})"
        )


def _parted(data: OwnData, glued: Rows) -> Iterator[str]:
    if len(glued):
        yield (
            f"most pictures are near-duplicates of one another in {_named(data, glued)}: equal "
            "ones alone are kept in one part, so figures of it may be too good"
        )


def _missing(
    data: OwnData, table: _Table, held: Mapping[str, npt.NDArray[np.bool_]]
) -> Iterator[str]:
    labels = table.labels[table.pool]
    for part, chosen in held.items():
        missing = np.setdiff1d(labels, labels[chosen])
        if len(missing):
            yield (
                f"too few pictures that are no copies of one another to have one in {part}: "
                f"{_named(data, missing)}"
            )


def _leakage(
    table: _Table, held: Mapping[str, npt.NDArray[np.bool_]], given: list[str]
) -> Iterator[str]:
    trained = np.zeros(len(table.labels), bool)
    trained[table.pool] = True
    for chosen in held.values():
        trained[table.pool[chosen]] = False
    seen = table.duplicates.beside(trained)
    for part in given:
        rows = table.parts == part
        if count := int(seen[rows].sum()):
            yield (
                f"{count:,} of {rows.sum():,} pictures in {part} are equal to ones in train or "
                "near-duplicates of them, so its figures are too good"
            )


def _named(data: OwnData, ids: Rows) -> str:
    return listed(data.classes[class_id] for class_id in ids)


def imbalance_ratio(data: OwnData) -> float:
    """Returns how many times as many pictures the largest class has as the smallest.

    Classes without a picture to learn from do not count.
    """
    counts, large, small = _extremes(data)
    return float(counts[large] / counts[small])


def imbalance(data: OwnData) -> str:
    """Returns the same in words, with the names of the two classes."""
    counts, large, small = _extremes(data)
    if counts[large] == counts[small]:
        return f"{counts[large]:,} pictures of each class"
    return (
        f"{counts[large]:,} pictures of {listed([data.classes[large]])}, {counts[small]:,} of "
        f"{listed([data.classes[small]])}: {counts[large] / counts[small]:.3g} : 1"
    )


def _extremes(data: OwnData) -> tuple[Rows, int, int]:
    """Returns the pictures of each class, and the ids of the largest class and of the smallest."""
    labels = data.parts["all" if "all" in data.parts else "train"].labels
    counts = np.bincount(labels, minlength=len(data.classes))
    present = np.flatnonzero(counts)
    found = counts[present]
    return counts, int(present[found.argmax()]), int(present[found.argmin()])
