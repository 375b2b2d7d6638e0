"""Gate: the comparison with the newest whole version that a candidate passes to be published."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from vitrine_training.publish import archive, cards, incumbent
from vitrine_training.publish import versions as publish
from vitrine_training.publish.archive import Card
from vitrine_training.publish.incumbent import Incumbent, Judge

Tensor = tuple[tuple[int, ...], str, bytes]
"""Shape, dtype and bits of a weight."""


class WorseModel(Exception):
    """The candidate is worse than the version that it would replace."""


class SameModel(Exception):
    """The candidate has the weights of the version that it would replace, `version_dir`; `card` is
    the candidate's."""

    def __init__(self, version_dir: Path, card: Card) -> None:
        super().__init__(
            f"the same weights as {version_dir}: not published again (--force does, and --seed "
            "trains others)"
        )
        self.version_dir = version_dir
        self.card = card


class Gate:
    """Comparison with the incumbent of a model, which is evaluated before the training, and again
    where others published a version meanwhile."""

    def __init__(
        self,
        models_dir: Path,
        model: str,
        judge: Judge,
        *,
        force: bool = False,
        say: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`force` lets everything pass. Raises `Incomparable`."""
        self._models_dir, self._model, self._judge = models_dir, model, judge
        self._force, self._say = force, say
        self._look()

    @property
    def incumbent(self) -> Incumbent | None:
        """Version to be compared with; None where there is none, and with `force`."""
        return self._incumbent

    def _look(self) -> None:
        self._versions = publish.versions(self._models_dir, self._model)
        self._incumbent = (
            None
            if self._force
            else incumbent.find(self._models_dir, self._model, self._judge, self._say)
        )

    def check_no_worse(self, score: float) -> None:
        """Raises `WorseModel`, or `Incomparable` for a version that came meanwhile."""
        if self._versions != publish.versions(self._models_dir, self._model):
            self._look()
        current, judge = self._incumbent, self._judge
        if current and score < current.score:
            raise WorseModel(
                f"This {self._model} is worse than version {current.version_dir.name} and was not "
                f"published: {judge.in_words(score)}, against {judge.in_words(current.score)}. "
                "Publish it all the same with --force, or under another name with --as"
            )

    def check_not_same(self, directory: Path, card: Card) -> None:
        """Compares the written version with the incumbent. Raises `SameModel`.

        In the place of a newer version that is damaged, the same weights are worth publishing.
        """
        current = self._incumbent
        if not current or int(current.version_dir.name) != self._versions[-1]:
            return
        if is_same(directory, current.version_dir):
            raise SameModel(current.version_dir, card)


def is_same(directory: Path, other: Path) -> bool:
    """Whether two version directories have the same weights, bit for bit, the same labels and
    profile, and answer the warm-up's inputs alike.

    Those without weights are never the same: what they know is in their graphs, and differs where
    no input shows it.
    """
    try:
        weights = weights_of(directory)
        return (
            bool(weights)
            and weights == weights_of(other)
            and _says(directory) == _says(other)
            and _answers_alike(directory, other)
        )
    except Exception:  # one is damaged, which raises anything from TensorFlow's depths
        return False


def weights_of(directory: Path) -> list[Tensor]:
    """Returns the weights of a version directory, sorted: their names differ from one export to the
    next, as Keras writes a model's variables as a set."""
    reader = tf.train.load_checkpoint(str(directory / "variables" / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    tensors = [reader.get_tensor(name) for name in names]
    return sorted((tensor.shape, tensor.dtype.str, tensor.tobytes()) for tensor in tensors)


def _answers_alike(directory: Path, other: Path) -> bool:
    """Whether both answer the requests that one of them is warmed up with alike, at all of their
    signatures; graphs may differ where weights do not."""
    one, another = (tf.saved_model.load(str(each)).signatures for each in (directory, other))
    if set(one) != set(another):
        return False
    return all(
        _are_alike(one[signature](**tensors), another[signature](**tensors))
        for signature, tensors in archive.warm_up(directory)
    )


def _are_alike(outputs: dict[str, tf.Tensor], others: dict[str, tf.Tensor]) -> bool:
    """Whether outputs are equal, floats but for the order in which kernels sum."""
    if outputs.keys() != others.keys():
        return False
    for name, tensor in outputs.items():
        one, other = tensor.numpy(), others[name].numpy()
        if one.dtype.kind == "f" and one.shape == other.shape:
            if not np.allclose(one, other, rtol=1e-5, atol=1e-6, equal_nan=True):
                return False
        elif not np.array_equal(one, other):
            return False
    return True


def _says(directory: Path) -> tuple[Any, Any]:
    card = cards.checked(directory)
    return card["labels"], card.get("profile")
