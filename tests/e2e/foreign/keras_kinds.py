"""Foreign exports by Keras: networks as its tutorials have them, by `Model.export`."""

import json
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from tests.e2e.foreign import preparing
from tests.e2e.foreign.networks import convolution, fitted_to, head
from tests.e2e.foreign.pictures import Pictures
from tests.e2e.foreign.preparing import Prepare, stretched
from tests.e2e.foreign.spec import Export


def kinds(rows: Pictures, photos: Pictures) -> Iterator[tuple[str, Export]]:
    """Yields each export and its name."""
    yield (
        "keras3_functional",
        _of(_functional(rows, preparing.row_with_axis), rows, preparing.row_with_axis),
    )
    yield "keras3_sequential", _sequential(rows)
    yield "keras3_subclassed", _subclassed(photos)
    yield "photo96", _of(_functional(photos, stretched(96)), photos, stretched(96))
    yield "free_size", _free_size(photos)
    yield "uint8", _uint8(photos)
    yield "float255", _float255(photos)
    yield "logits", _logits(photos)
    yield "sigmoids", _sigmoids(photos)
    yield "two_outputs_told", _two_outputs(photos, told=True)
    yield "two_outputs", _two_outputs(photos, told=False)
    yield "float16", _float16(photos)
    yield "random_flip", _random_flip(photos)
    yield "batch_norm", _batch_norm(photos)
    yield "regression", _regression(photos)


def _functional(pictures: Pictures, prepare: Prepare, *more: Any, **options: Any) -> keras.Model:
    sample = prepare(pictures.pixels[0])
    body = convolution(sample.shape, sample.dtype.name, *more)
    return _with_head(body, pictures, prepare, **options)


def _with_head(
    body: keras.Model, pictures: Pictures, prepare: Prepare, **options: Any
) -> keras.Model:
    return keras.Model(body.input, head(body, pictures, prepare, **options)(body.output))


def _of(
    model: keras.Model,
    pictures: Pictures,
    prepare: Prepare,
    kind: str = "probabilities",
    **more: Any,
) -> Export:
    """Returns the export of a model with one input and one output."""
    sample = np.round(prepare(pictures.pixels[1])[None], 2)
    return Export(
        save=lambda target: model.export(target, verbose=False),
        answer=lambda images: np.asarray(model(images, training=False)),
        **{
            "pictures": pictures,
            "prepare": prepare,
            "inputs": {"": sample},
            "kind": kind,
            "profile": {"kind": kind} | more.pop("profile", {}),
        },
        **more,
    )


def _sequential(rows: Pictures) -> Export:
    """As in TensorFlow's tutorial for beginners: logits."""
    weights = fitted_to(lambda images: images.reshape(len(images), -1), rows, preparing.row, 10)
    model = keras.Sequential(
        [keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    model.layers[-1].set_weights(weights)
    return _of(model, rows, preparing.row, "logits", profile={"fit": "item", "shape": [28, 28]})


class Subclassed(keras.Model):
    def __init__(self, photos: Pictures) -> None:
        super().__init__()
        keras.utils.set_random_seed(3)
        self.convolution = keras.layers.Conv2D(8, 3, strides=2, activation="relu")
        self.flatten = keras.layers.Flatten()
        self.dense = keras.layers.Dense(10, activation="softmax")
        self(np.zeros((3, 32, 32, 3), np.float32))
        self.dense.set_weights(fitted_to(self.features, photos, stretched(32), 10))

    def features(self, images: Any) -> Any:
        return self.flatten(self.convolution(images))

    def call(self, images: Any) -> Any:
        return self.dense(self.features(images))


def _subclassed(photos: Pictures) -> Export:
    model = Subclassed(photos)
    return _of(model, photos, stretched(32), profile={"fit": "stretch", "scaling": "0..1"})


def _free_size(photos: Pictures) -> Export:
    """Of pictures of any size, of which each is answered as it is."""
    body = convolution((None, None, 3))
    model = _with_head(body, photos, preparing.whole)
    return _of(model, photos, preparing.whole, alone=True, profile={"shape": [None, None, 3]})


def _uint8(photos: Pictures) -> Export:
    """Scales whole levels itself."""
    layers = (keras.layers.Rescaling(1 / 255),)
    model = _functional(photos, stretched(32, "uint8"), *layers)
    return _of(
        model, photos, stretched(32, "uint8"), profile={"dtype": "uint8", "scaling": "0..255"}
    )


def _float255(photos: Pictures) -> Export:
    """Takes floats of 0..255, as `image_dataset_from_directory` gives them, which nobody sees."""
    prepare = stretched(32, divisor=1)
    model = _functional(photos, prepare, keras.layers.Rescaling(1 / 255))
    files = {"profile.json": json.dumps({"scaling": "0..255"})}
    return _of(model, photos, prepare, files=files, profile={"scaling": "0..255"})


def _logits(photos: Pictures) -> Export:
    return _of(_functional(photos, stretched(32), activation=None), photos, stretched(32), "logits")


def _sigmoids(photos: Pictures) -> Export:
    """Several labels at a time: each class has a number of its own."""
    model = _functional(photos, stretched(32), classes=5, activation="sigmoid")
    return _of(model, photos, stretched(32), "scores")


def _two_outputs(photos: Pictures, *, told: bool) -> Export:
    """An embedding beside the classes; which is which, nobody knows unless it is told."""
    prepare = stretched(32)
    body = convolution((32, 32, 3))
    classes = head(body, photos, prepare)
    embedding = keras.layers.Dense(16, name="embedding")(body.output)
    outputs = {"embedding": embedding, "species": classes(body.output)}
    model = keras.Model(body.input, outputs)
    said = () if told else ("`embedding`", "`species`", "docs/your-own-model.md")
    return Export(
        save=lambda target: model.export(target, verbose=False),
        answer=lambda images: np.asarray(model(images)["species"]),
        pictures=photos,
        prepare=prepare,
        inputs={"": np.round(prepare(photos.pixels[1])[None], 2)},
        files={"profile.json": json.dumps({"output": "species"})} if told else {},
        profile={"output": "species"} if told else {},
        said=said,
    )


def _float16(photos: Pictures) -> Export:
    """Half-precision numbers out, as of `mixed_float16`."""
    prepare = stretched(32)
    keras.config.set_dtype_policy("mixed_float16")
    try:
        model = _functional(photos, prepare)
    finally:
        keras.config.set_dtype_policy("float32")
    return _of(model, photos, prepare, tolerance=0.005)


def _random_flip(photos: Pictures) -> Export:
    """Random layers stay on in `Model.export` of Keras 3.15."""
    model = _functional(
        photos, stretched(32), keras.layers.RandomFlip("horizontal_and_vertical", seed=1)
    )
    said = ("random", "training=False", "docs/your-own-model.md")
    return _of(model, photos, stretched(32), said=said, is_random=True)


class BatchNorm(keras.Model):
    """Batch normalization that is left in training mode: its averages move with each request, and
    a picture is answered by what else is in its batch."""

    def __init__(self, photos: Pictures) -> None:
        super().__init__()
        keras.utils.set_random_seed(4)
        self.convolution = keras.layers.Conv2D(8, 3, strides=2, activation="relu")
        self.normalization = keras.layers.BatchNormalization()
        self.flatten = keras.layers.Flatten()
        self.dense = keras.layers.Dense(10, activation="softmax")
        self(np.zeros((3, 32, 32, 3), np.float32))
        self.dense.set_weights(fitted_to(self.features, photos, stretched(32), 10, alone=True))

    def features(self, images: Any) -> Any:
        return self.flatten(self.normalization(self.convolution(images), training=True))

    def call(self, images: Any) -> Any:
        return self.dense(self.features(images))


def _batch_norm(photos: Pictures) -> Export:
    return _of(BatchNorm(photos), photos, stretched(32), alone=True, profile={"batchable": False})


def _regression(photos: Pictures) -> Export:
    """One number of any size, such as an age."""
    model = _functional(photos, stretched(32), classes=1, activation=None)
    said = ("one number", "binary", "docs/your-own-model.md")
    return _of(model, photos, stretched(32), said=said)
