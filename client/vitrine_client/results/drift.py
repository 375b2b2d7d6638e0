"""Drift report: compares the last images of a version with those of its validation.

Each dataclass is the answer of `GET /v1/models/{model}/drift` (docs/drift.md), a member by the same
name.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, Self, get_args

from vitrine_client.results import json_values, notebook
from vitrine_client.results.strict_json import JsonRecord

DriftKind = Literal["covariate", "label", "none", "unknown"]

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
    `gateways` are those whose windows are judged as one.
    """

    version: int
    drift: DriftKind
    alarm: bool
    reason: str
    images: int
    window: int
    since: str | None
    scores: dict[str, float | None]
    thresholds: dict[str, float | None]
    classes: tuple[ClassShare, ...]
    statistics: tuple[Statistic, ...]
    gateways: int = 1

    @classmethod
    def from_json(cls, entry: dict[str, Any]) -> Self:
        """Reads an entry of the gateway's answer. Raises as `json_values` does."""
        kind = entry["drift"]
        if kind not in get_args(DriftKind):
            raise ValueError(f"{kind!r} is no kind of drift")
        return cls(
            version=json_values.version(entry["version"]),
            drift=kind,
            alarm=bool(entry["alarm"]),
            reason=json_values.text(entry["reason"]),
            images=json_values.whole(entry["images"]),
            window=json_values.whole(entry["window"]),
            since=None if entry["since"] is None else json_values.text(entry["since"]),
            scores=_figures(entry["scores"]),
            thresholds=_figures(entry["thresholds"]),
            classes=tuple(
                ClassShare(
                    json_values.text(one["label"]),
                    *_shares(one, "validation", "answered", "estimated"),
                )
                for one in json_values.items(entry["classes"])
            ),
            statistics=tuple(
                Statistic(
                    json_values.text(one["name"]), *_shares(one, "validation", "now", "deviation")
                )
                for one in json_values.items(entry["statistics"])
            ),
            gateways=json_values.whole(entry.get("gateways", 1)),  # of an older gateway: its own
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
class DriftReport(JsonRecord):
    """Drift of the AVAILABLE versions of a model, newest first. Notebooks show it as a table."""

    model: str
    versions: tuple[VersionDrift, ...]

    @classmethod
    def from_json(cls, answer: dict[str, Any]) -> Self:
        """Reads the gateway's answer; raises as `VersionDrift.from_json` does."""
        versions = map(VersionDrift.from_json, json_values.items(answer["versions"]))
        return cls(json_values.text(answer["model"]), tuple(versions))

    @property
    def alarm(self) -> bool:
        """Whether an alarm is up for any of the versions."""
        return any(one.alarm for one in self.versions)

    def _repr_html_(self) -> str:
        return "".join(_as_html(self.model, one) for one in self.versions) or notebook.paragraph(
            f"{self.model} has no version that is AVAILABLE"
        )


def _figures(named: Any) -> dict[str, float | None]:
    found = json_values.members(named)
    return {name: json_values.maybe(figure) for name, figure in found.items()}


def _shares(entry: dict[str, Any], *names: str) -> Iterator[float | None]:
    return (json_values.maybe(entry[name]) for name in names)


def _as_html(model: str, one: VersionDrift) -> str:
    said = "alarm" if one.alarm else "no alarm"
    told = notebook.paragraph(f"{model}/{one.version}: {said}. {one.reason}")
    limits = [
        (test, f"{score:,.4g}", f"{one.thresholds.get(test) or 0:,.4g}")
        for test, score in one.scores.items()
        if score is not None
    ]
    shares = [
        notebook.BarRow(each.label, each.estimated, notebook.per_cent(each.validation))
        for each in one.classes
        if each.estimated is not None
    ]
    parts = [told]
    if limits:
        parts.append(notebook.table(("test", "score", "limit"), limits))
    if shares:
        parts.append(notebook.bars(("class", "share now", "", "in validation"), shares))
    return "".join(parts)
