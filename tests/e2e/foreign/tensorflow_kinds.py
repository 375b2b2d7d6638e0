"""Foreign exports by TensorFlow alone: modules of functions, and signatures of all sorts."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from tests.e2e.foreign import preparing
from tests.e2e.foreign.networks import Linear
from tests.e2e.foreign.pictures import Array, Pictures
from tests.e2e.foreign.preparing import MEAN, STD, Prepare, stretched
from tests.e2e.foreign.spec import Export

Signature = Callable[[tf.Tensor], dict[str, tf.Tensor]]

BY_HAND = "docs/your-own-model.md"

GARMENTS = tuple(f"garment {number}" for number in range(10))


def kinds(rows: Pictures, photos: Pictures) -> Iterator[tuple[str, Export]]:
    """Yields each export and its name."""
    yield "whole_levels", _whole_levels(rows)
    yield "other_names", _softmax(photos, stretched(32), "pixels", "guess")
    yield "only_predict", _softmax(photos, stretched(32), "x", "y", signature="predict")
    yield "bytes_in", _bytes_in(photos)
    yield "fixed_1", _fixed(rows, preparing.row_with_axis, 1)
    yield "fixed_32", _fixed(photos, stretched(32), 32)
    yield "three_classes", _softmax(photos, stretched(32), classes=3, labels=("cat", "dog", "hen"))
    yield "thousand_classes", _thousand(photos)
    yield "mean_std", _mean_std(photos)
    yield "padded", _padded(photos)
    yield "nearest", _nearest(photos)
    yield "negative", _negative(rows)
    yield "described", _described(rows)
    yield "described_before", _described_before(rows)
    yield "binary_told", _binary(photos, told=True)
    yield "binary", _binary(photos, told=False)
    yield "broken_profile", _broken_profile(photos)
    yield "flat", _flat(rows)
    yield "channels_first", _channels_first(photos)
    yield "text", _text(photos)


def _save(model: tf.Module, **signatures: Any) -> Callable[[str], None]:
    return lambda target: tf.saved_model.save(model, target, signatures)


def _function(spec: tf.TensorSpec, answers: Callable[[tf.Tensor], dict[str, tf.Tensor]]) -> Any:
    """Returns a signature with one input, by its name."""
    scope: dict[str, Any] = {"answers": answers}
    exec(f"def serve({spec.name}):\n    return answers({spec.name})", scope)  # noqa: S102
    return tf.function(scope["serve"], input_signature=[spec], autograph=False)


def _softmax(
    pictures: Pictures,
    prepare: Prepare,
    name: str = "images",
    output: str = "probabilities",
    *,
    classes: int = 10,
    signature: str = "serving_default",
    rows: int | None = None,
    divisor: float = 1,
    labels: tuple[str, ...] = (),
    describe: Any = None,
    **more: Any,
) -> Export:
    """Returns the export of a linear model with one input and one output."""
    model = Linear(pictures, prepare, classes, divisor)
    sample = prepare(pictures.pixels[1])[None]
    spec = tf.TensorSpec([rows, *sample.shape[1:]], sample.dtype, name)
    function = _function(spec, lambda images: {output: tf.nn.softmax(model.logits(images))})
    files = dict(more.pop("files", {}))
    if labels:
        files["labels.txt"] = "".join(f"{label}\n" for label in labels)
    filled = np.concatenate([sample, np.zeros_like(sample).repeat((rows or 1) - 1, axis=0)])
    return Export(
        save=_save(model, **{signature: function} | ({"describe": describe} if describe else {})),
        answer=lambda images: np.asarray(tf.nn.softmax(model.logits(images))),
        **{
            "pictures": pictures,
            "prepare": prepare,
            "inputs": {name: np.round(filled, 2)},
            "signature": signature,
            "files": files,
            "labels": labels,
            "profile": {"input": name, "output": output, "signature": signature}
            | more.pop("profile", {}),
        },
        **more,
    )


def _told(**members: Any) -> dict[str, str]:
    return {"profile.json": json.dumps(members)}


def _whole_levels(rows: Pictures) -> Export:
    """Takes whole levels, uint8 [n, 28, 28]."""
    prepare = np.asarray
    told = {"dtype": "uint8", "kind": "scores"}  # by the output's name
    return _softmax(rows, prepare, "image", "scores", divisor=255, profile=told)


def _fixed(pictures: Pictures, prepare: Prepare, rows: int) -> Export:
    return _softmax(pictures, prepare, rows=rows)


def _thousand(photos: Pictures) -> Export:
    labels = tuple(f"thing {number}" for number in range(1000))
    return _softmax(photos, stretched(16), classes=1000, labels=labels)


def _mean_std(photos: Pictures) -> Export:
    """Normalized by channel, as torchvision's models are, their middle cut out."""
    files = _told(scaling="mean/std", mean=MEAN, std=STD, fit="crop", resize="pillow-bilinear")
    told = {"scaling": "mean/std", "fit": "crop", "resize": "pillow-bilinear"}
    return _softmax(photos, preparing.cropped(48), files=files, profile=told)


def _padded(photos: Pictures) -> Export:
    files = _told(fit="pad", resize="bilinear-antialias")
    return _softmax(photos, preparing.padded(40), files=files, profile={"fit": "pad"})


def _nearest(photos: Pictures) -> Export:
    """Grey, loaded by Keras' `load_img`."""
    told = {"resize": "nearest", "shape": [40, 40, 1]}
    return _softmax(photos, preparing.loaded(40), files=_told(resize="nearest"), profile=told)


def _negative(rows: Pictures) -> Export:
    """Trained on black strokes on white, and given whole pictures."""

    def prepare(pixels: Array) -> Array:
        return 1 - preparing.row(pixels)

    files = _told(polarity="negative", fit="stretch")
    return _softmax(rows, prepare, files=files, profile={"polarity": "negative", "fit": "stretch"})


def _bytes_in(photos: Pictures) -> Export:
    """Decodes pictures itself."""
    prepare = stretched(32)
    model = Linear(photos, prepare)

    def decoded(file: tf.Tensor) -> tf.Tensor:
        picture = tf.io.decode_image(file, channels=3, expand_animations=False)
        return tf.image.resize(picture, (32, 32)) / 255

    def answers(files: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.map_fn(decoded, files, fn_output_signature=tf.float32)
        return {"probabilities": tf.nn.softmax(model.logits(images))}

    function = _function(tf.TensorSpec([None], tf.string, "image_bytes"), answers)
    return Export(
        save=_save(model, serving_default=function),
        answer=lambda images: np.asarray(tf.nn.softmax(model.logits(images))),
        pictures=photos,
        prepare=prepare,
        inputs={"image_bytes": np.array([preparing.png(photos.pixels[1])], object)},
        profile={"input": "image_bytes", "dtype": "string"},
    )


def _binary(photos: Pictures, *, told: bool) -> Export:
    """The probability of the second of two classes."""
    prepare = stretched(32)
    model = Linear(photos, prepare, 1)
    spec = tf.TensorSpec([None, 32, 32, 3], tf.float32, "images")
    function = _function(spec, lambda images: {"dog": tf.sigmoid(model.logits(images))})
    return Export(
        save=_save(model, serving_default=function),
        answer=lambda images: np.asarray(tf.sigmoid(model.logits(images))),
        pictures=photos,
        prepare=prepare,
        inputs={"images": np.round(prepare(photos.pixels[1])[None], 2)},
        kind="binary",
        files=_told(kind="binary", labels=["cat", "dog"]) if told else {},
        labels=("cat", "dog") if told else (),
        profile={"kind": "binary"} if told else {},
        said=() if told else ("`kind`", "binary", BY_HAND),
    )


def _described(rows: Pictures) -> Export:
    """Says itself what it takes, by the signature `describe` of docs/your-own-model.md."""
    profile = {"input": "photo", "output": "classes", "kind": "probabilities", "fit": "item"}
    told = {"labels": GARMENTS, "card": {"author": "somebody"}, "profile": profile}
    names = tf.constant(list(told))
    values = tf.constant([*map(json.dumps, told.values()), ""])

    def describe(keys: tf.Tensor) -> dict[str, tf.Tensor]:
        same = keys[:, None] == names
        found = tf.where(tf.reduce_any(same, axis=1), tf.argmax(same, axis=1), len(told))
        return {"values": tf.gather(values, found)}

    described = _function(tf.TensorSpec([None], tf.string, "keys"), describe)
    made = _softmax(rows, preparing.row_with_axis, "photo", "classes", describe=described)
    return replace(made, labels=GARMENTS)


def _described_before(rows: Pictures) -> Export:
    """Has a `describe` as they were until November 2026, and pictures with an axis of channels."""
    described = tf.function(
        lambda: {"labels": tf.constant(GARMENTS), "card": tf.constant("{}")}, input_signature=[]
    )
    return replace(_softmax(rows, preparing.row_with_axis, describe=described), labels=GARMENTS)


def _broken_profile(photos: Pictures) -> Export:
    made = _softmax(photos, stretched(32))
    said = ("profile.json", "`scaling`", "'0..1000'", BY_HAND)
    return replace(made, files=_told(scaling="0..1000"), said=said)


def _flat(rows: Pictures) -> Export:
    """Takes what is no picture any more, [n, 784]."""
    made = _softmax(rows, lambda pixels: preparing.row(pixels).ravel())
    return replace(made, said=("[n, 784]", BY_HAND))


def _channels_first(photos: Pictures) -> Export:
    made = _softmax(photos, lambda pixels: stretched(32)(pixels).transpose(2, 0, 1))
    return replace(made, said=("[n, 3, 32, 32]", "channels", BY_HAND))


def _text(photos: Pictures) -> Export:
    """Takes words, and answers a row of numbers for each."""
    weights = tf.Module()
    weights.table = tf.Variable(np.eye(4, dtype=np.float32))

    def answers(texts: tf.Tensor) -> dict[str, tf.Tensor]:
        places = tf.strings.to_hash_bucket_fast(texts, 4)
        return {"probabilities": tf.gather(weights.table, places)}

    function = _function(tf.TensorSpec([None], tf.string, "text"), answers)
    return Export(
        save=_save(weights, serving_default=function),
        answer=lambda _: np.zeros(4),
        pictures=photos,
        prepare=np.asarray,
        inputs={"text": np.array([b"a word"], object)},
        said=("`text` string", BY_HAND),
    )
