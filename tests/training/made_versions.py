"""Versions to report on, made without training, and the pages about them."""

import json
from dataclasses import dataclass
from xml.etree import ElementTree

import keras
import tensorflow as tf

from vitrine_training.data.fashion_mnist import LABELS
from vitrine_training.evaluation.metrics import Evaluation, evaluate
from vitrine_training.report import page as report

TEMPERATURE = 1.5


def make_card(**changes):
    history = [
        {
            "number": number,
            "learning_rate": 0.1,
            "train_loss": 1 / number,
            "train_accuracy": 1 - 0.5 / number,
            "validation_loss": 1.1 / number,
            "validation_accuracy": 1 - 0.6 / number,
            "duration_s": 0.5,
        }
        for number in (1, 2, 3)
    ]
    metrics = {"kept_epoch": 2, "validation_accuracy": 0.7123, "temperature": TEMPERATURE}
    card = {
        "model": "means",
        "version": 7,
        "recipe": {"model": "means", "summary": "class means", "learning_rate": 0.1, "flip": False},
        "seed": 41,
        "labels": list(LABELS),
        "data": {"train-images-idx3-ubyte.gz": "f4a8712d7a061bf5bd6d2ca38dc4d50a"},
        "packages": {"tensorflow": "2.20.0"},
        "revision": None,
        "metrics": metrics,
        "verdict": {"word": "fits", "reason": "both curves have levelled off"},
        "history": history,
        "trained_at": "2026-11-24T08:06:07+00:00",
        "duration_s": 83.0,
    }
    return card | changes


def write_card(version_dir, card):
    extra = version_dir / "assets.extra"
    extra.mkdir(exist_ok=True)
    (extra / "card.json").write_text(json.dumps(card))


def built(layers):
    """A classifier as Keras and as what is exported."""
    model = keras.Sequential([keras.Input([28, 28]), keras.layers.Flatten(), *layers])
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint(
        "serving_default",
        lambda images: {"logits": model(images) / TEMPERATURE},
        input_signature=[tf.TensorSpec([None, 28, 28], tf.float32, name="images")],
    )
    return model, archive


@dataclass(frozen=True)
class Page:
    text: str
    tree: ElementTree.Element
    evaluation: Evaluation

    def section(self, name):
        return next(one for one in self.tree.iter() if one.get("id") == name)

    def words(self, name):
        return " ".join(" ".join(self.section(name).itertext()).split())


def write_page(version_dir, images, path):
    text = report.write(version_dir, images, path).read_text()
    tree = ElementTree.fromstring(text)  # noqa: S314 (we wrote it ourselves)
    return Page(text, tree, evaluate(version_dir, images))
