"""Calls that a model server refuses, and that another may answer."""

import asyncio

import grpc
import pytest

from harness.fake_model_server import FakeModelServer, echo, failing
from harness.forgetful_proxy import forgetful_proxy
from tests.serving.asking import LONG_S, ask, to
from vitrine_client.errors import InvalidRequest, ServerError, Unavailable
from vitrine_client.tfserving import messages
from vitrine_serving.gateway.models.reference import ModelRef

FULL = failing(grpc.StatusCode.RESOURCE_EXHAUSTED, "no thread is free")


def test_a_full_server_is_passed_over_once():
    """Another is asked; where all are full that is their state, and no fault of the caller's."""

    async def main(full, *others):
        async with to(full, *others) as servers:
            try:
                return await ask(servers)
            except Unavailable as error:
                return error

    with FakeModelServer(FULL) as full, FakeModelServer() as well:
        assert asyncio.run(main(full, well)) == b"hello"
    with FakeModelServer(FULL) as full, FakeModelServer(FULL) as other, FakeModelServer() as third:
        error = asyncio.run(main(full, other, third))
        assert (len(full.calls), len(other.calls), len(third.calls)) == (1, 1, 0)
    assert (error.status, error.retry_after_s) == (503, 1.0)
    assert "no thread is free" in str(error)


def test_long_words_of_a_server_arrive():
    """gRPC's own bound would make them a server that is full, and so the caller's fault."""

    async def main(server):
        async with to(server) as servers:
            with pytest.raises(ServerError, match=r"x{70000}"):
                await ask(servers)

    with FakeModelServer(failing(grpc.StatusCode.INTERNAL, "x" * 70_000)) as server:
        asyncio.run(main(server))


def test_words_that_are_too_long_are_no_overload():
    """Beyond our bound, too, they are the server's fault."""

    async def main(server):
        async with to(server) as servers:
            with pytest.raises(ServerError, match="too long"):
                await ask(servers)

    with FakeModelServer(failing(grpc.StatusCode.NOT_FOUND, "x" * 3_000_000)) as server:
        asyncio.run(main(server))


@pytest.mark.parametrize("code", [grpc.StatusCode.NOT_FOUND, grpc.StatusCode.FAILED_PRECONDITION])
def test_a_version_that_one_server_lacks_is_asked_of_another(code):
    """While servers are updated one by one; who lacks it is not asked again for a moment, and that
    is counted. Where all lack it, that is the answer."""

    async def main(new, old):
        async with to(old, new) as servers:

            async def ask_for(version: int) -> bytes:
                asked = servers.exchange(
                    messages.PREDICT,
                    b"hello",
                    timeout_s=LONG_S,
                    model=ModelRef("mlp", version),
                )
                return (await asked)[0]

            for _ in range(6):
                assert await ask_for(2) == b"hello"
            assert (servers.skews, len(old.calls), len(new.calls)) == (1, 1, 6)
            new.answer = old.answer
            with pytest.raises(Exception, match="no version 3"):
                await ask_for(3)
            assert servers.skews == 1
            for _ in range(4):
                with pytest.raises(Exception, match="no version 3"):
                    await ask_for(3)
            assert len(old.calls) + len(new.calls) == 7 + 2 + 4

    with FakeModelServer(failing(code, "no version 3")) as old, FakeModelServer(echo) as new:
        asyncio.run(main(new, old))


def test_what_another_server_refuses_is_refused():
    """While one stands still, a request that makes no sense is told so by the other, at once."""

    async def main(one, other):
        async with forgetful_proxy(one.port) as proxy, to(proxy.address, other) as servers:
            await asyncio.gather(ask(servers), ask(servers))
            proxy.freeze()
            other.answer = failing(grpc.StatusCode.INVALID_ARGUMENT, "no sense")
            before = len(other.calls)
            held = [ask(servers), ask(servers)]
            refused = await asyncio.gather(*held, return_exceptions=True)
            assert [type(each) for each in refused] == [InvalidRequest] * 2
            assert len(other.calls) == before + 2

    with FakeModelServer() as one, FakeModelServer() as other:
        asyncio.run(main(one, other))
