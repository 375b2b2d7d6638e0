"""Model servers that fall silent: a network that forgets, a process that stands still, a call that
never ends; and those that only take their time."""

import asyncio
import time

import grpc
import numpy as np
import pytest

from harness.fake_local_server import FakeLocalServer
from harness.fake_model_server import Call, FakeModelServer, Gate, classifying, failing
from harness.forgetful_proxy import forgetful_proxy
from tests.serving.asking import LONG_S, OVER_EACH, ask, data_plane, to, until
from vitrine_client.errors import Unavailable
from vitrine_client.tfserving import messages
from vitrine_serving.gateway.inference.dataplane import DataPlane
from vitrine_serving.gateway.inference.requests import Caller, InferenceRequest, SignatureCall
from vitrine_serving.gateway.models.reference import ModelRef

IMAGES = np.zeros((1, 28, 28), np.uint8)


class Slow:
    """Holds predictions back, and answers whether it is there at once; counts how often."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.checks = 0

    def __call__(self, call: Call, context: grpc.ServicerContext) -> bytes:
        if call.method.endswith("GetModelStatus"):
            self.checks += 1
            return b""
        return self.gate(call, context)


@OVER_EACH
def test_a_flow_that_is_forgotten(server_kind):
    """What was asked over it is asked again over another, and so is all that comes."""

    async def main(server):
        async with forgetful_proxy(server.port) as proxy, to(proxy.address) as servers:
            assert await ask(servers) == b"hello"
            proxy.forget()
            held = [asyncio.create_task(ask(servers, b"%d" % n)) for n in range(4)]
            assert await asyncio.gather(*held) == [b"0", b"1", b"2", b"3"]
            assert await ask(servers, timeout_s=2) == b"hello"

    with server_kind() as server:
        asyncio.run(main(server))


@OVER_EACH
def test_a_flow_that_is_forgotten_while_idle(server_kind):
    """The first call after a pause finds out."""

    async def main(server):
        async with forgetful_proxy(server.port) as proxy, to(proxy.address) as servers:
            assert await ask(servers) == b"hello"
            proxy.forget()
            assert await ask(servers) == b"hello"
            assert servers.retries == 1

    with server_kind() as server:
        asyncio.run(main(server))


@OVER_EACH
def test_one_of_two_stands_still(server_kind, caplog):
    """Its calls are answered by the other within their deadline, it gets no more, and the log says
    so once; when it goes on it gets its share again."""

    async def main(one, other):
        async with forgetful_proxy(one.port) as proxy, to(proxy.address, other) as servers:
            await asyncio.gather(*(ask(servers) for _ in range(8)))
            proxy.freeze()
            held = [asyncio.create_task(ask(servers, timeout_s=4)) for _ in range(8)]
            assert await asyncio.gather(*held) == [b"hello"] * 8
            assert [each.breaker for each in servers.snapshot()] == ["open", "closed"]
            for _ in range(20):
                assert await ask(servers, timeout_s=1) == b"hello"
            proxy.thaw()
            await until(lambda: servers.snapshot()[0].breaker == "closed", "its return")
            before = len(one.calls)
            for _ in range(4):
                assert await ask(servers) == b"hello"
            assert len(one.calls) == before + 2

    with server_kind() as one, server_kind() as other:
        asyncio.run(main(one, other))
    assert sum("is left alone until it answers" in text for text in caplog.messages) == 1
    assert sum("answers again" in text for text in caplog.messages) == 1


@OVER_EACH
def test_the_only_one_stands_still(server_kind):
    """New calls fail at once and say why; those in its hands are answered if it goes on in time."""

    async def main(server):
        async with forgetful_proxy(server.port) as proxy, to(proxy.address) as servers:
            await ask(servers)
            proxy.freeze()
            held = asyncio.create_task(ask(servers))
            await until(lambda: servers.snapshot()[0].breaker == "open", "the verdict")
            with pytest.raises(Unavailable, match="answers nothing, and takes no gRPC connection"):
                await ask(servers)
            proxy.thaw()
            assert await held == b"hello"
            assert await ask(servers) == b"hello"

    with server_kind() as server:
        asyncio.run(main(server))


@pytest.mark.parametrize(
    ("others", "server_kind"), [(0, FakeModelServer), (1, FakeModelServer), (1, FakeLocalServer)]
)
def test_who_takes_a_long_time_is_waited_for(others, server_kind):
    """A server that says that it is there has its time, with gRPC's own limits, and one that has no
    thread left to say so as well."""

    async def main(slow, *others):
        async with to(slow, *others) as servers:
            held = asyncio.create_task(ask(servers, timeout_s=60))
            await until(lambda: slow.answer.checks > 2, "that it was looked after")
            assert [each.breaker for each in servers.snapshot()] == ["closed"] * (1 + len(others))
            slow.answer.gate.open()
            assert await held == b"hello"
        assert len(slow.calls) == 1

    with server_kind(Slow()) as slow, server_kind() as other:
        asyncio.run(main(slow, *[other][:others]))


def test_who_says_nothing_at_all_is_waited_for_where_there_is_nobody_else():
    """All its threads may be at work: it takes connections."""

    async def main(server):
        async with to(server, fair_timeout_s=99) as servers:
            held = asyncio.create_task(ask(servers, timeout_s=60))
            await until(lambda: servers.snapshot()[0].breaker == "open", "the doubt")
            another = asyncio.create_task(ask(servers, timeout_s=60))
            await until(lambda: len(server.calls) == 2, "another call")
            server.answer.open()
            assert await held == await another == b"hello"
            await until(lambda: servers.snapshot()[0].breaker == "closed", "its return")

    with FakeModelServer(Gate()) as server:
        asyncio.run(main(server))


@OVER_EACH
def test_a_call_that_never_ends_is_asked_of_another(server_kind, caplog):
    """After far more than the usual time; the server that was outrun is left alone for a while, and
    whoever is to try it again waits for it only a moment."""

    async def main(stuck, well):
        async with to(stuck, well, breaker_open_s=0.3) as servers:

            async def predict() -> bytes:
                asked = servers.exchange(
                    messages.PREDICT, b"hello", timeout_s=LONG_S, hedge_after_s=0.5
                )
                return (await asked)[0]

            assert await predict() == b"hello"
            assert servers.snapshot()[0].breaker == "open"
            await until(lambda: servers.snapshot()[0].breaker == "half-open", "its second chance")
            started = time.monotonic()
            assert [await predict(), await predict()] == [b"hello"] * 2
            assert len(stuck.calls) <= 3  # once more, with nobody waiting for it
            assert time.monotonic() - started < LONG_S / 4

    with server_kind(Slow()) as stuck, server_kind() as well:
        asyncio.run(main(stuck, well))
    assert "did not answer in time" in caplog.text


async def predict(plane: DataPlane, *, timeout_s: float = LONG_S) -> int:
    call = SignatureCall(ModelRef("mlp"), outputs=("probabilities",))
    deadline = time.monotonic() + timeout_s
    request = InferenceRequest(call, {"images": IMAGES}, Caller("id"), deadline)
    return (await plane.infer(request)).version


@OVER_EACH
def test_batches_do_not_wait_for_one_that_is_stuck(server_kind):
    """While a server keeps a batch, the other takes all that come; and the stuck one's pictures."""

    async def main(stuck, well):
        async with to(stuck, well) as servers:
            plane = data_plane(servers)
            assert await predict(plane) == await predict(plane) == 3
            stuck.answer = Gate(classifying())
            held = [asyncio.create_task(predict(plane)) for _ in range(2)]
            await until(lambda: servers.snapshot()[0].in_flight == 1, "a batch that is stuck")
            for _ in range(20):
                assert await predict(plane) == 3
            assert await asyncio.gather(*held) == [3, 3]

    with server_kind(classifying()) as stuck, server_kind(classifying()) as well:
        asyncio.run(main(stuck, well))


def test_a_batch_for_each_server():
    """Three servers have a batch each in flight, and a fourth request waits."""

    async def main(*three):
        async with to(*three) as servers:
            plane = data_plane(servers, max_batch_size=1)
            for _ in range(6):
                await predict(plane)
            for each in three:
                each.answer = Gate(classifying())
            held = [asyncio.create_task(predict(plane)) for _ in range(4)]
            await until(lambda: all(each.in_flight for each in servers.snapshot()), "a batch each")
            assert [each.in_flight for each in servers.snapshot()] == [1, 1, 1]
            assert plane.rows_waiting() == {"mlp": 1}
            for each in three:
                each.answer.open()
            assert await asyncio.gather(*held) == [3] * 4

    with (
        FakeModelServer(classifying()) as one,
        FakeModelServer(classifying()) as two,
        FakeModelServer(classifying()) as three,
    ):
        asyncio.run(main(one, two, three))


def test_five_late_answers_open_the_breaker_also_for_batches(caplog):
    """A batch ends with its deadline, as a call does, and that counts."""

    async def main(server):
        async with to(server, breaker_failures=2, breaker_open_s=30, fair_timeout_s=0.1) as servers:
            plane = data_plane(servers)
            for _ in range(2):
                with pytest.raises(Exception, match="did not answer in time"):
                    await predict(plane, timeout_s=0.3)
            await until(lambda: servers.snapshot()[0].breaker == "open", "the verdict")

    with FakeModelServer(Slow()) as server:
        asyncio.run(main(server))
    assert "is left alone for a while" in caplog.text


def test_a_server_that_is_removed_while_it_stands_still():
    """What it had in hand is asked of others, and holds up nobody: so a network is taken away."""

    async def main(one, other):
        async with forgetful_proxy(one.port) as proxy:
            records = [proxy.address, other.address]
            async with to("models.example:1", resolve=lambda *_: list(records)) as servers:
                plane = data_plane(servers)
                assert await predict(plane) == await predict(plane) == 3
                proxy.freeze()
                held = [asyncio.create_task(predict(plane)) for _ in range(2)]
                await until(lambda: servers.snapshot()[0].in_flight == 1, "a batch that is stuck")
                records.remove(proxy.address)
                await until(lambda: len(servers.snapshot()) == 1, "its removal")
                assert await asyncio.gather(*held) == [3, 3]
                assert await predict(plane, timeout_s=1) == 3

    with FakeModelServer(classifying()) as one, FakeModelServer(classifying()) as other:
        asyncio.run(main(one, other))


@OVER_EACH
def test_a_stuck_batch_that_may_not_be_repeated(server_kind):
    """Without a budget for retries it is lost, and no other waits for it."""

    async def main(one, other):
        async with (
            forgetful_proxy(one.port) as proxy,
            to(proxy.address, other, retry_budget=0.0) as servers,
        ):
            plane = data_plane(servers)
            assert await predict(plane) == await predict(plane) == 3
            proxy.freeze()
            held = [asyncio.create_task(predict(plane)) for _ in range(2)]
            await until(lambda: servers.snapshot()[0].breaker == "open", "the verdict")
            for _ in range(20):
                assert await predict(plane, timeout_s=3) == 3
            for task in held:
                task.cancel()
            await asyncio.wait(held)

    with server_kind(classifying()) as one, server_kind(classifying()) as other:
        asyncio.run(main(one, other))


def test_a_description_that_hangs_is_asked_of_another():
    """Everybody shares the asking, and so would wait for it."""

    async def main(one, other):
        async with to(one, other) as servers:
            assert await predict(data_plane(servers)) == 3

    class Mute(Slow):
        def __call__(self, call: Call, context: grpc.ServicerContext) -> bytes:
            if b"describe" in call.request:
                return super().__call__(call, context)
            return classifying()(call, context)

    with FakeModelServer(Mute()) as one, FakeModelServer(classifying()) as other:
        asyncio.run(main(one, other))
        one.answer.gate.open()


def test_where_all_seem_to_hang_all_are_asked():
    """They may be at work: each has a batch, and any answer clears the doubt."""

    async def main(*two):
        async with to(*two, fair_timeout_s=99) as servers:
            held = [asyncio.create_task(ask(servers, timeout_s=60)) for _ in range(2)]
            await until(
                lambda: all(each.breaker == "open" for each in servers.snapshot()), "the doubts"
            )
            assert servers.usable() == 2
            for each in two:
                each.answer.open()
            assert await asyncio.gather(*held) == [b"hello"] * 2
            assert [each.breaker for each in servers.snapshot()] == ["closed"] * 2

    with FakeModelServer(Gate()) as one, FakeModelServer(Gate()) as other:
        asyncio.run(main(one, other))


def test_a_server_that_is_only_slower_comes_back():
    """The call that decides is outrun by another server, and yet decides."""

    async def main(slower, fast):
        options = {"breaker_failures": 1, "breaker_open_s": 0.2, "max_attempts": 2}
        async with to(slower, fast, **options) as servers:
            assert await ask(servers) == b"hello"
            assert servers.snapshot()[0].breaker == "open"
            slower.answer = Slow()
            await until(lambda: servers.snapshot()[0].breaker == "half-open", "its second chance")
            while not slower.calls[1:]:
                assert await ask(servers) == b"hello"
            slower.answer.gate.open()
            await until(lambda: servers.snapshot()[0].breaker == "closed", "its return")

    refusing = failing(grpc.StatusCode.UNAVAILABLE, "not yet")
    with FakeModelServer(refusing) as slower, FakeModelServer() as fast:
        asyncio.run(main(slower, fast))
