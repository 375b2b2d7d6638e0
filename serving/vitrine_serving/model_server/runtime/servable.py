"""Servable: a loaded version of a model, run the way TensorFlow Serving runs it: in a session."""

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf

from vitrine_serving.errors import ServingError
from vitrine_serving.model_server.runtime.batching import BatchScheduler
from vitrine_serving.model_server.runtime.callables import make_callable
from vitrine_serving.model_server.runtime.deep import (
    DeepCallables,
    from_message,
    to_message,
)
from vitrine_serving.model_server.runtime.loader import load, meta_graph
from vitrine_serving.model_server.runtime.signature import (
    Array,
    Read,
    Signature,
    check_dtypes,
)
from vitrine_serving.rest_json.deep import DeepArray

_TOO_DEEP = re.compile("Cannot convert tensor with [0-9]+ dimensions to NumPy array")
Observe = Callable[[str, str, float], None]
"""Told of each run: the model's name, the name of the call, and how long it took in seconds."""

ObserveExamples = Callable[[str, int], None]
"""Told of each MultiInference: the model that it names, and how many examples it has."""

PREDICT = "Predict"
UNOBSERVED = ""
"""Name of a call that nobody is told of."""

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_MAX_CALLABLES = 64  # n outputs can be asked for in 2^n ways
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
        observe_examples: ObserveExamples = lambda *_: None,
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
        self.path = path
        self.checks_methods = checks_methods
        definition = meta_graph(path, tags)
        self.signature_defs = dict(definition.signature_def)
        self._signatures = {
            name: Signature(definition) for name, definition in self.signature_defs.items()
        }
        self._scheduler = scheduler
        self._own_scheduler = scheduler if is_own_scheduler else None
        self._observe = observe
        self._observe_examples = observe_examples
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        try:
            load(self._session, definition, path)
        except BaseException:
            self._session.close()
            raise
        self._making = threading.Lock()
        self._callable = lru_cache(_MAX_CALLABLES)(self._make_callable)
        self._deep_callables = DeepCallables(self._session)
        self._deep = lru_cache(_MAX_CALLABLES)(self._make_deep)
        self._deep_outputs: set[tuple[str, ...]] = set()

    @property
    def max_batch_size(self) -> int | None:
        """The most rows that a request may have; None where nothing bounds them."""
        return self._scheduler.max_batch_size if self._scheduler else None

    def run(
        self,
        signature_name: str,
        inputs: Mapping[str, Any],
        outputs: Sequence[str] = (),
        *,
        read: Read | None = None,
        call: str = PREDICT,
        timeout_s: float | None = None,
    ) -> dict[str, Any]:
        """Runs a signature on named arrays, or on what `read` makes arrays of; returns all its
        outputs, or those that are named.

        Strings are object arrays of bytes; arrays of more dimensions than NumPy has are
        `DeepArray`s, in and out. As in batching_session.cc, calls for the same tensors share
        batches. Raises `ServingError`: FAILED_PRECONDITION for an unknown signature,
        INVALID_ARGUMENT for inputs or outputs that do not fit it, DEADLINE_EXCEEDED after
        `timeout_s`, else with the code that TensorFlow gives.
        """
        signature = self._signature(signature_name, call)
        feeds, wanted = signature.feeds(inputs, read), signature.wanted(outputs)
        fetches, places = signature.fetches(wanted)
        values = self._run(
            *(signature.feed_names, feeds, signature.dtypes, fetches, call), timeout_s=timeout_s
        )
        return {alias: values[place] for alias, place in zip(wanted, places, strict=True)}

    def run_together(
        self, wanted: Mapping[str, Sequence[str]], array: Array
    ) -> dict[str, dict[str, Any]]:
        """Runs signatures that have one input each on the same array, in one call which nobody is
        told of, as multi_inference.cc does; returns the outputs that are `wanted` of each. Raises
        `ServingError` as `run` does."""
        signatures = {name: self._signatures[name] for name in wanted}
        dtypes = {each.feed_names[0]: next(iter(each.dtypes)) for each in signatures.values()}
        feed_names = tuple(sorted(dtypes))
        found = {
            name: signature.fetches(tuple(wanted[name])) for name, signature in signatures.items()
        }
        fetches = tuple(sorted({tensor for tensors, _ in found.values() for tensor in tensors}))
        values = self._run(
            feed_names,
            [array] * len(feed_names),
            [dtypes[name] for name in feed_names],
            fetches,
            UNOBSERVED,
        )
        of_tensor = dict(zip(fetches, values, strict=True))
        return {
            name: {
                alias: of_tensor[tensors[place]]
                for alias, place in zip(wanted[name], places, strict=True)
            }
            for name, (tensors, places) in found.items()
        }

    def _run(
        self,
        feed_names: tuple[str, ...],
        feeds: Sequence[Array | DeepArray],
        dtypes: Iterable[np.dtype[Any]],
        fetches: tuple[str, ...],
        call: str,
        timeout_s: float | None = None,
    ) -> list[Any]:
        """Returns the values of the tensors `fetches`, and tells of the run."""
        scheduler, timeout_ms = self._scheduler, _milliseconds(timeout_s)
        if scheduler:
            scheduler.check_rows(feeds)
        check_dtypes(feeds, dtypes)
        deep = fetches in self._deep_outputs or DeepArray in map(type, feeds)
        if not deep:
            with self._making:  # or the first calls that come together would each make one
                run = _answered(self._callable, feed_names, fetches, timeout_ms)
        started = time.monotonic()
        if not deep:
            try:
                values = (
                    _answered(scheduler.run, run, feeds) if scheduler else _answered(run, *feeds)
                )
                values = list(map(_to_array, values))
            except ServingError as error:
                if not _TOO_DEEP.match(str(error)):
                    raise
                if len(self._deep_outputs) >= _MAX_CALLABLES:  # a client chooses them
                    self._deep_outputs.clear()
                self._deep_outputs.add(fetches)
                deep = True
        if deep:
            values = self._run_deep(feed_names, feeds, fetches, timeout_ms)
        if call:
            self._observe(self.name, call, time.monotonic() - started)
        return values

    def _run_deep(
        self,
        feed_names: tuple[str, ...],
        feeds: Sequence[Array | DeepArray],
        fetches: tuple[str, ...],
        timeout_ms: int,
    ) -> list[Any]:
        """Returns the values of the tensors `fetches`, of any number of dimensions; in no batch."""
        with self._making:
            run = _answered(self._deep, feed_names, fetches, timeout_ms)
        messages = _answered(run, *map(to_message, feeds))
        return [from_message(*each) for each in zip(fetches, messages, strict=True)]

    def try_signature(self, signature_name: str, inputs: Mapping[str, Array]) -> None:
        """Runs a signature that there is, alone and unobserved, and drops its outputs. Raises
        `ServingError` as `run` does."""
        signature = self._signatures[signature_name]
        fetches, _ = signature.fetches(signature.wanted(()))
        run = _answered(self._callable, signature.feed_names, fetches, 0)
        feeds = signature.feeds(inputs)
        check_dtypes(feeds, signature.dtypes)
        _answered(run, *feeds)

    def count_examples(self, name: str, count: int) -> None:
        """Tells of the examples of a MultiInference, and of the model that it names."""
        self._observe_examples(name, count)

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

    def _check_fetches(self, names: Sequence[str]) -> None:
        """Raises `ServingError` where a tensor is an operation without any, in the words of
        subgraph.cc, which a callable does not have."""
        for name in names:
            with suppress(KeyError, ValueError):  # the session tells of what is not in its graph
                operation = self._session.graph.get_operation_by_name(name.partition(":")[0])
                if not operation.outputs:
                    raise ServingError.invalid(
                        f"Tried to fetch data for '{name}', which produces no output.  To run to a "
                        f"node but not fetch any data, pass '{name}' as an argument to the "
                        "'target_node_names' argument of the Session::Run API."
                    )

    def _make_deep(
        self, feed_names: tuple[str, ...], fetches: tuple[str, ...], timeout_ms: int
    ) -> Any:
        self._check_fetches(fetches)
        return self._deep_callables.make(feed_names, fetches, timeout_ms)

    def _make_callable(
        self, feed_names: tuple[str, ...], fetches: tuple[str, ...], timeout_ms: int
    ) -> Any:
        self._check_fetches(fetches)
        return make_callable(
            self._session,
            feed_names,
            fetches,
            timeout_ms=timeout_ms,
            in_calling_thread=not timeout_ms,  # only other threads can be given up waiting for
        )


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
