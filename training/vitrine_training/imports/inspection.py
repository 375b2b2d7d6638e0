"""Inspection of a model that is to be imported: what pictures it takes, what its answers are, and
whether it is fit to be served."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from vitrine_client.images.preprocessing import model_input
from vitrine_client.results.profiles import trial
from vitrine_client.results.profiles.completion import (
    ASSUMED,
    Completed,
    Draft,
    ProfileLayer,
    drafted,
)
from vitrine_client.results.profiles.profile import (
    LABELS_MEMBER,
    MOST_LABELS,
    ModelProfile,
    ProfileError,
)
from vitrine_client.results.signatures import sizes as sizes_of
from vitrine_training.imports import ImportRefused, graph
from vitrine_training.imports.loading import ForeignModel
from vitrine_training.publish.signatures import IMAGE_BYTES, IMAGES, SERVING, ServedClassifier
from vitrine_training.publish.wholeness import first_line

Array = npt.NDArray[Any]
Call = Callable[[tf.Tensor], tf.Tensor]

OPTIONS = "options"
"""Source of what the command's options say."""


class Inspected(NamedTuple):
    """Classifier that can be published: as it is `served`, and the `original` rows of the same
    meaning by which it is checked; `notes` are sentences on what was assumed or repaired."""

    served: ServedClassifier
    original: Call
    notes: list[str]


@dataclass(frozen=True)
class _Found:
    model: ForeignModel
    draft: Draft

    def call(self) -> Call:
        """Returns the function from pictures to the output of classes, float32 [n, k]."""
        members = self.draft.members
        own = self.model.function(members["signature"], members["input"], members["output"])
        return lambda images: tf.cast(own(images), tf.float32)


def inspected(
    model: ForeignModel, options: Mapping[str, Any], last: ProfileLayer | None = None
) -> Inspected:
    """Returns a model as it can be served. Its profile has what the `options` say first, and the
    `last` layer for what nothing else says. Raises `ImportRefused` where it is no image classifier,
    or is not fit to be served."""
    try:
        found = _Found(model, _draft(model, options, last))
        _check_operations(found)
        call = found.call()
        completed, rows = _tried(found.draft, call)
    except ProfileError as error:
        raise ImportRefused(_in_options(str(error), options)) from error
    notes = _assumptions(completed)
    if rows:
        notes.append(
            f"it takes {rows} pictures a call: fewer are filled up with copies, and more are asked "
            "for in turn"
        )
        call = _in_turn(call, rows)
    logits = None if rows else model.logits()
    return _served(call, logits, completed, notes)


def _in_options(reason: str, options: Mapping[str, Any]) -> str:
    """Returns the reason with the option that it is about, where it names one that was given."""
    found = _MEMBER.match(reason)
    if found and found[1] in options:
        option = _OPTIONS.get(found[1], found[1])
        return f"--{option} does not fit the model: {reason[found.end() :]}"
    return f"the model is no image classifier that can be served: {reason}"


def _draft(model: ForeignModel, options: Mapping[str, Any], last: ProfileLayer | None) -> Draft:
    layers = [ProfileLayer(OPTIONS, options), *model.layers, *([last] if last else [])]
    if options.get("kind") == "binary" and "output" not in options:
        layers.insert(1, ProfileLayer(OPTIONS, _only_output(model.signatures, options)))
    return drafted(model.signatures, layers)


def _only_output(signatures: Mapping[str, Any], options: Mapping[str, Any]) -> dict[str, str]:
    """Returns the output with one number for each picture, where there is one of that kind, or one
    output at all."""
    name = options.get("signature", SERVING)
    outputs = signatures.get(name, {}).get("outputs", {})
    ones = [each for each in outputs if (sizes_of(outputs[each]) or [])[1:] == [1]]
    names = ones or list(outputs)
    return {"output": names[0]} if len(names) == 1 else {}


def _check_operations(found: _Found) -> None:
    """Looks for what draws at random or is changed, in all functions that are called. Raises
    `ProfileError`."""
    profile = found.draft.preliminary()
    shape = () if profile.dtype == "string" else profile.shape
    spec = tf.TensorSpec([found.draft.rows, *shape], profile.dtype)
    try:
        traced = tf.function(found.call()).get_concrete_function(spec)
    except Exception as error:  # of the model's own code
        raise ProfileError(f"it cannot be called: {first_line(error)}") from error
    operations = traced.graph.as_graph_def(add_shapes=True)
    if large := graph.large_tensors(operations):
        raise ProfileError(f"it takes too much memory: {large[0]} of a single picture")
    if drawn := graph.random_operations(operations):
        raise ProfileError(
            f"it draws at random ({', '.join(drawn[:3])}), so a picture gets now this answer, now "
            f"that; {found.model.repair}"
        )
    if changed := graph.changing_operations(operations):
        raise ProfileError(
            f"it changes itself with each call ({', '.join(changed[:3])}), as batch normalization "
            f"does in training; {found.model.repair}"
        )


def made_up(profile: ModelProfile, count: int) -> Array:
    """Returns levels of made-up pictures, uint8 [count, ...]: noise of different coarseness, the
    same for all models."""
    rng = np.random.default_rng(0)
    height, width = (size or trial.FREE_SIDE for size in profile.shape[:2])
    channels = profile.channels if len(profile.shape) == 3 else 1
    found = np.empty((count, height, width, channels), np.uint8)
    for place in range(count):
        coarse = 1 << (place % 4)
        blocks = (-(-height // coarse), -(-width // coarse), channels)
        levels = rng.integers(0, 256, blocks, np.uint8)
        large = levels.repeat(coarse, axis=0).repeat(coarse, axis=1)
        found[place] = large[:height, :width]
    return found if len(profile.shape) == 3 else found[..., 0]


def _tried(draft: Draft, call: Call) -> tuple[Completed, int | None]:
    """Asks the model about two made-up pictures. Returns its profile, and how many rows it wants in
    a call, None for any number. Raises `ProfileError`."""
    profile = draft.preliminary()
    asked = trial.calls(draft, model_input(trial.levels(profile), profile))
    try:
        alone, other, again = (
            call(tf.constant(rows)).numpy() for rows in (asked.alone, asked.other, asked.again)
        )
    except Exception as error:  # of the model's own code
        raise ProfileError(f"it cannot be asked: {first_line(error)}") from error
    rows = draft.rows
    try:
        copies = call(tf.constant(asked.copies)).numpy()
    except Exception:  # it takes one picture, and does not say so
        copies, rows = alone[:0], 1
    members, classes = trial.judged(asked, trial.TrialCalls(alone, copies, other, again))
    if classes > MOST_LABELS:
        raise ProfileError(f"it has {classes:,} classes, and {MOST_LABELS:,} are the most")
    completed = draft.completed(members, classes)
    _check_kind(completed.profile.kind, members["kind"], np.concatenate([alone, other]))
    if rows == 1:
        completed = completed._replace(profile=replace(completed.profile, batchable=True))
    return completed, rows


def _check_kind(kind: str, seen: str, rows: Array) -> None:
    """Raises `ProfileError` where the answers are not what somebody said."""
    if kind == "binary" and not (rows.min() >= 0 and rows.max() <= 1):
        raise ProfileError(
            "`kind`: binary is one number in 0..1, and it answers others: end it with a sigmoid"
        )
    if kind == "logits" and seen == "probabilities":
        raise ProfileError(
            "`kind`: its rows sum to 1, so they are probabilities, and a softmax of those would be "
            "served: leave out that they are logits"
        )
    if kind == "probabilities" and seen != "probabilities":
        raise ProfileError(
            f"`kind`: probabilities sum to 1, and it answers others, such as {seen}: tell that, or "
            "leave it out"
        )


def _in_turn(call: Call, rows: int) -> Call:
    """Returns a function for any number of pictures of one for a fixed number of `rows`."""

    def in_turn(images: tf.Tensor) -> tf.Tensor:
        count = tf.shape(images)[0]
        filled = -(-count // rows) * rows
        copies = tf.repeat(images[:1], filled - count, axis=0)
        parts = tf.reshape(tf.concat([images, copies], axis=0), [-1, rows, *images.shape[1:]])
        answers = tf.map_fn(call, parts, fn_output_signature=tf.float32)
        return tf.reshape(answers, [filled, -1])[:count]

    return in_turn


_OPTIONS = {"scaling": "scale", "resize": "resize", "polarity": "polarity", "fit": "fit"}
_MEMBER = re.compile(r"`(\w+)`:? ")


def _assumptions(completed: Completed) -> list[str]:
    """Returns sentences on what nothing says; the options say it otherwise."""
    profile, notes = completed.profile, []
    assumed = [name for name in _OPTIONS if profile.sources.get(name) == ASSUMED]
    if assumed:
        told = ", ".join(f"{name} {getattr(profile, name)}" for name in assumed)
        names = ", ".join(f"--{_OPTIONS[name]}" for name in assumed)
        notes.append(f"assumed: {told}; {names} {'say' if len(assumed) > 1 else 'says'} otherwise")
    if profile.sources.get(LABELS_MEMBER) == ASSUMED:
        last = len(completed.labels) - 1
        notes.append(f"its classes are numbered, 0 to {last}: --labels names them")
    if not profile.batchable:
        notes.append(
            "it answers a picture otherwise among others, so each caller's pictures are asked for "
            "alone"
        )
    return notes


def _served(call: Call, logits: Call | None, completed: Completed, notes: list[str]) -> Inspected:
    profile, labels = completed
    kind, classes = profile.kind, len(labels)
    if kind == "binary":
        kind, call = "probabilities", _then(call, _of_two)
    original = _then(call, tf.nn.softmax) if kind == "logits" else call
    if logits is not None and profile.kind == "probabilities":
        call, kind = logits, "logits"
    output = "scores" if kind == "scores" else "probabilities"
    written = replace(
        profile,
        signature=SERVING,
        input=IMAGE_BYTES if profile.dtype == "string" else IMAGES,
        output=output,
        kind=output,
        sources={},
    )
    known = _then(call, lambda rows: tf.ensure_shape(rows, [None, classes]))
    has_gradient = profile.dtype.startswith("float") and _differentiates(known, written)
    if not has_gradient:
        notes.append(f"it has no gradient for {profile.dtype} pictures, so nothing is explained")
    served = ServedClassifier(known, kind, written, labels, has_gradient)
    return Inspected(served, original, notes)


def _then(call: Call, change: Callable[[tf.Tensor], tf.Tensor]) -> Call:
    return lambda images: change(call(images))


def _of_two(rows: tf.Tensor) -> tf.Tensor:
    """Returns the probabilities of two classes, [n, 2], by that of the second, [n, 1]."""
    return tf.concat([1.0 - rows, rows], axis=1)


def _differentiates(call: Call, profile: ModelProfile) -> bool:
    images = tf.constant(model_input(made_up(profile, 1), profile))
    try:
        with tf.GradientTape() as tape:
            tape.watch(images)
            rows = call(images)
        return tape.gradient(rows, images) is not None
    except Exception:  # LookupError: a function or an operation that has none
        return False
