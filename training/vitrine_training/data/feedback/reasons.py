"""Reasons for which flags are left out: how often each holds, and a few examples."""

from collections import Counter
from collections.abc import Iterable, Iterator
from enum import StrEnum

from vitrine_training.data.feedback.flags import FlaggedPicture

_EXAMPLES = 3


class Reason(StrEnum):
    """Reason to leave a flag out, as a card names it; `words` go behind a number of flags."""

    OTHER_MODEL = "other_model"
    CONTRADICTED = "contradicted"
    UNKNOWN_LABEL = "unknown_label"
    NOT_LOGGED = "not_logged"
    NO_PICTURE = "no_picture"
    BAD_PICTURE = "bad_picture"
    SEVERAL_PICTURES = "several_pictures"
    OTHER_SHAPE = "other_shape"
    HELD_OUT = "held_out"
    KNOWN = "known"

    @property
    def words(self) -> str:
        """The reason as a message has it."""
        return _WORDS[self]


_WORDS = {
    Reason.OTHER_MODEL: "of another model",
    Reason.CONTRADICTED: "of a picture that is flagged as two things",
    Reason.UNKNOWN_LABEL: "with a label that the data does not have",
    Reason.NOT_LOGGED: "not in the prediction log",
    Reason.NO_PICTURE: "logged without the picture (VITRINE_PREDICTION_LOG_IMAGES=1 keeps it)",
    Reason.BAD_PICTURE: "of something that could not be read as a picture",
    Reason.SEVERAL_PICTURES: "of a request id that came again with another picture",
    Reason.OTHER_SHAPE: "of a picture that does not have the data's shape",
    Reason.HELD_OUT: "of a picture that validation or test has, or one that is nearly the same",
    Reason.KNOWN: "of a picture that the training data has with that label already",
}


class LeftOut:
    """Flags that were left out, by reason."""

    def __init__(self) -> None:
        self.counts: Counter[Reason] = Counter()
        self._examples: dict[Reason, list[str]] = {}

    def add(self, reason: Reason, flags: Iterable[FlaggedPicture], detail: str = "") -> None:
        """Notes flags; a `detail` of a reason is told with its examples."""
        for flag in flags:
            self.counts[reason] += 1
            examples = self._examples.setdefault(reason, [])
            if len(examples) < _EXAMPLES:
                examples.append(f"{flag.words} ({detail})" if detail else flag.words)

    def told(self) -> Iterator[str]:
        """Yields a line for each reason, the most frequent first."""
        for reason, count in sorted(self.counts.items(), key=lambda each: (-each[1], each[0])):
            more = ", …" if count > len(self._examples[reason]) else ""
            yield f"{count:,} {reason.words}: {', '.join(self._examples[reason])}{more}"
