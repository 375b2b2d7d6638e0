"""Where a call into C that blocks is made, so that nobody else has to wait for it."""

from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar, cast

from gevent import get_hub, monkey

P = ParamSpec("P")
T = TypeVar("T")


def offloaded(function: Callable[P, T]) -> Callable[P, T]:
    """Returns `function` so that it blocks its caller alone.

    In a thread of one's own it does so by itself. Under gevent, which runs all requests in one
    thread, a native thread of gevent's pool makes the call.
    """
    if not monkey.is_module_patched("threading"):
        return function

    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        result, error = get_hub().threadpool.apply(_outcome, (function, args, kwargs))
        if error:
            raise error
        return cast(T, result)

    return call


def _outcome(function: Callable[..., Any], args: Any, kwargs: Any) -> tuple[Any, Exception | None]:
    """The pool prints what is raised in it, and errors of the model server are no news."""
    try:
        return function(*args, **kwargs), None
    except Exception as error:
        return None, error
