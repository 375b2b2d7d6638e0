"""Foreign export: how it is written, what it answers in memory, and what it says beside it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from tests.e2e.foreign.networks import asked
from tests.e2e.foreign.pictures import Array, Pictures
from tests.e2e.foreign.preparing import Prepare

Json = dict[str, Any]


@dataclass(frozen=True)
class Export:
    """Export of one kind.

    `save` writes the SavedModel to a directory. `answer` returns in memory numbers of a `kind`,
    [n, classes], for what `prepare` makes of pictures, each of them `alone` where others would
    change its answer or have another size.
    `said` are words of the sentence that refuses pictures, none where they are answered. `profile`
    is what the gateway is to find out; `files` lie in assets.extra; `inputs` are a JSON call's, by
    name, of a `signature` whose `outputs` are compared.
    """

    save: Callable[[str], None]
    answer: Callable[[Array], Array]
    pictures: Pictures
    prepare: Prepare
    inputs: Mapping[str, Array]
    kind: str = "probabilities"
    signature: str = "serving_default"
    tolerance: float = 1e-3
    files: Mapping[str, str] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    profile: Json = field(default_factory=dict)
    said: tuple[str, ...] = ()
    version: int = 1
    is_random: bool = False
    alone: bool = False

    def expected(self) -> list[list[float]]:
        """Returns the probability of each class for each picture, by TensorFlow in memory."""
        prepared = [self.prepare(pixels) for pixels in self.pictures.pixels]
        numbers = asked(self.answer, prepared, alone=self.alone).astype(np.float64)
        return _probabilities(numbers, self.kind).tolist()


def _probabilities(numbers: Array, kind: str) -> Array:
    if kind == "logits":
        return np.asarray(tf.nn.softmax(numbers))
    return np.concatenate([1 - numbers, numbers], axis=1) if kind == "binary" else numbers
