"""Classifier that every peer serves: the model in this process, pictures in, Vitrine's answer out.

It runs in the peer's own environment: no import of ours.
"""

import gc
import os
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import tensorflow as tf

PATH = Path(os.environ.get("PEER_MODEL", "."))
"""The version's directory."""


class Classifier:
    """The SavedModel by its loaded signature, as TensorFlow documents it."""

    def __init__(self) -> None:
        self._model = tf.saved_model.load(str(PATH))  # which owns the variables
        self._signature = self._model.signatures["serving_default"]
        described = self._model.signatures["describe"]()
        self.labels = [label.decode() for label in described["labels"].numpy()]
        self.probabilities(np.zeros((1, 28, 28), np.uint8))
        gc.collect()
        gc.freeze()  # or a collection looks through all of TensorFlow, in the middle of a request

    def probabilities(self, instances: Any) -> Any:
        """Takes uint8 [n, 28, 28], white on black; returns float32 [n, 10]."""
        images = tf.constant(instances.astype(np.float32) / 255)
        return self._signature(images=images)["probabilities"].numpy()

    def predictions(self, rows: Any) -> list[dict[str, Any]]:
        """Takes float32 [n, 10]; returns what the answer has for each picture."""
        return [
            {
                "label": self.labels[class_id],
                "class_id": class_id,
                "probability": row[class_id],
                "probabilities": dict(zip(self.labels, row, strict=True)),
            }
            for class_id, row in zip(rows.argmax(axis=1).tolist(), rows.tolist(), strict=True)
        ]

    def answer(self, rows: Any) -> bytes:
        """Takes float32 [n, 10]; returns the JSON that Vitrine answers."""
        spec = {"name": "mlp", "version": PATH.name, "signature_name": "serving_default"}
        return orjson.dumps({"predictions": self.predictions(rows), "model_spec": spec})
