"""What a gateway tells its peers, and nobody else."""

import asyncio

import pytest

from tests.serving.clock import Clock
from tests.serving.drift.peers.pooled import fleet
from vitrine_serving.gateway.http.messages import Request
from vitrine_serving.gateway.http.routes import UnknownAddress, find
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.shared_state import SharedState
from vitrine_serving.gateway.telemetry.drift import Watch, Windows
from vitrine_serving.gateway.telemetry.drift.peers import document
from vitrine_serving.gateway.telemetry.drift.peers.client import PATH
from vitrine_serving.gateway.telemetry.endpoints import TelemetryEndpoints


def asked_by(client, watch, **headers):
    """What a client is answered."""
    endpoints = TelemetryEndpoints(None, None, watch, None)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return endpoints.drift_windows(Request("GET", PATH, "", fields, client, "id-1"))


def test_peers_alone_are_told(asked, description):
    """By their addresses, which the DNS has. Others learn nothing, as two answers in a row would
    tell what a picture was taken for."""

    async def main():
        network = fleet(description, Clock())
        watch = network["10.0.0.1:8080"].watch
        asked.show(watch, 40)
        watch.flush()
        watch.start(lambda: list(network), network["10.0.0.1:8080"].servers)
        told = await asked_by("10.0.0.2", watch)
        assert told.status == 200
        assert document.read(told.body, 0.0).windows[0].sample.size == 40
        for stranger in ("192.0.2.1", "127.0.0.1", "10.0.0.4", ""):
            refused = await asked_by(stranger, watch)
            assert refused.status == 403
            assert b"sums" not in refused.body
        watch.stop()

    asyncio.run(main())


@pytest.mark.parametrize("header", ["forwarded", "via", "x_forwarded_for", "x_real_ip"])
def test_a_proxy_at_a_peers_address_is_told_nothing(header, description):
    """As a balancer beside one of the gateways: who asks there may be anybody."""

    async def main():
        network = fleet(description, Clock())
        watch = network["10.0.0.1:8080"].watch
        watch.start(lambda: list(network), network["10.0.0.1:8080"].servers)
        assert (await asked_by("10.0.0.2", watch, host="vitrine-peers:8080")).status == 200
        assert (await asked_by("10.0.0.2", watch, **{header: "10.0.0.3"})).status == 403
        watch.stop()

    asyncio.run(main())


def test_no_such_address_without_peers():
    """Nor where their number is given, or nothing is watched; and nobody is asked."""

    async def main(watch):
        with pytest.raises(UnknownAddress):
            await asked_by("10.0.0.2", watch)

    asyncio.run(main(Watch(Windows(500))))
    asyncio.run(main(None))


@pytest.mark.parametrize(
    ("settings", "pools"),
    [
        ({}, False),
        ({"peers": "3"}, False),
        ({"peers": "vitrine-peers.test:8080"}, True),
        ({"peers": "vitrine-peers.test:8080", "drift": False}, False),
    ],
)
def test_who_pools(settings, pools):
    """A gateway that watches, and has a name for its peers."""

    assert (SharedState(Settings(**settings), {}).drift_pool is not None) is pools


def test_no_key_is_needed():
    """Gateways have none: their addresses count."""
    route, _ = find(PATH)
    assert route.public
    assert not route.operation, "it is no part of the API"
