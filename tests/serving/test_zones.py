"""Zones of model servers: what settings may say, whom they prefer, and where they do not."""

import asyncio

import pytest

from harness.fake_model_server import FakeModelServer
from harness.gateway import gateway
from tests.serving.asking import ask, nobody, to, until
from vitrine_client.errors import InvalidRequest
from vitrine_client.process import addresses
from vitrine_serving.gateway.settings import SettingsError, checked_settings
from vitrine_serving.gateway.upstream.discovery import ServerEndpoint
from vitrine_serving.gateway.upstream.zones import Zones, preferred


@pytest.mark.parametrize(
    ("address", "plain", "zone"),
    [
        ("a:8500@zone-a", "a:8500", "zone-a"),
        ("[::1]:8500@eu-west-1.a_b", "[::1]:8500", "eu-west-1.a_b"),
        ("dns:///models:8500@1", "dns:///models:8500", "1"),
        ("a:8500", "a:8500", ""),
        ("unix:/run/a@b", "unix:/run/a@b", ""),
        ("unix-abstract:a@b", "unix-abstract:a@b", ""),
        ("ttrpc:/run/a@b", "ttrpc:/run/a@b", ""),
    ],
)
def test_addresses_with_zones(address, plain, zone):
    """Of sockets on this machine an @ is part of the path; clients are told no zone."""
    assert addresses.checked_zoned_server(address) == address
    assert addresses.split_zone(address) == (plain, zone)
    assert addresses.checked_model_server(address) == plain
    assert addresses.model_servers({"VITRINE_MODEL_SERVER": f"{address},b:1"}) == (plain, "b:1")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("a:8500@", "'' is no zone"),
        ("a:8500@two words", "'two words' is no zone"),
        ("a:8500@zone-", "'zone-' is no zone"),
        ("a:8500@" + 64 * "z", "up to 63 letters"),
        ("a:8500@zürich", "is no zone"),
        ("a:8500@b@c", "HOST:PORT@ZONE"),
        ("a@zone", "HOST:PORT@ZONE"),
        ("@zone", "HOST:PORT@ZONE"),
        ("grpc://a:8500@zone", "HOST:PORT@ZONE"),
        ("user:secret@a:8500", "HOST:PORT@ZONE"),
    ],
)
def test_zones_that_are_none(address, said):
    """One sentence that says what to write, and tells no password."""
    with pytest.raises(InvalidRequest, match=said) as caught:
        addresses.checked_model_server(address)
    assert "secret" not in str(caught.value)
    with pytest.raises(SettingsError, match="VITRINE_MODEL_SERVER"):
        checked_settings(model_server=address)


def test_settings_with_a_zone():
    """The gateway's own is checked, too; addresses keep theirs."""
    settings = checked_settings(model_server="a:1@x,b:1@y", zone="x").upstream
    assert settings.model_server == ("a:1@x", "b:1@y")
    assert settings.zones.addresses == ("a:1", "b:1")
    with pytest.raises(SettingsError, match=r"VITRINE_ZONE.*is no zone"):
        checked_settings(model_server="a:1@x", zone="no zone")


def test_who_is_in_the_zone():
    """All addresses behind a name are where the name is; sockets of this machine always are near,
    and without a zone of one's own nobody is."""
    told = ("models:8500@x", "b:1@y", "c:1", "ttrpc:/run/a", "unix:/run/b@y")
    zones = Zones("x", told)
    assert zones.is_own(ServerEndpoint("10.0.0.1:8500", "models:8500"))
    assert not zones.is_own(ServerEndpoint("10.0.0.2:8500", "others:8500"))
    near = [zones.is_own(ServerEndpoint(each)) for each in zones.addresses[1:]]
    assert near == [False, False, True, True]
    assert not any(Zones("", told).is_own(ServerEndpoint(each)) for each in zones.addresses)


def test_half_of_the_near_ones_must_be_there():
    """Then they are preferred; else all are asked."""
    assert preferred(["a", "b", "c", "d"], {"a", "b"}) == ["a", "b"]
    assert preferred(["a", "c", "d"], {"a", "b"}) == ["a"]
    assert preferred(["a", "c", "d"], {"a", "b", "x"}) == ["a", "c", "d"]
    assert preferred(["c", "d"], {"a", "b"}) == ["c", "d"]


def test_servers_of_the_own_zone_are_asked():
    """All of them in turn, and the others once more than half of them are away."""

    async def main(one, two, three, far):
        told = [f"{one.address}@x", f"{two.address}@x", f"{three.address}@x"]
        async with to(*told, f"{far.address}@y", zone="x", breaker_failures=1) as servers:

            async def shares(calls: int) -> list[int]:
                before = [len(each.calls) for each in (one, two, three, far)]
                for _ in range(calls):
                    assert await ask(servers) == b"hello"
                now = [len(each.calls) for each in (one, two, three, far)]
                return [new - old for new, old in zip(now, before, strict=True)]

            assert await shares(12) == [4, 4, 4, 0]
            assert servers.usable() == 3
            await asyncio.to_thread(one.stop)
            assert await shares(12) == [0, 6, 6, 0]
            await asyncio.to_thread(two.stop)
            await shares(4)  # which find out that it is gone
            assert await shares(12) == [0, 0, 6, 6]
            assert servers.usable() == 2

    with (
        FakeModelServer() as one,
        FakeModelServer() as two,
        FakeModelServer() as three,
        FakeModelServer() as far,
    ):
        asyncio.run(main(one, two, three, far))


def test_addresses_behind_a_name_have_its_zone():
    """As they come and go."""

    async def main(near, far):
        def resolve(host, port):
            return [near.address] if host == "near.example" else [far.address]

        told = "far.example:1@y", "near.example:1@x"
        async with to(*told, zone="x", resolve=resolve) as servers:
            await until(lambda: len(servers.snapshot()) == 2, "both")
            for _ in range(6):
                assert await ask(servers) == b"hello"
            assert (len(near.calls), len(far.calls)) == (6, 0)

    with FakeModelServer() as near, FakeModelServer() as far:
        asyncio.run(main(near, far))


@pytest.mark.parametrize(("told", "is_said"), [("@x", False), ("@y", True), ("", True)])
def test_a_zone_that_no_address_has_is_told_at_the_start(told, is_said, tmp_path):
    """Once, with what to write."""
    log = tmp_path / "log"
    with gateway(f"{nobody()}{told}", log, workers=1, zone="x"):
        pass
    said = "VITRINE_ZONE=x has no effect: no address in VITRINE_MODEL_SERVER is in that zone"
    assert log.read_text().count(said) == is_said
