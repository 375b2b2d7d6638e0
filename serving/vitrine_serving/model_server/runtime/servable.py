"""Servable: a loaded version of a model, run the way TensorFlow Serving runs it: in a session."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import config_pb2

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.runtime.batching import BatchScheduler
from vitrine_serving.model_server.runtime.deep import (
    from_message,
    make_deep_callable,
    to_message,
)
from vitrine_serving.model_server.runtime.saved_model import saved_model
from vitrine_serving.model_server.runtime.signature import Array, Read, Signature

Observe = Callable[[str, str, float], None]
"""Told of each run: the model's name, the name of the call, and how long it took in seconds."""

PREDICT = "Predict"
UNOBSERVED = ""
"""Name of a call that nobody is told of."""

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_MAX_CALLABLES = 64  # a signature with n outputs can be asked for in 2^n ways
_IN_THE_CALLING_THREAD = -1
_METHODS = [f"tensorflow/serving/{name}" for name in ("predict", "classify", "regress")]


class Servable:
    """A SavedModel in memory, ready to run; safe to share between threads.

    `signature_defs` are the model's signatures, as TensorFlow's messages. Calls go
    to `Session::MakeCallable`, in the calling thread: for a small model that takes a tenth of the
    time of calling the loaded signature (docs/model-server.md), and it is the road that TensorFlow
    Serving takes, with the same kernels, texts of errors and answers. Operations of one request
    then run one after the other, each on as many threads as the session has for one, and different
    requests side by side.
    """

    def __init__(
        self,
        name: str,
        version: int,
        path: Path,
        *,
        tags: Sequence[str] = ("serve",),
        scheduler: BatchScheduler | None = None,
        is_own_scheduler: bool = False,
        observe: Observe = lambda *_: None,
        config: Any = None,
        checks_methods: bool = False,
    ) -> None:
        """Loads the version in `path`; raises `ServingError`, or an error of TensorFlow's.

        With `checks_methods` its signatures predict, classify and regress only if their method says
        so.
        `config` is the session's; its threads are heeded in the process's first session alone. A
        scheduler that is the version's own ends with it.
        """
        self.name = name
        self.version = version
        self.checks_methods = checks_methods
        self.signature_defs = _signature_defs(path, set(tags))
        self._signatures = {
            name: Signature(definition) for name, definition in self.signature_defs.items()
        }
        self._scheduler = scheduler
        self._batched = {each.tensors(each.wanted(())) for each in self._signatures.values()}
        self._own_scheduler = scheduler if is_own_scheduler else None
        self._observe = observe
        graph = tf.Graph()
        with graph.as_default():
            self._session = tf.compat.v1.Session(graph=graph, config=config)
            try:
                tf.compat.v1.saved_model.load(self._session, list(tags), str(path))
            except BaseException:
                self._session.close()
                raise
        self._making = threading.Lock()
        self._callable = lru_cache(_MAX_CALLABLES)(self._make_callable)
        self._deep = cache(self._make_deep)

    def run(
        self,
        signature_name: str,
        inputs: Mapping[str, Any],
        outputs: Sequence[str] = (),
        *,
        read: Read | None = None,
        call: str = PREDICT,
        timeout_s: float | None = None,
    ) -> dict[str, Array]:
        """Runs a signature on named arrays, or on what `read` makes arrays of; returns all its
        outputs, or those that are named.

        Strings are object arrays of bytes. As in batching_session.cc, a call is batched if it is
        for all outputs of a signature. Raises `ServingError`: FAILED_PRECONDITION for an
        unknown signature, INVALID_ARGUMENT for inputs or outputs that do not fit it,
        DEADLINE_EXCEEDED after `timeout_s`, else with the code that TensorFlow gives.
        """
        signature = self._signature(signature_name, call)
        feeds, wanted = signature.feeds(inputs, read), signature.wanted(outputs)
        scheduler = self._scheduler
        if scheduler and outputs and signature.tensors(wanted) not in self._batched:
            scheduler = None
        if scheduler:
            scheduler.check_rows(feeds)
        signature.check_dtypes(feeds)
        with self._making:  # or the first calls that come together would each make one
            run = _answered(self._callable, signature_name, wanted, _milliseconds(timeout_s))
        started = time.monotonic()
        values = _answered(scheduler.run, run, feeds) if scheduler else _answered(run, *feeds)
        if call:
            self._observe(self.name, call, time.monotonic() - started)
        return dict(zip(wanted, map(_to_array, values), strict=True))

    def run_deep(
        self, signature_name: str, inputs: Mapping[str, Any], *, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """Predicts by a signature on `DeepArray`s among others, alone; returns all its outputs.
        Raises `ServingError` as `run` does."""
        signature = self._signature(signature_name, PREDICT)
        feeds, wanted = signature.feeds(inputs), signature.wanted(())
        signature.check_dtypes(feeds)
        with self._making:
            run = _answered(self._deep, signature_name, _milliseconds(timeout_s))
        started = time.monotonic()
        messages = _answered(run, *map(to_message, feeds))
        self._observe(self.name, PREDICT, time.monotonic() - started)
        return {
            alias: from_message(alias, message)
            for alias, message in zip(wanted, messages, strict=True)
        }

    def try_signature(self, signature_name: str, inputs: Mapping[str, Array]) -> None:
        """Runs a signature that there is, alone and unobserved, and drops its outputs. Raises
        `ServingError` as `run` does."""
        signature = self._signatures[signature_name]
        run = _answered(self._callable, signature_name, signature.wanted(()), 0)
        feeds = signature.feeds(inputs)
        signature.check_dtypes(feeds)
        _answered(run, *feeds)

    def close(self) -> None:
        """Frees the memory. Nothing may run then, or afterwards."""
        if self._own_scheduler:
            self._own_scheduler.close()
        self._callable.cache_clear()
        self._deep.cache_clear()
        self._session.close()

    def _signature(self, name: str, call: str) -> Signature:
        """Returns a signature that the call may run, as predict_util.cc (VerifySignature) has it;
        raises `ServingError`."""
        signature = self._signatures.get(name)
        if signature is None:
            raise ServingError(
                grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
            )
        if call == PREDICT and self.checks_methods:
            method = self.signature_defs[name].method_name
            if method not in _METHODS:
                raise ServingError(
                    grpc.StatusCode.INTERNAL,
                    "Expected prediction signature method_name to be one of "
                    f"{{{', '.join(_METHODS)}}}. Was: {method}",
                )
        return signature

    def _fetched(self, signature_name: str, outputs: Sequence[str]) -> list[str]:
        """Returns the tensors of outputs. Raises `ServingError` where one is an operation without
        any, in the words of subgraph.cc, which a callable does not have."""
        declared = self.signature_defs[signature_name].outputs
        names = [declared[alias].name for alias in outputs]
        for name in names:
            with suppress(KeyError, ValueError):  # the session tells of what is not in its graph
                operation = self._session.graph.get_operation_by_name(name.partition(":")[0])
                if not operation.outputs:
                    raise ServingError.invalid(
                        f"Tried to fetch data for '{name}', which produces no output.  To run to a "
                        f"node but not fetch any data, pass '{name}' as an argument to the "
                        "'target_node_names' argument of the Session::Run API."
                    )
        return names

    def _make_deep(self, signature_name: str, timeout_ms: int) -> Any:
        signature = self._signatures[signature_name]
        outputs = self._fetched(signature_name, signature.wanted(()))
        return make_deep_callable(self._session, signature.feed_names, outputs, timeout_ms)

    def _make_callable(self, signature_name: str, outputs: tuple[str, ...], timeout_ms: int) -> Any:
        options = config_pb2.CallableOptions()
        options.feed.extend(self._signatures[signature_name].feed_names)
        names = self._fetched(signature_name, outputs)
        options.fetch.extend(dict.fromkeys(names))
        options.run_options.timeout_in_ms = timeout_ms
        if not timeout_ms:  # only other threads can be given up waiting for
            options.run_options.inter_op_thread_pool = _IN_THE_CALLING_THREAD
        # Not public, but the only way to this call from Python; the pinned TensorFlow has it.
        run = self._session._make_callable_from_options(options)
        if len(options.fetch) == len(names):
            return run
        places = [list(options.fetch).index(name) for name in names]
        return lambda *feeds: [values[place] for values in [run(*feeds)] for place in places]


def _milliseconds(timeout_s: float | None) -> int:
    """Returns a time-out as a session's options have it; 0 is none."""
    return 0 if timeout_s is None else max(1, round(timeout_s * 1000))


def _answered(run: Callable[..., Any], *feeds: Any) -> Any:
    """Returns `run(*feeds)`; raises `ServingError` for TensorFlow's errors. No context manager: a
    generator for each call costs as much as all other checks of it."""
    try:
        return run(*feeds)
    except tf.errors.OpError as error:
        raise ServingError(_CODES[error.error_code], error.message) from error
    except (TypeError, ValueError) as error:  # NumPy's, of an array that is no tensor
        raise ServingError.invalid(str(error)) from error


def _to_array(value: Any) -> Array:
    """A session answers arrays, but for a tensor without dimensions."""
    if isinstance(value, np.ndarray):
        return value
    return np.array(value, object) if isinstance(value, bytes) else np.asarray(value)


def _signature_defs(path: Path, tags: set[str]) -> dict[str, Any]:
    for graph in saved_model(path).meta_graphs:
        if set(graph.meta_info_def.tags) == tags:
            return dict(graph.signature_def)
    raise ServingError(
        grpc.StatusCode.NOT_FOUND,
        f"Could not find meta graph def matching supplied tags: {{ {' '.join(sorted(tags))} }}. "
        "To inspect available tag-sets in the SavedModel, please use the SavedModel CLI: "
        "`saved_model_cli`",
    )
