"""Peers: how many gateways there are, by a number or by the DNS."""

import asyncio
import threading

import pytest

from tests.serving.asking import until
from vitrine_serving.gateway.server.peers import Peers, PeersSettings
from vitrine_serving.gateway.settings import SettingsError, checked_settings
from vitrine_serving.gateway.shared_memory import Snapshots

NAME = "vitrine-peers:8080"
OWN, SECOND, THIRD = "10.0.0.1:8080", "10.0.0.2:8080", "[fd00::3]:8080"


class Dns:
    """DNS with one name, whose records can be replaced; None while it is dead."""

    def __init__(self, *records: str) -> None:
        self.looked = 0
        self.records: list[str] | None = list(records)

    def __call__(self, host: str, port: int) -> list[str] | None:
        assert (host, port) == ("vitrine-peers", 8080)
        self.looked += 1
        return self.records


def named(dns: Dns, found: Snapshots | None = None) -> Peers:
    return Peers(
        PeersSettings(peers=NAME), found=found, resolve=dns, is_local=lambda ip: ip == "10.0.0.1"
    )


@pytest.mark.parametrize(("text", "count"), [("1", 1), ("3", 3), (" 03 ", 3), ("10000", 10_000)])
def test_a_number(text, count):
    """It holds from the first, and nothing is looked up."""
    peers, told = Peers(PeersSettings(peers=text)), []
    peers.start(lambda: told.append(peers.count))
    peers.stop()
    assert (peers.count, peers.addresses, peers.others, told) == (count, (), (), [count])


def test_one_without_the_setting():
    assert Peers().count == 1


@pytest.mark.parametrize(
    ("text", "said"),
    {
        "0": "a number of gateways from 1 to 10000",
        "-3": "a number of gateways from 1 to 10000",
        "10001": "a number of gateways from 1 to 10000",
        "9" * 5000: "a number of gateways from 1 to 10000",
        "1.5": "or one name",
        "three": "or one name",
        "vitrine-peers": "or one name",
        "vitrine-peers:": "or one name",
        "vitrine-peers:0": "or one name",
        "vitrine-peers:65536": "or one name",
        "http://vitrine-peers:8080": "or one name",
        "a:1,b:2": "or one name",
        "[::1]:8080": "or one name",
        "10.0.0.1:8080": "10.0.0.1 is the address of one gateway",
        "127.1:8080": "127.1 is the address of one gateway",
        "２": "or one name",
    }.items(),
)
def test_nonsense_is_told(text, said):
    with pytest.raises(SettingsError, match="VITRINE_PEERS=") as refused:
        checked_settings(peers=text)
    assert said in str(refused.value)


def test_the_number_follows_the_dns():
    """More, without this one, alone, none: this gateway always counts itself, and once."""

    async def main():
        dns = Dns()
        peers, told = named(dns), []
        assert peers.count == 1
        peers.start(lambda: told.append(peers.count))
        for records, count in (
            ([OWN, SECOND, THIRD], 3),
            ([SECOND, THIRD], 3),
            ([OWN], 1),
            ([], 1),
        ):
            dns.records = records
            await until(lambda: peers.addresses == tuple(records), f"{records}")  # noqa: B023
            assert (peers.count, told[-1]) == (count, count)
            assert peers.others == tuple(each for each in records if each != OWN)
        peers.stop()

    asyncio.run(main())


def test_a_dead_dns_changes_nothing():
    """The last answer holds; a gateway that has never had one is the only one that it knows."""

    async def main():
        dns = Dns(OWN, SECOND, THIRD)
        peers = named(dns)
        peers.start()
        await until(lambda: peers.count == 3, "three")
        dns.records, looked = None, dns.looked
        await until(lambda: dns.looked > looked + 1, "lookups that fail")
        assert peers.count == 3
        peers.stop()
        lonely = named(dns)
        lonely.start()
        await until(lambda: dns.looked > looked + 3, "lookups that fail")
        assert lonely.count == 1
        lonely.stop()

    asyncio.run(main())


def test_the_event_loop_waits_for_no_lookup():
    """Also at the start, when nobody has found anything: a dead DNS takes ten seconds and more, in
    which a gateway has to answer."""

    async def main():
        asking = []

        def resolve(host, port):
            asking.append(threading.current_thread())
            return [OWN, SECOND]

        peers = named(resolve)
        peers.start()
        await until(lambda: peers.count == 2, "two")
        peers.stop()
        assert threading.current_thread() not in asking

    asyncio.run(main())


def test_a_new_process_knows_at_once():
    """What another process has found is there before its first lookup."""

    async def main():
        found = Snapshots(1, 1 << 16)
        first, second = named(Dns(OWN, SECOND), found), named(Dns(), found)
        first.start()
        await until(lambda: first.count == 2, "two")
        second.start()
        assert second.count == 2
        first.stop()
        second.stop()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("host", "address", "count"),
    [
        ("127.0.0.2", "127.0.0.2:8080", 1),
        ("127.0.0.2", "127.0.0.3:8080", 2),
        ("127.0.0.1", "192.0.2.1:8080", 2),
        ("0.0.0.0", "127.0.0.3:8080", 1),  # noqa: S104
        ("", "127.0.0.3:8080", 1),
        ("::", "192.0.2.1:8080", 2),
        ("0.0.0.0", "[2001:db8::1]:8080", 2),  # noqa: S104
        ("localhost", "127.0.0.1:8080", 1),
        ("192.0.2.1", "127.0.0.1:8080", 2),
    ],
)
def test_a_gateway_knows_its_own_address(host, address, count):
    """By what it listens on, else as one that this machine has."""

    async def main():
        peers = Peers(PeersSettings(peers="vitrine-peers:8080"), host, resolve=Dns(address))
        peers.start()
        await until(lambda: peers.addresses, "an address")
        peers.stop()
        assert peers.count == count

    asyncio.run(main())
