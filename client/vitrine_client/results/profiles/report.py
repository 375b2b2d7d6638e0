"""Profile report: what pictures a version takes, and what is assumed of it, as a gateway says it.

Its JSON is the answer of `GET /v1/models/<model>/profile`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from vitrine_client.results import json_values
from vitrine_client.results.profiles.profile import (
    LABELS_MEMBER,
    MEMBERS,
    ModelProfile,
    read_members,
)
from vitrine_client.results.strict_json import JsonRecord


@dataclass(frozen=True)
class ProfileReport(JsonRecord):
    """Profile of a version of a model, and its labels in the order of class ids.

    `profile` is None where no picture can be sent to it, for a `reason`. `assumptions` are
    sentences on what nothing says of it, and how to say it.
    """

    model: str
    version: int
    profile: ModelProfile | None
    labels: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    reason: str = ""

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> Self:
        """Reads the gateway's answer; members of later profiles are left out. Raises as
        `json_values` does."""
        told = answer["profile"]
        profile, labels = (None, ()) if told is None else _read(json_values.members(told))
        return cls(
            model=json_values.text(answer["model"]),
            version=json_values.version(answer["version"]),
            profile=profile,
            labels=labels,
            assumptions=json_values.texts(answer["assumptions"]),
            reason=json_values.text(answer.get("reason", "")),
        )

    def to_dict(self) -> dict[str, Any]:
        """Returns the members as JSON holds them: labels are in the profile, which so can be saved
        as `profile.json`."""
        told = super().to_dict()
        labels = told.pop(LABELS_MEMBER)
        if told["profile"] is not None:
            told["profile"][LABELS_MEMBER] = labels
        return told


def in_words(assumptions: Iterable[str]) -> str:
    """Returns assumptions in one line: those together that are changed in the same way."""
    by_advice: dict[str, list[str]] = {}
    for sentence in assumptions:
        what, _, advice = sentence.partition(" assumed: ")
        by_advice.setdefault(advice, []).append(what)
    return "; ".join(
        f"{', '.join(each)} assumed: {advice}" if advice else ", ".join(each)
        for advice, each in by_advice.items()
    )


def _read(told: dict[str, Any]) -> tuple[ModelProfile, tuple[str, ...]]:
    members = read_members({name: told[name] for name in MEMBERS if name in told})
    sources = json_values.members(told["sources"])
    labels = members.pop(LABELS_MEMBER)
    named = {name: json_values.text(source) for name, source in sources.items()}
    return ModelProfile(**members, sources=named), labels
