"""A gateway in front of model servers that echo, asked without a socket."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tests.serving.asked_gateway import Http
from tests.serving.open_inference.asked_grpc import LIMITS, GrpcCaller
from tests.serving.open_inference.echo_servers import EchoServers
from vitrine_serving.gateway.application import create_app
from vitrine_serving.gateway.server.grpc_server import GrpcLimits
from vitrine_serving.gateway.settings import Settings


@pytest.fixture
def servers() -> EchoServers:
    """The model servers of `http`'s gateway."""
    return EchoServers()


@pytest.fixture
def http(servers: EchoServers, runner: asyncio.Runner) -> Http:
    """Somebody who asks a gateway of `m`."""
    return Http(create_app(Settings(models=("m",)), servers), runner)


@pytest.fixture
def asking(servers: EchoServers, runner: asyncio.Runner):
    """Makes somebody who asks a gateway with other settings."""

    def make(**settings) -> Http:
        return Http(create_app(Settings(models=("m",), **settings), servers), runner)

    return make


@pytest.fixture
def calling(servers: EchoServers, runner: asyncio.Runner) -> Iterator[Callable[..., GrpcCaller]]:
    """Makes somebody who calls a gateway with other settings, or other limits of gRPC."""
    made = []

    def make(limits: GrpcLimits = LIMITS, *, pems=None, credentials=None, **settings) -> GrpcCaller:
        app = create_app(Settings(models=("m",), **settings), servers)
        made.append(GrpcCaller(app, runner, limits, pems, credentials))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def caller(calling: Callable[..., GrpcCaller]) -> GrpcCaller:
    """Somebody who calls a gateway of `m` by gRPC."""
    return calling()
