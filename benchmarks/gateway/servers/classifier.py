"""Classifier that every peer serves: the model in this process, pictures in, Vitrine's answer out.

It runs in the peer's own environment: no import of ours.
"""

import gc
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

PATH = Path(os.environ.get("PEER_MODEL", "."))
"""The version's directory."""

CARD = PATH / "assets.extra" / "card.json"


class LoadedSignature:
    """The SavedModel by its loaded signature, as TensorFlow documents it."""

    def __init__(self) -> None:
        self._model = tf.saved_model.load(str(PATH))  # which owns the variables
        self._signature = self._model.signatures["serving_default"]

    def __call__(self, images: Any) -> Any:
        """Takes float32 [n, 28, 28]; returns float32 [n, 10]."""
        return self._signature(images=tf.constant(images))["probabilities"].numpy()


class SessionCallable:
    """The SavedModel by a session's callable, in the calling thread, as Vitrine's model server has
    it; of a private name, so that one has to know of it."""

    def __init__(self) -> None:
        graph = tf.Graph()
        with graph.as_default():
            self._session = tf.compat.v1.Session(graph=graph)
            loaded = tf.compat.v1.saved_model.load(self._session, ["serve"], str(PATH))
        signature = loaded.signature_def["serving_default"]
        options = config_pb2.CallableOptions()
        options.feed.append(signature.inputs["images"].name)
        options.fetch.append(signature.outputs["probabilities"].name)
        options.run_options.inter_op_thread_pool = -1
        self._run = self._session._make_callable_from_options(options)

    def __call__(self, images: Any) -> Any:
        """Takes float32 [n, 28, 28]; returns float32 [n, 10]."""
        return self._run(images)[0]


class Classifier:
    """The model by either road, `PEER_CALL`, from uint8 to Vitrine's answer."""

    def __init__(self) -> None:
        session = os.environ.get("PEER_CALL") == "session"
        self._model = SessionCallable() if session else LoadedSignature()
        self.labels = json.loads(CARD.read_bytes())["labels"]
        self.probabilities(np.zeros((1, 28, 28), np.uint8))
        gc.collect()
        gc.freeze()  # or a collection looks through all of TensorFlow, in the middle of a request

    def probabilities(self, instances: Any) -> Any:
        """Takes uint8 [n, 28, 28], white on black; returns float32 [n, 10]."""
        return self.of_tensors(instances.astype(np.float32) / 255)

    def of_tensors(self, images: Any) -> Any:
        """Takes float32 [n, 28, 28] in 0..1; returns float32 [n, 10]."""
        return self._model(images)

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
