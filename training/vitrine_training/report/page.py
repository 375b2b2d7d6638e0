"""Report on a published version: one page on its recipe, its accuracy and its errors.

The page is one file that asks nothing of any other host and runs no script.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from vitrine_client.look import reports
from vitrine_training.data.fashion_mnist import SIDE, Split
from vitrine_training.evaluation import robustness
from vitrine_training.evaluation.metrics import Evaluation, answers, at_bound, evaluate
from vitrine_training.models.recipes import SETTINGS
from vitrine_training.report import plots

MISTAKES = 24
FILTERS = 64
EXAMPLES = 3
MATRIX = 30
"""How many are shown, at most."""

_MEANINGS = {
    "architecture": "Which layers there are.",
    "expected": "Lowest and highest test accuracy to expect.",
    "keep": "Which epoch’s weights are published.",
    "least_steps": "Steps of a run on own data, at least: few rows get more epochs.",
}
"""Of the members of a recipe that are no settings; those of the settings are with them."""

_NUMBER = (int, float)
_CARD = {
    "model": str,
    "version": int,
    "recipe": dict,
    "seed": int,
    "labels": list,
    "data": dict,
    "packages": dict,
    "revision": (str, type(None)),
    "metrics": dict,
    "verdict": dict,
    "history": list,
    "trained_at": str,
    "duration_s": _NUMBER,
}
_METRICS = {"kept_epoch": int, "validation_accuracy": _NUMBER, "temperature": _NUMBER}
_VERDICT = {"word": str, "reason": str}
_ROBUSTNESS = {"plain": _NUMBER, "images": int, "pictures": int, "limits": list}
_EPOCH = {
    "number": int,
    "train_loss": _NUMBER,
    "train_accuracy": _NUMBER,
    "validation_loss": _NUMBER,
    "validation_accuracy": _NUMBER,
}
"""Members of a card that the page needs, and their types."""


_Cell = tuple[int, str, float]
"""Of the confusion matrix: images, kind, strength of the colour."""


def write(version_dir: Path, test: Split, path: Path) -> Path:
    """Evaluates a published version on `test`, writes its page to `path` and returns `path`.

    The page is whole or absent, and the same for the same version and images. Raises `ValueError`
    where the version is no classifier or its card is malformed, and `OSError` where the
    page can't be written.
    """
    card = read_card(version_dir / "assets.extra" / "card.json")
    evaluation = evaluate(version_dir, test)
    examples = _examples(version_dir, card, test)
    page = render(card, evaluation, test, examples, _variables(version_dir))
    return reports.write(path, page)


def _variables(version_dir: Path) -> list[tf.Variable]:
    """Returns the variables that were trained, first layer first: those of the signature, as the
    loaded object itself has no variables where they are on disk once."""
    loaded = tf.saved_model.load(str(version_dir))  # its variables end with it
    served = loaded.signatures["serving_default"]
    return [variable for variable in served.variables if variable.trainable]


def read_card(path: Path) -> dict[str, Any]:
    """Returns the model card of a classifier; raises `ValueError`, which names the file."""
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is no model card: {error}") from error
    if isinstance(card, dict) and card.get("labels") == []:
        raise ValueError(f"{path} has no labels: reports are for classifiers")
    _check(path, "the card", card, _CARD)
    _check(path, "metrics", card["metrics"], _METRICS)
    _check(path, "verdict", card["verdict"], _VERDICT)
    if "robustness" in card:  # cards of before have none
        _check(path, "robustness", card["robustness"], _ROBUSTNESS)
    for epoch in card["history"]:
        _check(path, "an epoch of history", epoch, _EPOCH)
    if card["metrics"]["kept_epoch"] not in [epoch["number"] for epoch in card["history"]]:
        raise ValueError(f"{path}: kept_epoch is not in history")
    return dict(card)


def _check(path: Path, where: str, members: Any, kinds: Mapping[str, Any]) -> None:
    for name, kind in kinds.items():
        if not isinstance(members, dict) or name not in members:
            raise ValueError(f"{path}: {where} has no {name}")
        if not isinstance(members[name], kind):
            raise ValueError(f"{path}: {name} in {where} can't be {members[name]!r}")


def render(
    card: dict[str, Any],
    evaluation: Evaluation,
    test: Split,
    examples: list[dict[str, Any]],
    variables: list[tf.Variable],
) -> str:
    """Returns the page; `variables` are those that were trained, first layer first, and `examples`
    go with the table of robustness."""
    environment = reports.environment("vitrine_training.report")
    accuracy = f"{evaluation.accuracy:.4f} of the test set right, {card['verdict']['word']}"
    title = f"{card['model']}/{card['version']}"
    temperature = card["metrics"]["temperature"]
    return environment.get_template("report.html").render(
        about=reports.About("training report", title, accuracy, card["trained_at"]),
        card=card,
        evaluation=evaluation,
        uncalibrated=Evaluation(evaluation.logits * np.float32(temperature), evaluation.labels),
        interval=plots.binomial_interval(evaluation.accuracy, len(test)),
        parameters=sum(int(np.prod(variable.shape)) for variable in variables),
        duration=_duration(card["duration_s"]),
        trained_at=_moment(card["trained_at"]),
        matrix=_matrix(evaluation, card["labels"]) if len(card["labels"]) <= MATRIX else [],
        confused=_most_confused(evaluation, card["labels"]),
        mistakes=_mistakes(evaluation, test, card["labels"]),
        robustness=_robustness(card),
        examples=examples,
        moved_px=robustness.MOVED_PX,
        turned_degrees=robustness.TURNED_DEGREES,
        settings=_settings(card["recipe"]),
        pictures=_weights(card, variables),
        feedback=_feedback(card.get("feedback")),
        at_bound=at_bound(temperature),
        plots=plots,
    )


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def _moment(text: str) -> str:
    try:
        return f"{datetime.fromisoformat(text).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    except ValueError:
        return text


def _matrix(evaluation: Evaluation, labels: list[str]) -> list[tuple[str, list[_Cell]]]:
    """Each true class with its images by the answer they got, right, wrong or none. How strongly a
    number is coloured, 0..1, is the square root of its share of the row: rare mistakes show."""
    counts = evaluation.confusion
    strengths = np.sqrt(counts / np.maximum(counts.sum(axis=1, keepdims=True), 1))
    kinds = np.where(np.eye(len(counts), dtype=bool), "right", "wrong")
    kinds[counts == 0] = "none"
    rows = zip(labels, counts, kinds, strengths, strict=True)
    return [(label, list(zip(*map(np.ndarray.tolist, row), strict=True))) for label, *row in rows]


def _most_confused(evaluation: Evaluation, labels: list[str]) -> tuple[str, str, int] | None:
    """The class and the wrong answer that came together most often, and how often."""
    wrong = evaluation.confusion
    np.fill_diagonal(wrong, 0)
    true, answered = np.unravel_index(wrong.argmax(), wrong.shape)
    count = int(wrong[true, answered])
    return (labels[true], labels[answered], count) if count else None


def _mistakes(evaluation: Evaluation, test: Split, labels: list[str]) -> list[dict[str, Any]]:
    """The wrong answers that the model was surest of, surest first."""
    confidence = evaluation.probabilities.max(axis=1)
    wrong = np.flatnonzero(evaluation.class_ids != evaluation.labels)
    surest = wrong[np.argsort(-confidence[wrong], kind="stable")][:MISTAKES]
    return [
        {
            "picture": plots.png(test.images[row]),
            "row": int(row),
            "true": labels[evaluation.labels[row]],
            "answered": labels[evaluation.class_ids[row]],
            "confidence": float(confidence[row]),
        }
        for row in surest
    ]


def _robustness(card: dict[str, Any]) -> list[tuple[str, float]]:
    """Names and shares of right answers, the views first, then each group of hard pictures."""
    found = card.get("robustness", {})
    views = [(name, float(found[name])) for name in robustness.VIEWS if name in found]
    groups = [(f"hard pictures: {name}", share) for name, share in found.get("by_kind", {}).items()]
    hard = [("hard pictures", float(found["hard"]))] if "hard" in found else []
    return views + hard + groups


def _examples(version_dir: Path, card: dict[str, Any], test: Split) -> list[dict[str, Any]]:
    """Views and hard pictures of the first items of different classes, with the answers to them;
    nothing for a card that has no robustness."""
    if "robustness" not in card:
        return []
    rows = np.sort(np.unique(test.labels, return_index=True)[1])[:EXAMPLES]
    found = robustness.examples(test, rows.tolist())
    logits = answers(version_dir, np.stack([one.image for one in found]))["logits"]
    sure = Evaluation(logits, np.array([one.class_id for one in found]))
    return [
        {
            "name": one.name,
            "picture": plots.png(one.image),
            "true": card["labels"][one.class_id],
            "answered": card["labels"][answer],
            "right": bool(answer == one.class_id),
            "confidence": float(probabilities.max()),
        }
        for one, answer, probabilities in zip(
            found, sure.class_ids, sure.probabilities, strict=True
        )
    ]


def _settings(recipe: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Name, value and meaning of each setting of a recipe."""
    meanings = _MEANINGS | {setting.name: setting.metadata["help"] for setting in SETTINGS}
    return [
        (name.replace("_", " "), _spelt(value), meanings.get(name, "").replace("`", ""))
        for name, value in recipe.items()
        if name not in ("model", "summary", "expected_s")
    ]


def _spelt(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_spelt, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _feedback(found: Any) -> list[tuple[str, str]]:
    """Names and values of a card's member on feedback; nothing where it has none."""
    if not isinstance(found, dict):
        return []
    names = {
        "added": "Pictures added",
        "relabelled": "Pictures relabelled",
        "by_key": "Flagged by",
        "by_label": "Flagged as",
        "left_out": "Flags left out",
        "pictures": "Judged by pictures",
        "before": "Right before",
        "after": "Right now",
    }
    told = {name: value for name, value in found.items() if value is not None}
    if isinstance(told.get("left_out"), dict):  # reasons, and not somebody's names
        told["left_out"] = {name.replace("_", " "): n for name, n in told["left_out"].items()}
    return [(names[name], _counts(told[name])) for name in names if name in told]


def _counts(value: Any) -> str:
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{name or '(no key)'} {count}" for name, count in value.items()) or "none"


def _weights(card: dict[str, Any], variables: list[tf.Variable]) -> list[tuple[str, str]] | None:
    """Captions and `data:` addresses of the first layer's weights.

    One picture a class where there is one layer, one picture of all filters where there are more.
    """
    shape = card.get("input_shape", [SIDE, SIDE])
    if len(shape) != 2:
        return None  # weights of colours are no picture
    kernels = [one.numpy() for one in variables if len(one.shape) == 2]
    kernel = next((one for one in kernels if one.shape[0] == shape[0] * shape[1]), None)
    if kernel is None:
        return None
    images: npt.NDArray[Any] = kernel.T.reshape(-1, *shape)
    if len(kernels) == 1:
        pictures = map(plots.png, plots.weight_pictures(images, alike=True))
        return list(zip(card["labels"], pictures, strict=True))
    norms = np.linalg.norm(kernel, axis=0)
    largest = images[np.argsort(-norms, kind="stable")[:FILTERS]]
    tiles = plots.weight_pictures(largest, alike=False)
    return [(f"{len(tiles)} of {len(images)}", plots.png(plots.mosaic(tiles, 8)))]
