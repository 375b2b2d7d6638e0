"""Effect of feedback: how many pictures a new version and the one before get right."""

from pathlib import Path
from typing import Any, NamedTuple

from vitrine_training.publish import incumbent
from vitrine_training.publish.incumbent import Incomparable, Incumbent, Judge


class JudgedBy(NamedTuple):
    """Judge of pictures, the new version's score at them, and their number; a score counts the
    pictures that are right."""

    judge: Judge
    score: float
    pictures: int


class Effect(NamedTuple):
    """Pictures right in validation and among those flagged, `before` by the version before and
    `after` by the new one; `words` tell it in one sentence, `card` for the card."""

    words: str
    card: dict[str, Any]


def measure(
    models_dir: Path,
    model: str,
    validation: JudgedBy,
    flagged: JudgedBy,
    known: Incumbent | None,
) -> Effect:
    """Returns the effect; `known` is the incumbent with its score in validation, if one has that.

    A version that cannot be compared is told, and none is no fault, either.
    """
    after = {"validation": int(validation.score), "flagged": int(flagged.score)}
    of = {"validation": validation.pictures, "flagged": flagged.pictures}
    before, why = None, "there is no version before"
    try:
        found = _before(models_dir, model, validation.judge, flagged.judge, known)
    except Incomparable as error:
        why = f"version {error.version_dir.name} cannot be compared with: {error.reason}"
    else:
        if found:
            version, scores = found
            before = {"version": version, **scores}
            why = f"{_right(scores, of)} with version {version}"
    card = {"pictures": of, "before": before, "after": after}
    return Effect(f"{_right(after, of)}; {why}", card)


def _before(
    models_dir: Path, model: str, validation: Judge, flagged: Judge, known: Incumbent | None
) -> tuple[int, dict[str, int]] | None:
    """Returns the number of the version before, and its scores. Raises `Incomparable`."""
    at_flagged = incumbent.find(models_dir, model, flagged, _say_nothing)
    if at_flagged is None:
        return None
    if known is None or known.version_dir != at_flagged.version_dir:
        known = incumbent.find(models_dir, model, validation, _say_nothing)
    if known is None or known.version_dir != at_flagged.version_dir:
        return None  # another one came or went meanwhile
    scores = {"validation": int(known.score), "flagged": int(at_flagged.score)}
    return int(known.version_dir.name), scores


def _say_nothing(_: str) -> None:
    """The gate has told of damaged versions already."""


def _right(scores: dict[str, int], of: dict[str, int]) -> str:
    return (
        f"{scores['validation']:,} of {of['validation']:,} validation pictures right and "
        f"{scores['flagged']:,} of {of['flagged']:,} flagged ones"
    )
