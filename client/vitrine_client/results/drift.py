"""Drift report: whether the last images of a version look as those of its validation did.

Each dataclass is what `GET /v1/models/{model}/drift` answers (docs/drift.md), a member by the same
name.
"""

from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from vitrine_client.results import notebook
from vitrine_client.results.strict_json import plain

Kind = Literal["covariate", "label", "none", "unknown"]

MOVED = 0.05
"""A class whose share is this far from that of validation has moved, where a table says so."""


@dataclass(frozen=True)
class ClassShare:
    """Share of a class: in validation, among the answers, and as estimated from these."""

    label: str
    validation: float | None
    answered: float | None
    estimated: float | None

    @property
    def change(self) -> float:
        """How much larger the estimated share is than that of validation; 0 where one is not
        known."""
        if self.estimated is None or self.validation is None:
            return 0.0
        return self.estimated - self.validation


@dataclass(frozen=True)
class Statistic:
    """Mean of a figure of the images, in validation and now; `deviation` is how far these are
    apart, in standard deviations of a validation image."""

    name: str
    validation: float | None
    now: float | None
    deviation: float | None


@dataclass(frozen=True)
class VersionDrift:
    """Drift of one version: its kind, and why in words (`reason`).

    `scores` and `thresholds` are by test; an alarm is up where a score is over its threshold.
    `images` are in the window, which holds `window`; `since` is when the oldest came (ISO 8601).
    """

    version: int
    drift: Kind
    alarm: bool
    reason: str
    images: int
    window: int
    since: str | None
    scores: dict[str, float | None]
    thresholds: dict[str, float | None]
    classes: tuple[ClassShare, ...]
    statistics: tuple[Statistic, ...]

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Self:
        """Reads an entry of the gateway's answer. Raises what a mapping without it does."""
        kind = entry["drift"]
        if kind not in get_args(Kind):
            raise ValueError(f"{kind!r} is no kind of drift")
        return cls(
            version=int(entry["version"]),
            drift=kind,
            alarm=bool(entry["alarm"]),
            reason=str(entry["reason"]),
            images=int(entry["images"]),
            window=int(entry["window"]),
            since=entry["since"],
            scores=dict(entry["scores"]),
            thresholds=dict(entry["thresholds"]),
            classes=tuple(ClassShare(**one) for one in entry["classes"]),
            statistics=tuple(Statistic(**one) for one in entry["statistics"]),
        )

    def times_limit(self, test: str) -> float | None:
        """Returns the score of a test as a multiple of its threshold, None where either is not
        known."""
        score, threshold = self.scores.get(test), self.thresholds.get(test)
        return None if score is None or not threshold else score / threshold

    def moved(self) -> list[ClassShare]:
        """Returns the classes that have moved by `MOVED` or more, the farthest first."""
        far = [one for one in self.classes if abs(one.change) >= MOVED]
        return sorted(far, key=lambda one: -abs(one.change))


@dataclass(frozen=True)
class DriftReport:
    """Drift of the AVAILABLE versions of a model, newest first. Notebooks show it as a table."""

    model: str
    versions: tuple[VersionDrift, ...]

    @classmethod
    def from_json(cls, answer: dict[str, Any]) -> Self:
        """Reads the gateway's answer; raises as `VersionDrift.from_json` does."""
        return cls(answer["model"], tuple(map(VersionDrift.from_json, answer["versions"])))

    @property
    def alarm(self) -> bool:
        """Whether an alarm is up for any of the versions."""
        return any(one.alarm for one in self.versions)

    def to_dict(self) -> dict[str, Any]:
        """Returns what JSON can hold: the members by name."""
        members: dict[str, Any] = plain(self)
        return members

    def _repr_html_(self) -> str:
        return "".join(_as_html(self.model, one) for one in self.versions) or notebook.paragraph(
            f"{self.model} has no version that is AVAILABLE"
        )


def _as_html(model: str, one: VersionDrift) -> str:
    said = "alarm" if one.alarm else "no alarm"
    told = notebook.paragraph(f"{model}/{one.version}: {said}. {one.reason}")
    limits = [
        (test, f"{score:,.4g}", f"{one.thresholds.get(test) or 0:,.4g}")
        for test, score in one.scores.items()
        if score is not None
    ]
    shares = [
        notebook.Row(each.label, each.estimated, notebook.per_cent(each.validation))
        for each in one.classes
        if each.estimated is not None
    ]
    parts = [told]
    if limits:
        parts.append(notebook.table(("test", "score", "limit"), limits))
    if shares:
        parts.append(notebook.bars(("class", "share now", "", "in validation"), shares))
    return "".join(parts)
