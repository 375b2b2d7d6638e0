"""Weights of version directories: whether two versions are the same model, bit for bit."""

import json
from pathlib import Path

import tensorflow as tf

from vitrine_training.publish import export


def is_same(directory: Path, other: Path) -> bool:
    """Whether two version directories have the same weights, bit for bit, and the same labels."""
    try:
        return _weights(directory) == _weights(other) and _labels(directory) == _labels(other)
    except Exception:  # one is damaged, which raises anything from TensorFlow's depths
        return False


def _weights(directory: Path) -> list[bytes]:
    """The bits of all weights, in an order that does not depend on the names that Keras gives."""
    reader = tf.train.load_checkpoint(str(directory / "variables" / "variables"))
    names = [name for name in reader.get_variable_to_shape_map() if "OBJECT_GRAPH" not in name]
    return sorted(reader.get_tensor(name).tobytes() for name in names)


def _labels(directory: Path) -> list[str]:
    labels: list[str] = json.loads((directory / export.CARD).read_text())["labels"]
    return labels
