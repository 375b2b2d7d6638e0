"""Model of Triton's Python backend that takes tensors: float32 rows in, probabilities out."""

from typing import Any

import numpy as np
import triton_python_backend_utils as backend  # Triton has it
from classifier import Classifier


class TritonPythonModel:
    """What the backend asks for; one call has all requests of a batch."""

    def initialize(self, _: Any) -> None:
        """Loads the model."""
        self.classifier = Classifier()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Runs all rows of all requests at once."""
        rows = [backend.get_input_tensor_by_name(each, "images").as_numpy() for each in requests]
        answered = self.classifier.of_tensors(np.concatenate(rows) if len(rows) > 1 else rows[0])
        responses, done = [], 0
        for each in rows:
            part = answered[done : done + len(each)]
            done += len(each)
            responses.append(backend.InferenceResponse([backend.Tensor("probabilities", part)]))
        return responses
