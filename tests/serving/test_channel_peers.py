"""Peers that are broken, slow, silent or hostile, and TLS: what calls to them do, over sockets."""

import asyncio
import ssl
import time

import grpc
import pytest
from grpc import StatusCode

from tests.certificates import make_ca, make_certificate
from tests.fake_model_server import FakeModelServer
from tests.serving import http2_peer as peer
from tests.serving.asking import LONG_S, until
from tests.serving.http2_peer import Peer, good, scripted
from tests.serving.test_channel import ask, code_of, to
from tests.serving.test_http2 import WRONG
from vitrine_serving.gateway.rpc import RpcError


@pytest.mark.parametrize("said", [said for said, _ in WRONG.values()], ids=WRONG)
def test_who_breaks_the_protocol_is_left(said):
    """Its calls fail at once, its connection is closed, and the next call finds a new one."""

    async def broken(each: Peer):
        if not said.startswith(b"HTTP/1"):
            await each.say(peer.settings())
            await each.request()
        await each.say(said)

    async def main():
        async with scripted(broken, good) as (address, peers), to(address) as channel:
            started = time.monotonic()
            with pytest.raises(RpcError) as caught:
                await ask(channel)
            assert caught.value.code is StatusCode.UNAVAILABLE
            assert "broke HTTP/2" in caught.value.details
            assert caught.value.unanswered
            assert time.monotonic() - started < 5
            await channel.wait_until_ready(LONG_S)
            assert await ask(channel) == b"fine"
            await until(lambda: peers[0].closed, "the end of the first connection")
            assert len(peers) == 2

    asyncio.run(main())


async def hang_up(each: Peer):
    """Leaves a call alone."""
    await each.say(peer.settings())
    await each.request()
    each.hang_up()


async def half_an_answer(each: Peer):
    """Breaks off in the middle of a frame."""
    await each.say(peer.settings())
    await each.request()
    await each.say(peer.answer(b"fine")[:40])
    each.hang_up()


@pytest.mark.parametrize("script", [hang_up, half_an_answer])
def test_who_hangs_up(script):
    """Calls fail, and the next one has a new connection at once."""

    async def main():
        async with scripted(script, good) as (address, _), to(address) as channel:
            with pytest.raises(RpcError, match="UNAVAILABLE: Socket closed") as caught:
                await ask(channel)
            assert caught.value.unanswered
            assert await ask(channel) == b"fine"

    asyncio.run(main())


@pytest.mark.parametrize(("waits", "text"), [(True, "in time"), (False, "Socket closed")])
def test_who_is_no_server(waits, text):
    """Not having said SETTINGS within a second, it is none; meanwhile others fail, too."""

    async def nobody(each: Peer):
        if waits:
            await each.until_closed()
        each.hang_up()

    async def main():
        async with scripted(nobody) as (address, _), to(address) as channel:
            started = time.monotonic()
            calls = [ask(channel) for _ in range(5)]
            done = await asyncio.gather(*calls, return_exceptions=True)
            assert time.monotonic() - started < 3
            for each in done:
                assert each.code is StatusCode.UNAVAILABLE
                assert f"failed to connect to {address}: " in each.details
                assert text in each.details

    asyncio.run(main())


def test_who_does_not_read():
    """Requests wait here rather than in the transport, and go on when it reads; deadlines hold."""
    size = 4 << 20

    async def main():
        reads = asyncio.Event()

        async def slow(each: Peer):
            await each.say(peer.settings(WINDOW=2**31 - 1) + peer.window_update(2**31 - 65_536))
            await reads.wait()
            await each.serve()

        async with scripted(slow) as (address, _), to(address) as channel:
            await channel.wait_until_ready(LONG_S)
            out = [asyncio.create_task(ask(channel, bytes(size))) for _ in range(3)]
            assert await code_of(ask(channel, timeout_s=0.2)) is StatusCode.DEADLINE_EXCEEDED
            assert not any(each.done() for each in out)
            reads.set()
            assert await asyncio.gather(*out) == [b"fine"] * 3

    asyncio.run(main())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pki")


@pytest.fixture(scope="module")
def ca(folder):
    return make_ca(folder)


def secure(folder, ca, *names, mtls: bool = False) -> FakeModelServer:
    """A server with a certificate for these names, this machine if none."""
    own = make_certificate(folder, "server", ca, *names)
    pair = (own.key.read_bytes(), own.cert.read_bytes())
    roots = ca.cert.read_bytes() if mtls else None
    credentials = grpc.ssl_server_credentials([pair], roots, require_client_auth=mtls)
    return FakeModelServer(credentials=credentials)


def trusting(ca, own=None) -> ssl.SSLContext:
    """The client's side."""
    context = ssl.create_default_context(cafile=ca.cert)
    if own:
        context.load_cert_chain(own.cert, own.key)
    return context


async def failure(address: str, **options) -> str:
    """Why a call fails that never reaches a server."""
    async with to(address, **options) as channel:
        with pytest.raises(RpcError, match="failed to connect") as caught:
            await ask(channel)
        assert (caught.value.code, caught.value.unanswered) == (StatusCode.UNAVAILABLE, True)
        return caught.value.details


def test_tls(folder, ca):
    """Small and large messages, and many at once, with a certificate of ours and without."""

    async def main(server, tls, **options):
        async with to(server.address, tls=tls, **options) as channel:
            messages = [bytes([n]) * 4 ** (n % 11) for n in range(50)]
            assert await asyncio.gather(*(ask(channel, each) for each in messages)) == messages

    client = make_certificate(folder, "client", ca)
    with secure(folder, ca) as server:
        asyncio.run(main(server, trusting(ca)))
    with secure(folder, ca, "models.internal", mtls=True) as server:
        asyncio.run(main(server, trusting(ca, client), server_name="models.internal"))


def test_who_is_not_to_be_trusted(folder, ca):
    """Another's certificate, another name's, or none: nothing is sent, and the error says why."""
    other = make_ca(folder, "other")
    with secure(folder, ca) as server:
        said = asyncio.run(failure(server.address, tls=trusting(other)))
        assert "CERTIFICATE_VERIFY_FAILED" in said
        named = {"tls": trusting(ca), "server_name": "models.internal"}
        assert "Hostname Verification Check failed" in asyncio.run(failure(server.address, **named))
        assert "Socket closed" in asyncio.run(failure(server.address))  # no TLS here
        assert server.calls == []
    with secure(folder, ca, mtls=True) as server:
        assert "Socket closed" in asyncio.run(failure(server.address, tls=trusting(ca)))
    with FakeModelServer() as server:
        said = asyncio.run(failure(server.address, tls=trusting(ca)))
        assert "WRONG_VERSION_NUMBER" in said


def test_tls_without_http2(folder, ca):
    """A server that does not offer HTTP/2 by ALPN speaks something else."""
    own = make_certificate(folder, "web", ca)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own.cert, own.key)

    async def main():
        async with scripted(good, ssl=context) as (address, _):
            assert "HTTP/2 (ALPN)" in await failure(address, tls=trusting(ca))

    asyncio.run(main())


@pytest.mark.parametrize(
    "refusal", [peer.frame(peer.RST_STREAM, 0, 1, b"\0\0\0\x07"), peer.goaway(0)]
)
def test_who_refuses(refusal):
    """What a server says it has not touched is sent once more; then it is an error."""

    async def refuse(each: Peer):
        await each.say(peer.settings())
        await each.request()
        await each.say(refusal)
        await each.serve()

    async def always(each: Peer):
        await each.say(peer.settings())
        while True:
            stream = await each.request()
            await each.say(
                refusal
                if refusal[3] == peer.GOAWAY
                else refusal.replace(b"\0\0\0\1", stream.to_bytes(4, "big"))
            )

    async def main():
        async with scripted(refuse, good) as (address, _), to(address) as channel:
            assert await ask(channel) == b"fine"
        async with scripted(always) as (address, _), to(address) as channel:
            assert await code_of(ask(channel)) is StatusCode.UNAVAILABLE

    asyncio.run(main())
