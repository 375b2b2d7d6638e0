"""Those who look on: they get to know what happens, and can't do harm to it."""

import logging
from collections.abc import Callable
from typing import ParamSpec

from vitrine_serving.gateway.http.messages import Answer, Request

log = logging.getLogger(__name__)

P = ParamSpec("P")

Observer = Callable[[Request, Answer, float], None]
"""Takes a request, what it is answered, and the seconds that this took."""


def harmless(function: Callable[P, object]) -> Callable[P, None]:
    """Returns `function` without its exceptions: the first is logged, the others are not."""
    has_failed = False

    def call(*args: P.args, **kwargs: P.kwargs) -> None:
        nonlocal has_failed
        try:
            function(*args, **kwargs)
        except Exception:
            if not has_failed:
                has_failed = True
                log.exception("%s failed, and is not logged again if it fails again", function)

    return call
