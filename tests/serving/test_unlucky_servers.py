"""Model servers that are far, full, faulty, absent or slow, beside one that is well."""

import asyncio
import threading
import time

import grpc
import pytest

from harness.fake_model_server import Call, FakeModelServer, Gate, failing
from harness.forgetful_proxy import forgetful_proxy
from tests.serving.asking import LONG_S, ask, nobody, to, until
from vitrine_client.errors import ServerError
from vitrine_client.tfserving import messages
from vitrine_serving.gateway.models.reference import ModelRef
from vitrine_serving.gateway.upstream.breaker import Breaker
from vitrine_serving.gateway.upstream.connection import Connection
from vitrine_serving.gateway.upstream.discovery import ServerEndpoint
from vitrine_serving.gateway.upstream.model_servers import ModelServers
from vitrine_serving.gateway.upstream.pool import Pool

FAR_S = 0.5


async def ask_model(servers: ModelServers, **options) -> bytes:
    asked = servers.exchange(
        messages.PREDICT, b"hello", timeout_s=LONG_S, model=ModelRef("mlp"), **options
    )
    return (await asked)[0]


def test_a_far_server_is_found_again():
    """A second connection takes several round trips, more than the first check waits for."""

    async def main(server):
        async with forgetful_proxy(server.port, FAR_S) as proxy, to(proxy.address) as servers:
            assert await ask(servers) == b"hello"
            proxy.forget()
            assert await ask(servers) == b"hello"
            assert servers.snapshot()[0].breaker == "closed"

    with FakeModelServer() as server:
        asyncio.run(main(server))


def test_slow_models_leave_the_budget_to_dead_servers():
    """What is asked twice because it takes long has a budget of its own."""

    async def main(one, other):
        async with to(one, other) as servers:
            slow = [asyncio.create_task(ask_model(servers, hedge_after_s=0)) for _ in range(120)]
            await until(lambda: servers.retries >= 100, "that all may be asked twice were")
            one.answer.open()
            other.answer.open()
            assert set(await asyncio.gather(*slow)) == {b"hello"}
            one.answer = failing(grpc.StatusCode.UNAVAILABLE, "not now")
            assert [await ask_model(servers) for _ in range(3)] == [b"hello"] * 3

    with FakeModelServer(Gate()) as one, FakeModelServer(Gate()) as other:
        asyncio.run(main(one, other))


@pytest.mark.parametrize("code", ["RESOURCE_EXHAUSTED", "INTERNAL", "UNKNOWN", "UNIMPLEMENTED"])
def test_a_server_that_fails_at_once_gets_no_more_for_it(code, caplog):
    """It is always the least busy; what another answers is asked of that one for a while."""

    async def main(bad, well):
        async with to(bad, well) as servers:
            for _ in range(150):
                assert await ask_model(servers) == b"hello"
            assert len(bad.calls) == servers.retries < 50  # one a second

    bad = failing(getattr(grpc.StatusCode, code), "out of order")
    with FakeModelServer(bad) as one, FakeModelServer() as other:
        asyncio.run(main(one, other))
    told = [text for text in caplog.messages if "fails where others do not" in text]
    assert len(told) == (code != "RESOURCE_EXHAUSTED")


def test_a_model_that_fails_everywhere():
    """Its error is the answer, and it does not double its calls."""

    async def main(*two):
        async with to(*two) as servers:
            for _ in range(30):
                with pytest.raises(ServerError, match="out of order"):
                    await ask_model(servers)
            assert servers.retries < 15  # one a second

    bad = failing(grpc.StatusCode.INTERNAL, "out of order")
    with FakeModelServer(bad) as one, FakeModelServer(bad) as other:
        asyncio.run(main(one, other))


def test_a_fault_is_told_though_another_server_is_lost():
    """What a server says is worth more than that nobody else could be asked."""

    async def main(server):
        async with to(server, nobody()) as servers:
            with pytest.raises(ServerError, match="out of order"):
                await ask_model(servers)

    with FakeModelServer(failing(grpc.StatusCode.INTERNAL, "out of order")) as server:
        asyncio.run(main(server))


def test_a_fault_that_took_its_time_is_the_answer():
    """Another server would take as long, and the caller be told nothing."""

    async def main(slow, other):
        async with to(slow, other) as servers:
            asked = servers.exchange(
                messages.PREDICT, b"hello", timeout_s=0.6, model=ModelRef("mlp")
            )
            with pytest.raises(ServerError, match="out of order"):
                await asked
            assert servers.retries == 0

    bad = failing(grpc.StatusCode.INTERNAL, "out of order")

    def slowly(call: Call, context: grpc.ServicerContext) -> bytes:
        while context.time_remaining() > 0.25:
            threading.Event().wait(0.01)
        return bad(call, context)

    with FakeModelServer(slowly) as slow, FakeModelServer(Gate()) as other:
        asyncio.run(main(slow, other))


def test_new_addresses_that_refuse_cost_no_call():
    """Thirty-nine of forty that the DNS names nobody listens at; each is found out by itself."""

    async def main(server):
        records = [server.address]
        async with to("models.example:1", resolve=lambda *_: list(records)) as servers:
            assert await ask(servers) == b"hello"
            records.extend(f"127.0.1.{n}:1" for n in range(1, 40))
            await until(lambda: len(servers.snapshot()) == 40, "all of them")
            await until(
                lambda: sum(each.breaker == "open" for each in servers.snapshot()) == 39,
                "that they are not there",
            )
            assert [await ask(servers) for _ in range(50)] == [b"hello"] * 50
            assert servers.retries == 0

    with FakeModelServer() as server:
        asyncio.run(main(server))


def test_that_nothing_is_known_yet_is_no_answer():
    """A call before the first lookup has ended waits for what that finds."""

    async def main():
        def connect(endpoint):
            breaker = Breaker(5, 2.0)
            return Connection(endpoint, breaker, credentials=None, fair_timeout_s=1.0)

        pool = Pool(connect, ["models.example:1"])
        asked = asyncio.create_task(pool.select_or_wait(time.monotonic() + LONG_S))
        for _ in range(5):
            await asyncio.sleep(0)
        pool.update([])
        for _ in range(5):
            await asyncio.sleep(0)
        pool.update([ServerEndpoint("127.0.0.1:1")])
        assert (await asked).name == "127.0.0.1:1"
        await pool.close()

    asyncio.run(main())
