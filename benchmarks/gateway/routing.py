"""Routing step: the gateway's route table beside Starlette's router and request, where that is
installed (`pip install starlette`)."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from importlib import import_module
from typing import Any

from vitrine_serving.gateway.http.messages import Request
from vitrine_serving.gateway.http.routes import ROUTES, RoutedRequest

PATHS = ("/v1/models/mlp:predict", "/v1/models/mlp/labels/stable:explain")
ROUNDS = 20
CALLS = 500

_HEADERS = [(b"host", b"localhost"), (b"content-type", b"image/png"), (b"content-length", b"700")]


def measure() -> dict[str, float]:
    """Returns microseconds of finding the route of a request and reading a header, by what did it
    and for which path."""
    return asyncio.run(_measure())


async def _measure() -> dict[str, float]:
    found: dict[str, float] = {}
    for path in PATHS:
        ways = {"route table": _ours(path)}
        if (way := _starlette(path)) is not None:
            ways["Starlette's router"] = way
        took: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS):
            for name, way in ways.items():
                started = time.perf_counter()
                for _ in range(CALLS):
                    await way()
                took[name].append((time.perf_counter() - started) / CALLS)
        found |= {f"{name}, {path}": 1e6 * statistics.median(each) for name, each in took.items()}
    return found


def _ours(path: str) -> Callable[[], Awaitable[None]]:
    async def way() -> None:
        headers = {"content-type": "image/png"}
        request = Request("POST", path, "", headers, "", "0", body=b"", deadline=0.0)
        RoutedRequest(request).check()

    return way


def _starlette(path: str) -> Callable[[], Awaitable[None]] | None:
    """A router with the same addresses, whose endpoint reads what the gateway's does."""
    try:
        requests = import_module("starlette.requests")
        routing = import_module("starlette.routing")
    except ImportError:
        return None

    class Endpoint:
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            request = requests.Request(scope, receive, send)
            assert request.headers["content-type"] == "image/png"
            assert request.path_params["model"] == "mlp"

    patterns = [each.pattern.replace("{file}", "{file:path}") for each in ROUTES]
    patterns = [each.replace("{version}", "{version:int}") for each in patterns]
    router = routing.Router([routing.Route(each, Endpoint()) for each in patterns])

    async def ignored(*_: Any) -> Any:
        return {}

    async def way() -> None:
        scope = {
            **{"type": "http", "method": "POST", "path": path, "raw_path": path.encode()},
            **{"query_string": b"", "headers": _HEADERS, "root_path": "", "app": None},
        }
        await router(scope, ignored, ignored)

    return way


if __name__ == "__main__":
    for what, us in measure().items():
        print(f"{us:6.1f} us  {what}")
