"""One training run, from a recipe to a published version."""

import dataclasses
import platform
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version as package_version
from pathlib import Path

import keras

from vitrine_training import export, publish
from vitrine_training.data import LABELS, Dataset
from vitrine_training.fit import Epoch, best_of, fit, loss_and_accuracy
from vitrine_training.models import MODELS
from vitrine_training.recipes import Recipe


def train_and_publish(
    recipe: Recipe,
    dataset: Dataset,
    models_dir: Path,
    seed: int,
    on_epoch: Callable[[Epoch], None] = lambda _: None,
) -> tuple[Path, export.Card]:
    """Trains by `recipe` and returns the new version directory and its card.

    The test set is looked at once, after the last choice. Raises `OSError` where `models_dir`
    cannot be written; then nothing is published.
    """
    started = time.monotonic()
    keras.utils.set_random_seed(seed)
    model = MODELS[recipe.model](recipe)
    history = fit(model, recipe, dataset.train, dataset.validation, seed, on_epoch)
    card: export.Card = {
        "model": recipe.model,
        "recipe": dataclasses.asdict(recipe),
        "seed": seed,
        "labels": list(LABELS),
        "input_shape": [28, 28],
        "data": dataset.checksums,
        "packages": _packages(),
        "metrics": {
            "best_epoch": best_of(history).number,
            "validation_accuracy": round(best_of(history).validation_accuracy, 6),
            "test_accuracy": round(loss_and_accuracy(model, dataset.test)[1], 6),
        },
        "history": [dataclasses.asdict(epoch) for epoch in history],
        "trained_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "duration_s": round(time.monotonic() - started, 3),
    }

    def write(directory: Path, version: int) -> None:
        card["version"] = version
        export.write_version(directory, model, card, dataset.validation.images[:32])

    return publish.publish(models_dir, recipe.model, write), card


def _packages() -> dict[str, str]:
    names = ("tensorflow", "keras", "numpy")
    return {"python": platform.python_version()} | {name: package_version(name) for name in names}
