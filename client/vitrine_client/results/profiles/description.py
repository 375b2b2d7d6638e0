"""Model description: what the signature `describe` of a version says."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from vitrine_client.results.predictions import distinct
from vitrine_client.results.profiles.profile import (
    FASHION_MNIST,
    MOST_LABELS,
    MOST_LETTERS,
    ModelProfile,
    ProfileError,
    read_members,
)

DESCRIBED = ("labels", "card", "profile")
"""Keys that the signature `describe` is asked for; the value of each is JSON, "" of one that a
version does not know."""

_SOURCES = FASHION_MNIST.sources
"""Of a profile that is said whole."""


@dataclass(frozen=True)
class Description:
    """Description of a version: its labels in the order of class ids, its card (JSON), and its
    profile.

    `members` are those of the profile that `describe` says, None where it says nothing of one.
    `profile` is None where they are not all; and where no picture can be sent to the version, for a
    `reason`.
    """

    labels: tuple[str, ...]
    card: dict[str, Any]
    profile: ModelProfile | None = FASHION_MNIST
    reason: str = ""
    members: Mapping[str, Any] | None = None

    @classmethod
    def from_outputs(cls, outputs: Mapping[str, npt.NDArray[Any]]) -> "Description":
        """Reads the outputs of the signature `describe`: `values`, string [n], one for each of
        `DESCRIBED`; or, of versions until November 2026, `labels`, string [classes], and `card`, a
        string. Raises `ValueError`, which says what is missing or is not as it should be."""
        labels, card, content = _looked_up(outputs) if "values" in outputs else _by_name(outputs)
        if not isinstance(card, dict):
            raise ValueError("a `card` that is no JSON object")
        if len(labels) > MOST_LABELS:
            raise ValueError(f"{len(labels):,} `labels`")
        named = distinct([_text(label[:MOST_LETTERS]) for label in labels])
        try:
            members = None if content is None else read_members(content)
        except ProfileError as error:
            return cls(named, card, None, f"its signature `describe` has no profile: {error}")
        return cls(named, card, _profile(named, card, members), members=members)


def _profile(
    labels: tuple[str, ...], card: dict[str, Any], members: Mapping[str, Any] | None
) -> ModelProfile | None:
    """Returns the profile that a version says whole: in its members, or, before there were any, as
    one that Vitrine trained, whose card has the shape of its inputs."""
    if not labels:
        return None
    if members is None:
        known = card.get("input_shape") == list(FASHION_MNIST.shape)
        return FASHION_MNIST if known else None
    if not _SOURCES.keys() <= members.keys():
        return None
    told = {name: members[name] for name in _SOURCES}
    profile = ModelProfile(**told, sources=_SOURCES)
    return FASHION_MNIST if profile.takes_the_same(FASHION_MNIST) else profile


def _looked_up(outputs: Mapping[str, npt.NDArray[Any]]) -> tuple[list[str], Any, Any]:
    values = outputs["values"]
    if values.shape != (len(DESCRIBED),):
        raise ValueError(f"no list of {len(DESCRIBED)} `values`")
    labels, card, profile = (_loaded(each) for each in values.tolist())
    if not isinstance(labels, list) or not all(isinstance(each, str) for each in labels):
        raise ValueError("`labels` that are no JSON list of texts")
    return labels, card, profile


def _by_name(outputs: Mapping[str, npt.NDArray[Any]]) -> tuple[list[str], Any, Any]:
    labels, card = outputs.get("labels"), outputs.get("card")
    if labels is None or labels.ndim != 1:
        raise ValueError("no list of `labels`")
    if not all(isinstance(each, bytes) for each in labels.tolist()):
        raise ValueError("`labels` that are no text")
    if card is None or card.size != 1:
        raise ValueError("no `card`")
    texts = [each.decode(errors="replace") for each in labels.tolist()]
    return texts, _loaded(card.item()), None


def _text(label: str) -> str:
    """Returns a label as UTF-8 has it: JSON's escapes can also be half a surrogate pair."""
    return label.encode(errors="replace").decode()


def _loaded(text: Any) -> Any:
    """Returns what JSON stands for, and None where it is none."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        return None
