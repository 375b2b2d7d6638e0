"""Measurement of an imported classifier: labelled pictures, and what its card says of them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from vitrine_client.errors import VitrineError
from vitrine_client.images.preprocessing import FREE_MOST, fit_picture, model_input, shown
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_client.store.shared_files import content_of
from vitrine_training.data import fashion_mnist
from vitrine_training.evaluation import drift_baseline
from vitrine_training.evaluation.metrics import Evaluation, rounded
from vitrine_training.imports import ImportRefused

Array = npt.NDArray[Any]
Progress = Callable[[int, int], None]
"""Is told how many pictures are done, and of how many."""

MOST_PICTURES = 5_000
"""Pictures of a folder that are measured, at most; of more, some of each class."""

MOST_LEVELS = 1 << 28
"""Numbers in those pictures, at most."""

_MOST_FILE_BYTES = 1 << 28  # of a picture; one of 50 megapixels takes 150 MB where it is not packed
_BATCH = 100
_LEAST = 1e-30  # a probability whose logarithm is taken


@dataclass(frozen=True)
class Labelled:
    """Labelled pictures: levels as a model's profile has them, an array each, and class ids."""

    levels: Sequence[Array]
    class_ids: Array


@dataclass(frozen=True)
class DataToMeasureBy:
    """Data to measure by: `validation` is for the gate and for the drift baseline, `test` for the
    figures; of a folder both are the same. `checksums` go into the card."""

    validation: Labelled
    test: Labelled
    source: str
    checksums: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def of_fashion_mnist(dataset: fashion_mnist.Dataset, profile: ModelProfile) -> DataToMeasureBy:
    """Returns Fashion-MNIST as a model takes it. Raises `ImportRefused` where it takes others."""
    side = fashion_mnist.SIDE
    if profile.shape not in ((side, side), (side, side, 1)):
        raise ImportRefused(
            f"the model takes pictures of shape {list(profile.shape)}, and those of Fashion-MNIST "
            f"are {side}x{side}, grey: --test-data DIR measures by pictures of yours"
        )

    def labelled(split: fashion_mnist.Split) -> Labelled:
        levels = 255 - split.images if profile.polarity == "negative" else split.images
        return Labelled(levels.reshape(-1, *profile.shape), split.labels)  # type: ignore[arg-type]

    return DataToMeasureBy(
        validation=labelled(dataset.validation),
        test=labelled(dataset.test),
        source="Fashion-MNIST",
        checksums=dataset.checksums,
    )


def class_folders(directory: Path) -> list[Path]:
    """Returns the folders of classes, in the order of their names by code point, as Keras has it.
    Raises `ImportRefused` where there are none."""
    try:
        found = [each for each in directory.iterdir() if each.is_dir()]
    except OSError as error:
        raise ImportRefused(f"{directory} cannot be read: {error.strerror or error}") from error
    found = [each for each in found if each.name[0] not in "._"]
    if not found:
        raise ImportRefused(
            f"{directory} has no folders: make one for each class, named by its label, and put "
            "pictures of the class into it"
        )
    return sorted(found, key=lambda each: each.name)


def of_folder(
    directory: Path,
    profile: ModelProfile,
    labels: Sequence[str],
    progress: Progress,
    most: int = MOST_PICTURES,
) -> DataToMeasureBy:
    """Returns the pictures in a folder's folders, one for each class, as a model takes them, `most`
    at most; files that are no pictures are left out, and it is noted how many. Raises
    `ImportRefused`."""
    sides = math.prod(size or FREE_MOST for size in profile.shape[:2])
    numbers = sides * profile.channels
    chosen, notes = _chosen(directory, labels, min(most, MOST_LEVELS // numbers))
    levels, class_ids, bad, empty = [], [], [], []
    for number, (path, class_id) in enumerate(chosen, 1):
        try:
            item = fit_picture(content_of(path, _MOST_FILE_BYTES), profile)
            if item.box is None:
                empty.append(str(path))
            else:
                levels.append(item.instance)
                class_ids.append(class_id)
        except VitrineError as error:
            bad.append(f"{path} ({error})")
        except OSError as error:
            bad.append(f"{path} ({error.strerror or error})")
        progress(number, len(chosen))
    if not levels:
        first = bad[0] if bad else f"{empty[0]} (nothing is seen in it)"
        raise ImportRefused(f"{directory} has no picture that can be read, such as {first}")
    if bad:
        notes.append(f"{len(bad)} files are no pictures and were left out, such as {bad[0]}")
    if empty:
        notes.append(
            f"{len(empty)} pictures have nothing in them and were left out, as no model is asked "
            f"about them, such as {empty[0]}"
        )
    all_of_them = Labelled(levels, np.array(class_ids, np.int64))
    return DataToMeasureBy(all_of_them, all_of_them, source=str(directory), notes=notes)


def _chosen(
    directory: Path, labels: Sequence[str], most: int
) -> tuple[list[tuple[Path, int]], list[str]]:
    ids = {label: class_id for class_id, label in enumerate(labels)}
    files = []
    for folder in class_folders(directory):
        if folder.name not in ids:
            known = ", ".join(labels[:8]) + (", ..." if len(labels) > 8 else "")
            raise ImportRefused(f"{folder} is named by no label of the model; they are {known}")
        inside = sorted(each for each in folder.rglob("*") if each.is_file())
        files.append([(each, ids[folder.name]) for each in inside if each.name[0] != "."])
    count = sum(map(len, files))
    if not count:
        raise ImportRefused(f"the folders in {directory} are empty")
    step = math.ceil(count / max(most, 1))
    chosen = [each for one in files for each in one[::step]]
    notes = [f"{len(chosen):,} of {count:,} pictures were measured"] if step > 1 else []
    return chosen, notes


@dataclass(frozen=True)
class ImportJudge:
    """Judge of an imported classifier, and of the version before it, by the number of right
    answers to `data`; without it, nothing can be compared."""

    labels: Sequence[str]
    profile: ModelProfile
    data: DataToMeasureBy | None
    progress: Progress

    @property
    def output(self) -> str:
        """Name of the output that counts."""
        return self.profile.output

    def validation_outputs(self, call: Callable[[tf.Tensor], tf.Tensor]) -> Array:
        """Returns what `call` answers to the validation pictures, [n, classes]. Raises
        `LookupError` where there are none."""
        if self.data is None:
            raise LookupError("there is nothing to measure by: add --test-data or --fashion-mnist")
        return self.outputs(call, self.data.validation)

    def outputs(self, call: Callable[[tf.Tensor], tf.Tensor], pictures: Labelled) -> Array:
        """Returns what `call` answers to pictures, [n, classes]."""
        count, found = len(pictures.levels), []
        for batch in _batches(pictures.levels):
            found.append(np.asarray(call(tf.constant(model_input(batch, self.profile)))))
            self.progress(sum(map(len, found)), count)
        return np.concatenate(found)

    def score(self, outputs: Array) -> float:
        """Returns the number of right answers."""
        if self.data is None:
            return 0.0
        return float((outputs.argmax(axis=1) == self.data.validation.class_ids).sum())

    def in_words(self, score: float) -> str:
        """Says how many of how many."""
        count = len(self.data.validation.class_ids) if self.data else 0
        return f"{score:,.0f} of {count:,} pictures right"


def _batches(levels: Sequence[Array]) -> Iterator[Array]:
    """Yields pictures some at a time; those of a size of their own one at a time."""
    start = 0
    while start < len(levels):
        shape, end = levels[start].shape, start + 1
        while end < min(start + _BATCH, len(levels)) and levels[end].shape == shape:
            end += 1
        yield np.stack(levels[start:end])
        start = end


def findings(
    judge: ImportJudge, call: Callable[[tf.Tensor], tf.Tensor], outputs: Array
) -> tuple[dict[str, Any], list[str]]:
    """Returns the card's members that say how good a classifier is, and notes; `outputs` are its
    answers to the validation pictures."""
    data, notes = judge.data, []
    if data is None:
        return {}, ["nothing was measured, and its drift is not watched: --test-data DIR does so"]
    same = data.test is data.validation
    tested = outputs if same else judge.outputs(call, data.test)
    test = Evaluation(_logits(tested), data.test.class_ids)
    metrics = {"test_accuracy": test.accuracy}
    if not same:
        metrics["validation_accuracy"] = judge.score(outputs) / len(outputs)
    if judge.profile.kind == "probabilities":
        metrics |= {"test_loss": test.cross_entropy, "calibration_error": test.calibration_error}
    found = {
        "metrics": rounded(metrics),
        "measured_on": {"source": data.source, "pictures": len(data.test.class_ids)},
        "classes": test.by_class(judge.labels),
    }
    try:
        found["baseline"] = drift_baseline.baseline(
            _seen(data.validation.levels), outputs, data.validation.class_ids
        )
    except ValueError as error:
        notes.append(f"its drift is not watched: {error}")
    return found, [*data.notes, *notes]


def _logits(outputs: Array) -> Array:
    return np.log(np.maximum(outputs, _LEAST))


def _seen(levels: Sequence[Array]) -> Any:
    """Returns levels as drift is measured: pixels, without what a kernel overshoots by, an array
    where they have one shape, grey ones without an axis of channels."""
    levels = [shown(each) for each in levels]
    shapes = {each.shape for each in levels}
    if len(shapes) > 1:
        return levels
    whole = np.asarray(levels)
    return whole[..., 0] if whole.shape[3:] == (1,) else whole
