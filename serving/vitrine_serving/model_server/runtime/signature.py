"""Signature checks: requests held against a signature, in the words of TensorFlow Serving.

They are those of predict_util.cc (VerifyRequestInputsSize, PreProcessPrediction) and of
TensorFlow's saved_model/util.cc (GetInputValues) and call_frame.cc (SetArgs).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from vitrine_serving.errors import ServingError

Array = np.ndarray[Any, Any]

_NAMES = {"float32": "float", "float64": "double", "float16": "half"}  # of dtypes, as C++ has them


class Signature:
    """Signature with its inputs and outputs, ready to be compared with a request's.

    `feed_names` are the tensors that `feeds` has values for, in the same order.
    """

    def __init__(self, definition: Any) -> None:
        declared = sorted(definition.inputs.items(), key=lambda item: item[1].name)
        self.feed_names = [info.name for _, info in declared]
        self._dtypes = {
            alias: np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype) for alias, info in declared
        }
        self._feeds = dict(zip(self._dtypes, self.feed_names, strict=True))
        self._defaults = {
            alias: tf.make_ndarray(tensor) for alias, tensor in definition.defaults.items()
        }
        self._outputs = tuple(sorted(definition.outputs))

    def feeds(self, inputs: Mapping[str, Array]) -> list[Array]:
        """Returns the arrays to feed; raises `ServingError` where names or dtypes do not fit."""
        same_names = inputs.keys() == self._dtypes.keys()
        if not same_names:
            self._check_size(inputs)
        feeds = []
        for place, (alias, dtype) in enumerate(self._dtypes.items()):
            array = inputs.get(alias)
            if array is None:
                array = self._default(alias, inputs)
            elif array.dtype != dtype and not (dtype.hasobject and array.dtype.kind == "S"):
                raise ServingError.invalid(
                    f"Expects arg[{place}] to be {_name(dtype)} but {_name(array.dtype)} "
                    "is provided"
                )
            feeds.append(array)
        if not same_names and (unknown := set(inputs) - set(self._dtypes)):
            raise ServingError.invalid(
                "Inputs contains invalid name. Used request inputs: "
                f"{','.join(sorted(set(inputs) - unknown))}, "
                f"request input: {','.join(sorted(inputs))}"
            )
        return feeds

    def wanted(self, outputs: Sequence[str]) -> tuple[str, ...]:
        """Returns the outputs to fetch: all, or those of a filter. Raises `ServingError`."""
        outputs = tuple(outputs)
        for place, alias in enumerate(outputs):
            if alias not in self._outputs:
                raise ServingError.invalid(
                    f"output tensor alias not found in signature: {alias} "
                    f"Outputs expected to be in the set {_braces(self._outputs)}."
                )
            if alias in outputs[:place]:
                raise ServingError.invalid(f"duplicate output tensor alias: {alias}")
        return outputs or self._outputs

    def _check_size(self, inputs: Mapping[str, Array]) -> None:
        sent, known = set(inputs), set(self._dtypes)
        if len(sent) > len(known) or (len(sent) < len(known) and not self._defaults):
            raise ServingError.invalid(
                f"input size does not match signature: {len(sent)}!={len(known)} "
                f"len({_braces(sent)}) != len({_braces(known)}). "
                f"Sent extra: {_braces(sent - known)}. "
                f"Missing but required: {_braces(known - sent)}."
            )

    def _default(self, alias: str, inputs: Mapping[str, Array]) -> Array:
        if alias not in self._defaults:
            raise ServingError.invalid(
                f"Signature input alias: {alias}(feed name: {self._feeds[alias]}) not found in "
                "request and no default value provided. Inputs expected to be in the request "
                f"{_braces(inputs)}, or default input alias set: {','.join(sorted(self._defaults))}"
            )
        return self._defaults[alias]


def _name(dtype: Any) -> str:
    try:
        name = tf.as_dtype(dtype).name
    except TypeError as error:
        raise ServingError.invalid(f"{dtype} is no dtype of a tensor") from error
    return _NAMES.get(name, name)


def _braces(names: Any) -> str:
    return "{" + ",".join(sorted(names)) + "}"
