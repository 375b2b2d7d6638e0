"""Incumbent: the version that a candidate must be no worse than to be published."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from vitrine_client.results.predictions import distinct
from vitrine_client.results.profiles.description import DESCRIBED, Description
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_training.publish import versions as publish
from vitrine_training.publish import wholeness
from vitrine_training.publish.wholeness import DamagedError, first_line

Floats = npt.NDArray[np.float32]


class Judge(Protocol):
    """Judge of a candidate and of the version that it would replace, by the same data: what a
    training run is for, or what an import is measured by.

    `output` is the one of `serving_default` that counts; the `profile`, None of a regression, says
    what pictures both take.
    """

    @property
    def labels(self) -> Sequence[str]:
        """Labels of the classes, in the order of class ids."""

    @property
    def output(self) -> str:
        """Name of the output."""

    @property
    def profile(self) -> ModelProfile | None:
        """Profile that inputs are made by."""

    def validation_outputs(self, call: Callable[[tf.Tensor], tf.Tensor]) -> Floats:
        """Returns what `call` answers to the validation inputs. Raises `LookupError` where there
        are none."""

    def score(self, outputs: Floats) -> float:
        """Returns how good answers to the validation inputs are; more is better."""

    def in_words(self, score: float) -> str:
        """Returns the meaning of a score in words."""


class Incomparable(Exception):
    """The incumbent is whole, and there is no telling how good it is at the judge."""

    def __init__(self, version_dir: Path, reason: str) -> None:
        super().__init__(
            f"{version_dir} cannot be compared with ({reason}), so nobody can tell whether a new "
            "version is worse. Publish one all the same with --force, or under another name with "
            "--as"
        )
        self.version_dir, self.reason = version_dir, reason


@dataclass(frozen=True)
class Incumbent:
    """A version, and its score on the validation data of the judge."""

    version_dir: Path
    score: float


def find(
    models_dir: Path, model: str, judge: Judge, say: Callable[[str], None]
) -> Incumbent | None:
    """Returns the newest version of a model that is whole; None where there is none.

    `say` is told of each one that is damaged, and passed over for that. Raises `Incomparable`.
    """
    for number in reversed(publish.versions(models_dir, model)):
        version_dir = models_dir / model / str(number)
        try:
            return Incumbent(version_dir, _score(version_dir, judge))
        except DamagedError as error:
            say(f"{version_dir} is damaged and passed over: {error}")
    return None


def _score(version_dir: Path, judge: Judge) -> float:
    try:
        wholeness.check(version_dir)
    except OSError as error:
        raise Incomparable(version_dir, f"it may not be read: {error}") from error
    loaded = _loaded(version_dir)
    try:
        described = description(loaded)
    except Exception as error:
        raise Incomparable(version_dir, "it does not say which classes it knows") from error
    if list(described.labels) != list(distinct(judge.labels)):
        raise Incomparable(version_dir, "it is for other classes")
    if judge.profile and described.profile and not judge.profile.takes_the_same(described.profile):
        raise Incomparable(version_dir, "it takes other pictures")
    try:
        return judge.score(judge.validation_outputs(_serving(loaded, judge)))
    except Exception as error:  # a model of somebody else's raises anything
        raise Incomparable(version_dir, first_line(error)) from error


def _loaded(version_dir: Path) -> Any:
    """Loads a whole version. One by this package loads, unless TensorFlow is of another kind."""
    try:
        return tf.saved_model.load(str(version_dir))
    except Exception as error:  # it raises anything
        reason = first_line(error)
        if wholeness.is_ours(version_dir) and "Op type not registered" not in str(error):
            raise DamagedError(reason) from error
        raise Incomparable(version_dir, reason) from error


def description_of(version_dir: Path) -> Description:
    """Returns what a version says of itself. Raises what `description` does, and what TensorFlow
    does where it does not load."""
    return description(tf.saved_model.load(str(version_dir)))


def description(loaded: Any) -> Description:
    """Returns what a loaded version says of itself. Raises `KeyError` where it has no signature
    `describe`, and `ValueError` where that is one for something else."""
    describe = loaded.signatures["describe"]
    taken = _inputs(describe)
    if taken not in ([], ["keys"]):
        raise ValueError(f"its signature describe takes {_listed(taken)}, and not `keys` alone")
    outputs = describe(keys=tf.constant(DESCRIBED)) if taken else describe()
    return Description.from_outputs({name: np.asarray(each) for name, each in outputs.items()})


def _serving(loaded: Any, judge: Judge) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function of the scored output; the largest probability is the largest logit."""
    serve = loaded.signatures.get("serving_default")
    if serve is None:
        raise LookupError("it has no signature serving_default")
    name = next((n for n in (judge.output, "probabilities") if n in serve.structured_outputs), None)
    if name is None:
        raise LookupError(f"its serving_default has no output {judge.output}")
    taken = _inputs(serve)
    if len(taken) != 1:
        raise LookupError(f"its serving_default takes {_listed(taken)}, and not pictures alone")
    return lambda rows: serve(rows)[name]


def _inputs(signature: Any) -> list[str]:
    """Returns the names of a signature's inputs; one that TensorFlow 1 wrote takes some of them, as
    the parts of a sparse tensor, by names of its own."""
    return sorted((signature.structured_input_signature or ((), {}))[1])


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names[:8]) or "nothing"
