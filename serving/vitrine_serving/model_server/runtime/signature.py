"""Signature checks: requests held against a signature, in the words of TensorFlow Serving.

They are those of predict_util.cc (VerifyRequestInputsSize, PreProcessPrediction) and of
TensorFlow's saved_model/util.cc (GetInputValues) and call_frame.cc (SetArgs).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.runtime.tensors import HandleArray
from vitrine_serving.rest_json.deep import DeepArray

Array = np.ndarray[Any, Any]
Read = Callable[[str, Any], Array | DeepArray]
"""Makes an array of an input, by its name."""

_MAX_FETCHES = 64  # a signature with n outputs can be asked for in 2^n ways
_NAMES = {"float32": "float", "float64": "double", "float16": "half"}  # of dtypes, as C++ has them


class Signature:
    """Signature with its inputs and outputs, ready to be compared with a request's.

    `feed_names` are the tensors that `feeds` has values for, in the same order.
    """

    def __init__(self, definition: Any) -> None:
        declared = sorted(definition.inputs.items(), key=lambda item: item[1].name)
        self.feed_names = tuple(info.name for _, info in declared)
        self._dtypes = {
            alias: np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype) for alias, info in declared
        }
        self._feeds = dict(zip(self._dtypes, self.feed_names, strict=True))
        self._defaults = {
            alias: tf.make_ndarray(tensor) for alias, tensor in definition.defaults.items()
        }
        self._outputs = {alias: info.name for alias, info in sorted(definition.outputs.items())}
        self.fetches = lru_cache(_MAX_FETCHES)(self._fetches)

    def feeds(self, inputs: Mapping[str, Any], read: Read | None = None) -> list[Array | DeepArray]:
        """Returns the arrays to feed; raises `ServingError` where names do not fit.

        `read` makes an array of each input that the signature has, and may raise one, too.
        """
        same_names = set(inputs) == self._dtypes.keys()
        if not same_names:
            self._check_size(inputs)
        feeds: list[Array | DeepArray] = []
        for alias in self._dtypes:
            sent = inputs.get(alias)
            if sent is None:
                feeds.append(self._default(alias, inputs))
            else:
                feeds.append(read(alias, sent) if read else sent)
        if not same_names and (unknown := set(inputs) - set(self._dtypes)):
            raise ServingError.invalid(
                "Inputs contains invalid name. Used request inputs: "
                f"{','.join(sorted(set(inputs) - unknown))}, "
                f"request input: {','.join(sorted(inputs))}"
            )
        return feeds

    @property
    def dtypes(self) -> Collection[np.dtype[Any]]:
        """Those of the tensors `feed_names`, for `check_dtypes`."""
        return self._dtypes.values()

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
        return outputs or tuple(self._outputs)

    def _fetches(self, outputs: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[int, ...]]:
        """Returns the tensors that `outputs` are, each once and in the order of the alphabet, which
        a batch has them in, and the place of each output among them."""
        names = [self._outputs[alias] for alias in outputs]
        fetches = tuple(sorted(set(names)))
        return fetches, tuple(map(fetches.index, names))

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


def check_dtypes(feeds: Sequence[Array | DeepArray], dtypes: Iterable[np.dtype[Any]]) -> None:
    """Raises `ServingError` for an array of another dtype than its tensor has, as a session does
    when it runs: after all else."""
    for array in feeds:
        if isinstance(array, HandleArray) and array.handle is not None:
            raise ServingError.invalid(_no_feed(array.handle))
    for place, (array, dtype) in enumerate(zip(feeds, dtypes, strict=True)):
        if isinstance(array, HandleArray):
            found = array.kind
        elif array.dtype != dtype and not (dtype.hasobject and array.dtype.kind == "S"):
            found = _name(array.dtype)
        else:
            continue
        raise ServingError.invalid(
            f"Expects arg[{place}] to be {_name(dtype)} but {found} is provided"
        )


def _no_feed(handle: Any) -> str:
    """Returns the words of direct_session.cc (ResourceHandleToInputTensor)."""
    return (
        f"Invalid resource type hash code: {handle.hash_code}(name: {handle.name} type: "
        f"{handle.maybe_type_name}). Perhaps a resource tensor was being provided as a feed? That "
        "is not currently allowed. Please file an issue at "
        "https://github.com/tensorflow/tensorflow/issues/new, ideally with a short code snippet "
        "that leads to this error message."
    )


def _name(dtype: Any) -> str:
    try:
        name = tf.as_dtype(dtype).name
    except TypeError as error:
        raise ServingError.invalid(f"{dtype} is no dtype of a tensor") from error
    return _NAMES.get(name, name)


def _braces(names: Any) -> str:
    return "{" + ",".join(sorted(names)) + "}"
