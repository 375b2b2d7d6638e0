"""Plan of a sweep: the variants that are compared, and a run of each with every seed."""

import hashlib
import itertools
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vitrine_training.data.fashion_mnist import SIDE
from vitrine_training.models.recipes import MOST_EPOCHS, Recipe

_TOLD = ("model", "summary", "expected", "expected_s")
"""Members of a recipe that decide nothing of its training."""


@dataclass(frozen=True)
class Choice:
    """Value of a setting: as it was typed, as a recipe has it, and as `train` takes it."""

    setting: str
    text: str
    value: Any
    word: str

    def __str__(self) -> str:
        return f"{self.setting.replace('_', '-')}={self.text}"


@dataclass(frozen=True)
class Variant:
    """Recipe with settings, and with the size that pictures get; None where nobody said one."""

    name: str
    recipe: Recipe
    choices: tuple[Choice, ...] = ()
    size: int | None = None

    def __str__(self) -> str:
        size = [] if self.size is None else [f"size={self.size}"]
        return " ".join([self.name, *map(str, self.choices), *size])

    @property
    def words(self) -> list[str]:
        """Words of the command line of `vitrine-train train`, but data and seed."""
        size = [] if self.size is None else [f"--size={self.size}"]
        return [self.name, *size, *(choice.word for choice in self.choices)]

    @property
    def training(self) -> dict[str, Any]:
        """All that decides the training, but data and seed; plain JSON."""
        settings = {key: value for key, value in asdict(self.recipe).items() if key not in _TOLD}
        if self.is_given("epochs"):
            settings["least_steps"] = 0  # `train` adds epochs to those alone that nobody gave
        return {**settings, "size": self.size or SIDE}

    def is_given(self, setting: str) -> bool:
        """Whether somebody gave a setting."""
        return any(choice.setting == setting for choice in self.choices)

    def is_trained_by(self, settings: Mapping[str, Any]) -> bool:
        """Whether the settings of a card are those of its training. On own data `train` takes fewer
        rows for a step and more epochs than a recipe has, unless somebody gave the numbers."""
        wanted = json.loads(json.dumps(self.training))
        left = {key for key in wanted if settings.get(key) != wanted[key]} - {"size", "least_steps"}
        if wanted["least_steps"] and _is_between(wanted["epochs"], settings, "epochs", MOST_EPOCHS):
            left.discard("epochs")
        if not self.is_given("batch_size") and _is_between(
            1, settings, "batch_size", wanted["batch_size"]
        ):
            left.discard("batch_size")
        return not left

    @property
    def folder(self) -> str:
        """Name of the folder of its runs: another training has another one."""
        digest = hashlib.sha256(json.dumps(self.training, sort_keys=True).encode()).hexdigest()
        return f"{self.name}-{digest[:10]}"


@dataclass(frozen=True)
class SweepRun:
    """Training of a variant with a seed."""

    variant: Variant
    seed: int

    @property
    def path(self) -> Path:
        """Its folder, within that of the sweep."""
        return Path("runs") / self.variant.folder / f"seed-{self.seed}"

    def __str__(self) -> str:
        return f"{self.variant}, seed {self.seed}"


def _is_between(low: int, settings: Mapping[str, Any], name: str, high: int) -> bool:
    found = settings.get(name)
    return isinstance(found, int) and low <= found <= high


def count(*axes: Sequence[Any]) -> int:
    """Returns how many runs there are of all combinations."""
    return math.prod(map(len, axes))


def combined(
    choices: Sequence[Sequence[Choice]],
) -> list[tuple[Choice, ...]]:
    """Returns every combination of one choice of each setting."""
    return list(itertools.product(*choices))


def runs(variants: Sequence[Variant], seeds: Sequence[int]) -> list[SweepRun]:
    """Returns all runs: every variant with the first seed, then with the next, so that there is
    soon something to compare."""
    return [SweepRun(variant, seed) for seed in seeds for variant in variants]


def alike(variants: Sequence[Variant]) -> tuple[Variant, Variant] | None:
    """Returns two variants that are the same training; None where there are none."""
    seen: dict[str, Variant] = {}
    for variant in variants:
        known = seen.setdefault(json.dumps(variant.training, sort_keys=True), variant)
        if known is not variant:
            return known, variant
    return None
