"""Model trial: what only a model's answers tell, found with two made-up pictures.

Asked the same twice, a model may answer otherwise, as one does that was exported with random layers
on (`Model.export` of Keras 3.15 leaves them so). Asked several at once, it may answer a picture
otherwise than alone, as with batch normalization in training mode. And the numbers that it answers
are shares of 1, or are not.
"""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vitrine_client.results.profiles.completion import Draft
from vitrine_client.results.profiles.profile import FREE_SIDES, ModelProfile, ProfileError

Array = npt.NDArray[Any]

FREE_SIDE = FREE_SIDES[0]
"""Pixels of a made-up picture's side where that is free."""

SAME = 32
"""Pictures in a call, all but one of them the same: random layers seldom treat those alike."""

_MOST_NUMBERS = 2**23
"""In a call: of the largest pictures there are fewer copies."""

_ABSOLUTE, _RELATIVE = 1e-4, 1e-3
"""How far answers may differ: other kernels sum in another order in larger batches."""

_SHARES_OFF = 0.01


class TrialCalls(NamedTuple):
    """Calls of a trial: the pictures of each, [n, ...], in the order in which they are made."""

    alone: Array
    copies: Array
    other: Array
    again: Array


def sides(draft: Draft) -> tuple[int, ...]:
    """Returns the sides of made-up pictures, where they are free, that are tried in turn."""
    profile = draft.preliminary()
    free = FREE_SIDES if None in profile.shape[:2] else FREE_SIDES[:1]
    rows = draft.rows or 1
    height, width = profile.shape[:2]

    def numbers(side: int) -> int:
        return rows * (height or side) * (width or side) * profile.channels

    return tuple(s for s in free if s == FREE_SIDE or numbers(s) <= _MOST_NUMBERS)


def levels(profile: ModelProfile, side: int = FREE_SIDE) -> Array:
    """Returns two made-up pictures, noise of all levels, uint8 [2, h, w] or [2, h, w, c], of a side
    where that is free."""
    height_width = [own or side for own in profile.shape[:2]]
    channels = [profile.channels] if len(profile.shape) == 3 else []
    return np.random.default_rng(0).integers(0, 256, (2, *height_width, *channels), np.uint8)


def calls(draft: Draft, pictures: Array) -> TrialCalls:
    """Returns the calls for two made-up pictures, [2, ...], as the model takes them. A model with a
    fixed number of rows gets so many."""
    one, other = pictures[:1], pictures[1:2]
    count = min(max(2, _MOST_NUMBERS // max(1, one.size)), SAME)
    copies = np.concatenate([one.repeat(count - 1, axis=0), other])
    if draft.rows:
        one, other = filled(one, draft.rows), filled(other, draft.rows)
        copies = filled(copies[-draft.rows :], draft.rows)
    return TrialCalls(one, copies, other, one)


def filled(rows: Array, count: int) -> Array:
    """Returns `count` rows: those that are missing are zeros, or the last one of encoded pictures
    again."""
    if rows.dtype.kind == "O":
        return np.concatenate([rows, rows[-1:].repeat(count - len(rows), axis=0)])
    return np.concatenate([rows, np.zeros((count - len(rows), *rows.shape[1:]), rows.dtype)])


def judged(asked: TrialCalls, answers: TrialCalls) -> tuple[dict[str, Any], int]:
    """Returns the members `kind` and `batchable`, and the number of classes, by what was answered
    to each of the calls; a model that refuses the `copies`, and so several pictures at once, has
    answered none of them. Raises `ProfileError` where the model answers at random, or no row of
    numbers for each picture."""
    refused = answers.copies.shape[:1] == (0,)
    for found, rows in zip(answers, asked, strict=True):
        _check_rows(found, 0 if refused and rows is asked.copies else len(rows))
    _check_widths([each for each in answers if len(each)])
    alone, copies, other, again = (np.asarray(each, np.float64) for each in answers)
    if not all(np.isfinite(each).all() for each in (alone, copies, other)):
        raise ProfileError("it answers numbers that are none (NaN or infinite)")
    last = min(SAME, len(copies)) - 1
    of_one = copies[:last] if last > 0 else copies[:0]
    if not _close(alone[:1], again[:1]) or not _close(of_one, of_one[:1]):
        raise ProfileError(
            "it answers otherwise when it is asked the same again, as one that was exported with "
            "random layers on; export it with `training=False`"
        )
    batchable = (
        not refused and _close(of_one, alone[:1]) and _close(copies[last : last + 1], other[:1])
    )
    rows = np.concatenate([alone[:1], other[:1]])
    return {"kind": kind_of(rows), "batchable": batchable}, alone.shape[1]


def _check_rows(found: Array, count: int) -> None:
    if count and (found.ndim != 2 or len(found) != count or not found.shape[1]):
        raise ProfileError(
            f"it answers shape {list(found.shape)} to {count} pictures, and not a row of numbers "
            "for each"
        )
    if found.dtype.kind in "OSUc":
        raise ProfileError("it answers texts or complex numbers, and not a row of numbers for each")


def _check_widths(answers: list[Array]) -> None:
    widths = sorted({each.shape[1] for each in answers})
    if len(widths) > 1:
        raise ProfileError(f"it answers rows of {widths[0]} numbers, and others of {widths[-1]}")


def _close(one: Array, other: Array) -> bool:
    return bool(np.all(np.abs(one - other) <= _ABSOLUTE + _RELATIVE * np.abs(other)))


def kind_of(rows: Array) -> str:
    """Returns the kind of answers, [n, classes], as far as their numbers tell it."""
    if rows.min() < 0 or rows.max() > 1 + _SHARES_OFF:
        return "logits"
    return "probabilities" if np.all(np.abs(rows.sum(axis=1) - 1) < _SHARES_OFF) else "scores"
