"""Names of model servers: each address behind one is a server, as the DNS has them now."""

import asyncio
import json
import logging
import socket
import threading

import pytest

from harness.fake_model_server import FakeModelServer, Gate
from tests.serving.asking import LONG_S, ask, to, until
from vitrine_client.errors import Unavailable
from vitrine_serving.gateway.shared_memory import Snapshots
from vitrine_serving.gateway.upstream.discovery import Discovery, ServerEndpoint, resolve

NAME = "models.example:8500"


class Dns:
    """DNS with one name, of whose records each lookup is told; None while it is dead."""

    def __init__(self, *servers: FakeModelServer) -> None:
        self.looked = 0
        self.asked: list[tuple[str, int]] = []
        self.hold(*servers)

    def hold(self, *servers: FakeModelServer) -> None:
        self.records: list[str] | None = [each.address for each in servers]

    def __call__(self, host: str, port: int) -> list[str] | None:
        self.asked.append((host, port))
        return self.records


def addresses(servers) -> set[str]:
    return {each.address for each in servers.snapshot()}


def test_each_address_is_a_server_and_follows_its_record():
    """Two, three, one, none and two addresses: each has its share of the calls, none fails but
    while there is none, and a server that was removed answers what it has, and gets no more."""

    async def main(dns, *three):
        one, two, _ = three
        async with to(NAME, resolve=dns) as servers:

            async def shares() -> list[int]:
                before = [len(each.calls) for each in three]
                for _ in range(12):
                    assert await ask(servers) == b"hello"
                return [len(each.calls) - n for each, n in zip(three, before, strict=True)]

            await until(lambda: len(addresses(servers)) == 2, "the first two")
            assert await shares() == [6, 6, 0]
            dns.hold(*three)
            await until(lambda: len(addresses(servers)) == 3, "the third")
            assert await shares() == [4, 4, 4]
            two.answer = Gate()
            held = [asyncio.create_task(ask(servers)) for _ in range(3)]
            await until(lambda: servers.snapshot()[1].in_flight == 1, "a call that takes a while")
            dns.hold(one)
            await until(lambda: len(addresses(servers)) == 1, "the only one")
            assert await shares() == [12, 0, 0]
            two.answer.open()
            assert await asyncio.gather(*held) == [b"hello"] * 3
            dns.hold()
            await until(lambda: not addresses(servers), "none")
            with pytest.raises(Unavailable, match=r"No address is known of models\.example:8500"):
                await ask(servers)
            dns.hold(one, two)
            await until(lambda: len(addresses(servers)) == 2, "two again")
            assert await shares() == [6, 6, 0]
        assert set(dns.asked) == {("models.example", 8500)}

    with FakeModelServer() as one, FakeModelServer() as two, FakeModelServer() as three:
        asyncio.run(main(Dns(one, two), one, two, three))


def test_a_dead_dns_changes_nothing():
    """What is connected stays; who comes back is found."""

    async def main(dns, one, two):
        async with to(NAME, resolve=dns) as servers:
            assert await ask(servers) == b"hello"
            dns.records = None
            looked = len(dns.asked)
            await until(lambda: len(dns.asked) > looked + 1, "lookups that fail")
            assert [await ask(servers) for _ in range(4)] == [b"hello"] * 4
            dns.hold(one, two)
            await until(lambda: len(addresses(servers)) == 2, "another")

    with FakeModelServer() as one, FakeModelServer() as two:
        asyncio.run(main(Dns(one), one, two))


def test_the_first_call_waits_for_the_first_lookup():
    """A gateway that has just begun does not say that there is nobody."""

    async def main(server):
        async with to(NAME, resolve=Dns(server)) as servers:
            assert await ask(servers) == b"hello"

    with FakeModelServer() as server:
        asyncio.run(main(server))


def test_one_of_several_processes_looks():
    """Those that share what was found ask once a second together, whoever it is that asks."""
    found, dns = Snapshots(1, 1 << 16), Dns()
    dns.records = ["127.0.0.1:1"]
    many = [Discovery([NAME], found=found, resolve=dns) for _ in range(5)]
    assert [each.look() for each in many] == [{NAME: ["127.0.0.1:1"]}] * 5
    assert len(dns.asked) == 1


def test_a_name_and_its_certificate():
    """The host's name is expected in certificates of all its addresses, unless another is given;
    what stands there as an address is taken as it is, and twice is once."""
    plain = Discovery(["a:1", "127.0.0.1:2", "[::1]:3", "dns:///b:4", "unix:/tmp/x", "127.0.0.1:2"])
    assert plain.has_names
    assert plain.endpoints({"a:1": ["10.0.0.1:1", "10.0.0.2:1"], "dns:///b:4": ["10.0.0.1:1"]}) == [
        ServerEndpoint("10.0.0.1:1", "a:1", "a"),
        ServerEndpoint("10.0.0.2:1", "a:1", "a"),
        ServerEndpoint("127.0.0.1:2"),
        ServerEndpoint("[::1]:3"),
        ServerEndpoint("unix:/tmp/x"),
    ]
    named = Discovery(["a:1", "127.0.0.1:2"], "other.example")
    assert {each.server_name for each in named.endpoints({"a:1": ["::1:1"]})} == {"other.example"}
    assert not Discovery(["127.0.0.1:2", "[::1]:3"]).has_names


def test_numbers_of_addresses_are_logged(caplog):
    """What changes in number is said once; the first lookup is no event."""

    async def main(dns, one, two):
        async with to(NAME, resolve=dns) as servers:
            await ask(servers)
            dns.hold(one, two)
            await until(lambda: len(addresses(servers)) == 2, "the second")
            dns.hold()
            await until(lambda: not addresses(servers), "none")

    with caplog.at_level(logging.INFO), FakeModelServer() as one, FakeModelServer() as two:
        asyncio.run(main(Dns(one), one, two))
    told = [text for text in caplog.messages if text.startswith(NAME)]
    assert told == [f"{NAME} has 2 addresses now", f"{NAME} has no address now"]


def test_this_machine_by_its_name():
    """A name with addresses of both families is one server, at the family where it listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert resolve("localhost", port) == [f"127.0.0.1:{port}"]
    assert resolve("nothing.invalid", 80) in ([], None)
    assert resolve("a" * 300, 80) is None


def test_what_was_found_is_for_other_processes():
    """It is JSON in shared memory, with the time, so that a process that begins has it at once."""
    found = Snapshots(1, 1 << 16)
    Discovery([NAME], found=found, resolve=lambda host, port: ["10.0.0.1:8500"]).look()
    at_s, names = json.loads(found.read(0))
    assert at_s > 0
    assert names == {NAME: ["10.0.0.1:8500"]}
    silent = Discovery([NAME], found=found, resolve=lambda host, port: None)
    assert silent.look() == {NAME: ["10.0.0.1:8500"]}


def test_a_name_that_does_not_resolve_is_told(caplog):
    """At once, and once: while another server answers, nobody would see it else."""

    async def main(dns, server):
        async with to(NAME, server, resolve=dns) as servers:
            assert await ask(servers) == b"hello"
            await until(lambda: len(dns.asked) > 1, "another lookup")

    dns = Dns()
    dns.records = None
    with FakeModelServer() as server:
        asyncio.run(main(dns, server))
    assert caplog.messages == [f"{NAME} has no address now"]


def test_a_slow_name_holds_up_no_other(caplog):
    """What was found is used while the next one is still looked up."""
    answered = threading.Event()

    def resolved(host: str, port: int) -> list[str]:
        if host == "slow":
            answered.wait(LONG_S)
        return [server.address]

    async def main():
        async with to("quick:1", "slow:1", resolve=resolved) as servers:
            assert await ask(servers, timeout_s=LONG_S / 2) == b"hello"
            answered.set()

    with FakeModelServer() as server:
        asyncio.run(main())
