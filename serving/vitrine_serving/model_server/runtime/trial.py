"""Trial of a version: one row of zeros for each signature, so that one which can never answer is
found out before it is AVAILABLE.

The kind that people meet: a Keras 3 model inside a `tf.Module`, whose variables Keras does not show
to `tf.saved_model.save`. It loads, and each call fails with FAILED_PRECONDITION.
"""

import logging
import math
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.runtime.servable import Servable
from vitrine_serving.model_server.runtime.signature import Array

log = logging.getLogger(__name__)

_DEFAULT = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY
_MOST_VALUES = 2**24
"""Values of one input; larger rows are not worth their memory."""

_HOPELESS = ("Could not find variable", "uninitialized")
_WHAT_TO_DO = (
    "Its variables were not saved with it: export a Keras model itself, "
    "`model.export(directory)`, not inside a tf.Module"
)

_COPY = "{} is not there: copy the version again, with its folder variables"


def try_signatures(servable: Servable, path: Path | None = None) -> None:
    """Runs each signature whose inputs are floats of known rank, with zeros and dimensions of 1
    where any will do; `path` is the version directory, which the reason may lie in.

    Raises `ServingError` (FAILED_PRECONDITION) where `serving_default` can never answer, or none of
    those that were tried; another one is logged. Other errors mean that it does not take zeros.
    """
    hopeless: dict[str, ServingError] = {}
    tried = 0
    for name, definition in servable.signature_defs.items():
        inputs = _zero_row(definition)
        if not inputs:
            continue
        tried += 1
        try:
            servable.try_signature(name, inputs)
        except ServingError as error:
            if _is_hopeless(error):
                hopeless[name] = error
    if not hopeless:
        return
    name = _DEFAULT if _DEFAULT in hopeless else next(iter(hopeless))
    index = path / "variables" / "variables.index" if path else None
    what_to_do = _WHAT_TO_DO if index is None or index.exists() else _COPY.format(index)
    told = f"Every call of {name} fails. {what_to_do}. {hopeless[name]}"
    if name != _DEFAULT and len(hopeless) < tried:
        log.warning("%s/%d: %s", servable.name, servable.version, told)
        return
    raise ServingError(grpc.StatusCode.FAILED_PRECONDITION, told) from hopeless[name]


def _is_hopeless(error: ServingError) -> bool:
    if error.code is grpc.StatusCode.FAILED_PRECONDITION:
        return True
    return any(words in str(error) for words in _HOPELESS)


def _zero_row(definition: Any) -> dict[str, Array]:
    """Returns an array for each input, none where some have no known shape, or are no floats."""
    row: dict[str, Array] = {}
    for alias, info in definition.inputs.items():
        dtype, shape = tf.as_dtype(info.dtype), info.tensor_shape
        if not dtype.is_floating or info.WhichOneof("encoding") != "name" or shape.unknown_rank:
            return {}
        sizes = [dim.size if dim.size >= 0 else 1 for dim in shape.dim]
        if math.prod(sizes) > _MOST_VALUES:
            return {}
        row[alias] = np.zeros(sizes, dtype.as_numpy_dtype)
    return row
