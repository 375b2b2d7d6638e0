"""Callables of a session: tensors in, tensors out, by TensorFlow's `Session::MakeCallable`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tensorflow.core.protobuf import config_pb2

_IN_THE_CALLING_THREAD = -1


def make_callable(
    session: Any,
    feeds: Sequence[str],
    fetches: Sequence[str] = (),
    *,
    targets: Sequence[str] = (),
    connections: Mapping[str, str] | None = None,
    timeout_ms: int = 0,
    in_calling_thread: bool = False,
) -> Callable[..., list[Any]]:
    """Returns a function of arrays for the tensors `feeds`, to the values of the tensors `fetches`.

    It runs the operations `targets` as well; `connections` are tensors that take the place of
    others. A call is given up after the time-out, 0 for none, which one that runs in the calling
    thread has not. Raises TensorFlow's errors for what is not in the graph.
    """
    options = config_pb2.CallableOptions(feed=feeds, fetch=fetches, target=targets)
    options.run_options.timeout_in_ms = timeout_ms
    for wanted, given in (connections or {}).items():
        options.tensor_connection.add(from_tensor=given, to_tensor=wanted)
    if in_calling_thread:
        options.run_options.inter_op_thread_pool = _IN_THE_CALLING_THREAD
    # Not public, but the only way to this call from Python; the pinned TensorFlow has it.
    made: Callable[..., list[Any]] = session._make_callable_from_options(options)
    return made
