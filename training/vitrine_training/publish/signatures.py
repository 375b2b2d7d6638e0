"""Signatures of a classifier that is published, whatever pictures it takes: the functions that
`export` has a table of."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from vitrine_client.results import strict_json
from vitrine_client.results.profiles.profile import ModelProfile
from vitrine_training.evaluation.explain import explained
from vitrine_training.publish import picture_bytes

Outputs = dict[str, tf.Tensor]
Function = Callable[..., Outputs]
Endpoint = tuple[Function, list[tf.TensorSpec]]
Endpoints = dict[str, Endpoint]

SERVING, IMAGES = "serving_default", "images"
"""Names of the signature that a model is asked by, and of its input."""

IMAGE_BYTES = "image_bytes"
"""Name of an input of encoded pictures; TensorFlow Serving has the suffix for such."""

_LEAST = 1e-30
"""Least probability whose logarithm is taken."""


@dataclass(frozen=True, eq=False)
class ServedClassifier:
    """Classifier as it is served: `call` answers rows of a `kind` (logits, probabilities or
    scores), [n, classes], to pictures as its `profile` has them.

    The profile is that of `serving_default`. `has_gradient` says whether the rows can be
    differentiated with respect to the pictures.
    """

    call: Callable[[tf.Tensor], tf.Tensor]
    kind: str
    profile: ModelProfile
    labels: Sequence[str]
    has_gradient: bool = True

    def answer(self, images: tf.Tensor) -> Outputs:
        """Returns the outputs of `serving_default`."""
        rows = self.call(images)
        logits = {"probabilities": tf.nn.softmax(rows)} if self.kind == "logits" else {}
        return logits | {self.kind: rows, "class_ids": tf.argmax(rows, axis=1)}

    def endpoints(self, card: dict[str, Any]) -> Endpoints:
        """Returns all signatures that the profile allows. Pictures of free sizes have no
        `serve_bytes`, as one call has one size; a model that decodes pictures takes bytes anyway.
        """
        found = {SERVING: (self.answer, [self._images()])}
        if self.profile.has_fixed_size:
            if picture_bytes.decodes(self.profile):
                found["serve_bytes"] = (self._serve_bytes(), [_strings(IMAGE_BYTES)])
            if self.profile.dtype == "float32":
                found["classify"] = (self._classify(), [_strings("inputs")])
        if self.has_gradient:
            class_ids = tf.TensorSpec([None], tf.int64, name="class_ids")
            found["explain"] = (self._explain(), [self._images(), class_ids])
        return found | {"describe": describe(self.labels, card, self.profile)}

    def _images(self) -> tf.TensorSpec:
        profile = self.profile
        shape = () if profile.dtype == "string" else profile.shape
        return tf.TensorSpec([None, *shape], profile.dtype, name=profile.input)

    def _serve_bytes(self) -> Function:
        spec = tf.TensorSpec(self.profile.shape, self.profile.dtype)

        def serve_bytes(image_bytes: tf.Tensor) -> Outputs:
            return self.answer(
                tf.map_fn(
                    lambda one: picture_bytes.decoded(one, self.profile),
                    image_bytes,
                    fn_output_signature=spec,
                )
            )

        return serve_bytes

    def _classify(self) -> Function:
        name, labels = self.profile.input, tf.constant(self.labels)
        features = {name: tf.io.FixedLenFeature(self.profile.shape, tf.float32)}

        def classify(inputs: tf.Tensor) -> Outputs:
            answers = self.answer(tf.io.parse_example(inputs, features)[name])
            scores = answers[self.profile.output]
            classes = tf.tile(labels[tf.newaxis], [tf.shape(scores)[0], 1])
            return {"classes": classes, "scores": scores}

        return classify

    def _explain(self) -> Function:
        def explain(images: tf.Tensor, class_ids: tf.Tensor) -> Outputs:
            attributions, chosen, rows = explained(self._explained_rows, images, class_ids)
            probabilities = rows if self.kind == "scores" else tf.nn.softmax(rows)
            return {
                "attributions": attributions,
                "class_ids": chosen,
                "probabilities": probabilities,
            }

        return explain

    def _explained_rows(self, images: tf.Tensor) -> tf.Tensor:
        """Logits, or logarithms of probabilities, which are logits, too; or scores as they are."""
        rows = self.call(images)
        return tf.math.log(tf.maximum(rows, _LEAST)) if self.kind == "probabilities" else rows


def describe(labels: Sequence[str], card: dict[str, Any], profile: ModelProfile | None) -> Endpoint:
    """Returns the signature `describe`, which looks up what a version says of itself."""
    told = {"labels": json.dumps(list(labels)), "card": strict_json.dumps(card)}
    if profile is not None:
        told["profile"] = strict_json.dumps(members_of(profile))
    names = tf.constant(list(told))
    values = tf.constant([*told.values(), ""])

    def look_up(keys: tf.Tensor) -> Outputs:
        same = keys[:, tf.newaxis] == names[tf.newaxis]
        found = tf.where(tf.reduce_any(same, axis=1), tf.argmax(same, axis=1), len(told))
        return {"values": tf.gather(values, found)}

    return look_up, [_strings("keys")]


def members_of(profile: ModelProfile) -> dict[str, Any]:
    """Returns all members of a profile as JSON, but where they are from."""
    members = profile.to_dict()
    del members["sources"]
    return members


def _strings(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.string, name=name)
