"""BentoML with its adaptive batching, the model in two workers, which is faster than in one.

Its batches are lists in and lists out, so its answer is the list of predictions alone, and a single
picture comes in a form, too.
"""

from typing import Any

import bentoml
import numpy as np
from classifier import Classifier
from pictures import MAX_BATCH_SIZE, pixels
from PIL.Image import Image as Picture


@bentoml.service(workers=2, metrics={"enabled": False}, logging={"access": {"enabled": False}})
class Mlp:
    """One endpoint."""

    def __init__(self) -> None:
        self.classifier = Classifier()

    @bentoml.api(
        batchable=True, max_batch_size=MAX_BATCH_SIZE, max_latency_ms=1000, route="/predict"
    )
    def predict(self, image: list[Picture]) -> list[dict[str, Any]]:
        """Takes PNGs; returns what the answer has for each."""
        instances = np.stack([pixels(one) for one in image])
        return self.classifier.predictions(self.classifier.probabilities(instances))
