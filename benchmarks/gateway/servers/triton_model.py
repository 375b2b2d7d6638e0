"""Model of Triton's Python backend: pictures as they came, a prediction in JSON for each."""

from typing import Any

import numpy as np
import orjson
import triton_python_backend_utils as backend  # Triton has it
from classifier import Classifier
from pictures import decode_all


class TritonPythonModel:
    """What the backend asks for; one call has all requests of a batch."""

    def initialize(self, _: Any) -> None:
        """Loads the model."""
        self.classifier = Classifier()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Runs all pictures of all requests at once."""
        pictures = [
            backend.get_input_tensor_by_name(request, "image").as_numpy().ravel()
            for request in requests
        ]
        rows = self.classifier.probabilities(decode_all([one for each in pictures for one in each]))
        answers = [orjson.dumps(one) for one in self.classifier.predictions(rows)]
        responses, done = [], 0
        for each in pictures:
            part = np.array(answers[done : done + len(each)], object)[:, np.newaxis]
            done += len(each)
            responses.append(backend.InferenceResponse([backend.Tensor("prediction", part)]))
        return responses
