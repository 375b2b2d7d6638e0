"""What tests of `ModelServers` share: making them, calling them, waiting beside them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from harness.fake_local_server import FakeLocalServer
from harness.fake_model_server import FakeModelServer
from harness.ports import free_port
from harness.waiting import wait_for
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.settings import FIELDS, Settings
from vitrine_serving.gateway.upstream.breaker import BreakerSettings
from vitrine_serving.gateway.upstream.ejection import EjectionSettings
from vitrine_serving.gateway.upstream.model_servers import ModelServers
from vitrine_serving.gateway.upstream.retries import RetrySettings

LONG_S = 20.0

OVER_EACH = pytest.mark.parametrize("server_kind", [FakeModelServer, FakeLocalServer])
"""Runs a test over gRPC, and over a local socket."""


@contextlib.asynccontextmanager
async def to(*servers: FakeModelServer | str, **options) -> AsyncIterator[ModelServers]:
    """`ModelServers` for fake servers, or for addresses; closed at the end."""
    addresses = [each if isinstance(each, str) else each.address for each in servers]
    made = ModelServers(addresses, **upstream_options(options))
    try:
        yield made
    finally:
        await made.close()


def upstream_options(options: dict[str, Any]) -> dict[str, Any]:
    """Returns options of `ModelServers`; those that are settings go into their parts."""
    parts = {"retrying": RetrySettings, "breaker": BreakerSettings, "ejection": EjectionSettings}
    return {
        name: option for name, option in options.items() if name not in FIELDS or name == "zone"
    } | {
        part: kind(**{name: options[name] for name in kind.model_fields if name in options})
        for part, kind in parts.items()
    }


async def ask(
    servers: ModelServers, request: bytes = b"hello", *, timeout_s: float = LONG_S
) -> bytes:
    """Makes a call."""
    return await servers.call("PredictionService/Predict", request, timeout_s=timeout_s)


async def until(condition: Callable[[], bool], what: str) -> None:
    """Lets the loop go on until `condition()` holds."""
    await asyncio.to_thread(wait_for, condition, LONG_S, what)


def nobody() -> str:
    """An address where nobody listens."""
    return f"127.0.0.1:{free_port()}"


def data_plane(servers: ModelServers, **settings: object) -> DataPlane:
    """Returns a data plane before model servers."""
    chosen = Settings(**settings)
    return DataPlane(servers, chosen.batching, chosen.shedding)
