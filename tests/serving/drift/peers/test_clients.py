"""Asking a peer, over real sockets, with TLS and without; peers that hang or answer nonsense."""

import asyncio
import contextlib
import ssl
import time

import pytest

from harness.certificates import make_ca, make_certificate
from vitrine_serving.gateway.server.tls import TlsSettings, server_context
from vitrine_serving.gateway.telemetry.drift.peers import client as clients
from vitrine_serving.gateway.telemetry.drift.peers.client import (
    PeerClient,
    PeerError,
    PeerTls,
    is_peer,
)
from vitrine_serving.gateway.telemetry.drift.peers.document import MOST_BYTES

LONG_S = 60.0
"""For a machine that others want as well."""
NAME = "vitrine-peers.test:8080"
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5\r\n\r\nhello"


@contextlib.asynccontextmanager
async def peer(answer, *, context=None, host="127.0.0.1"):
    """A server that answers each request with these bytes, and then closes; None: never."""
    requests = []

    async def serve(reader, writer):
        with contextlib.suppress(OSError, EOFError):
            requests.append(
                (await reader.readuntil(b"\r\n\r\n"), writer.get_extra_info("peername"))
            )
            if answer is None:
                await reader.read()
            writer.write(answer or b"")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, host, 0, ssl=context)
    async with server:
        yield f"{host}:{server.sockets[0].getsockname()[1]}", requests


def files(tls):
    return PeerTls(tls.tls_cert, tls.tls_key, tls.tls_client_ca)


def told(answer, *, tls=None, context=None, host="", deadline_s=LONG_S):
    """What a peer tells that answers these bytes, and what it was asked."""

    async def main():
        async with peer(answer, context=context) as (address, requests):
            asking = PeerClient(NAME, tls and files(tls), host, deadline_s=deadline_s)
            found = await asking.windows(address)
            return found, requests

    return asyncio.run(main())


def test_it_asks_by_the_name_of_all():
    found, [(head, _)] = told(OK)
    assert found == b"hello"
    assert head.startswith(
        b"GET /internal/drift-windows HTTP/1.1\r\nHost: vitrine-peers.test:8080\r\n"
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"", "no HTTP"),
        (b"hello\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\n\r\nhello", "no HTTP"),
        (
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
            "no HTTP",
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000, "no HTTP"),
        (b"x" * 1_000_000, "no HTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", "999999999 bytes"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1" + b"0" * 30 + b"\r\n\r\n", "no HTTP"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404: it is older"),
        (b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "does not count this gateway"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", "503"),
        (b"HTTP/1.1 301 Moved\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", "301"),
    ],
)
def test_nonsense(answer, said):
    with pytest.raises(PeerError, match=said):
        told(answer)


def test_one_that_hangs_has_its_time():
    begun_s = time.monotonic()
    with pytest.raises(PeerError, match="did not answer in 2 s"):
        told(None, deadline_s=clients.DEADLINE_S)
    assert time.monotonic() - begun_s >= clients.DEADLINE_S


def test_nobody_there():
    async def main():
        async with peer(OK) as (address, _):
            pass
        await PeerClient(NAME, deadline_s=LONG_S).windows(address)

    with pytest.raises(PeerError, match="cannot be reached"):
        asyncio.run(main())


def test_as_many_bytes_as_may_be():
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n"
    found, _ = told(head % MOST_BYTES + bytes(MOST_BYTES))
    assert len(found) == MOST_BYTES
    with pytest.raises(PeerError, match="are read at most"):
        told(head % (MOST_BYTES + 1) + bytes(MOST_BYTES + 1))


@pytest.mark.parametrize(
    ("host", "source"),
    [("127.0.0.9", "127.0.0.9"), ("0.0.0.0", "127.0.0.1"), ("", "127.0.0.1")],  # noqa: S104
)
def test_it_asks_from_where_it_listens(host, source):
    """By that its peers know it, also where the machine has several addresses."""
    _, [(_, (asked_from, _))] = told(OK, host=host)
    assert asked_from == source


def test_a_gateway_behind_a_proxy_of_its_own_asks_all_the_same():
    """It listens on the loopback alone, and others are elsewhere: no source fits."""
    with pytest.raises(PeerError, match=r"cannot be reached|did not answer"):
        asyncio.run(PeerClient(NAME, host="127.0.0.1").windows("192.0.2.1:1"))


@pytest.fixture(scope="module")
def ca(tmp_path_factory):
    return make_ca(tmp_path_factory.mktemp("ca"))


def settings(certificate, client_ca=None):
    ca = client_ca.cert if client_ca else None
    return TlsSettings(tls_cert=certificate.cert, tls_key=certificate.key, tls_client_ca=ca)


@pytest.mark.parametrize("mutual", [False, True])
def test_peers_with_one_certificate(tmp_path, ca, mutual):
    """Of a name that is not theirs, as one for the name that clients use; shown to who asks for
    it."""
    own = settings(make_certificate(tmp_path, "own", ca, "shop.example"), ca if mutual else None)
    assert told(OK, tls=own, context=server_context(own))[0] == b"hello"


@pytest.mark.parametrize("mutual", [False, True])
def test_peers_with_certificates_of_their_own(tmp_path, ca, mutual):
    """For the name of all, by an authority that this gateway trusts: its clients', or one that is
    in the file of its own."""
    mine, theirs = (
        make_certificate(tmp_path, each, ca, "vitrine-peers.test") for each in ("mine", "theirs")
    )
    if not mutual:
        mine.cert.write_text(mine.cert.read_text() + ca.cert.read_text())
    own, other = (settings(each, ca if mutual else None) for each in (mine, theirs))
    assert told(OK, tls=own, context=server_context(other))[0] == b"hello"


@pytest.mark.parametrize("names", [("elsewhere.test",), ("vitrine-peers.test",)])
def test_others_are_not_believed(tmp_path, ca, names):
    """Who has another name, or another authority, is asked nothing."""
    known = names != ("vitrine-peers.test",)
    issuer = ca if known else make_ca(tmp_path, "other")
    own = settings(make_certificate(tmp_path, "own", ca, "vitrine-peers.test"), ca)
    other = settings(make_certificate(tmp_path, "theirs", issuer, *names))

    async def main():
        async with peer(OK, context=server_context(other)) as (address, requests):
            with pytest.raises(PeerError, match="no TLS with it"):
                await PeerClient(NAME, files(own), deadline_s=LONG_S).windows(address)
            assert requests == []

    asyncio.run(main())


def test_one_that_refuses_our_certificate(tmp_path, ca):
    """It is by another authority than the one whose certificates the peer wants."""
    other_ca = make_ca(tmp_path, "other")
    own = settings(make_certificate(tmp_path, "own", ca, "vitrine-peers.test"), ca)
    context = server_context(own)
    context.load_verify_locations(other_ca.cert)
    strict = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=other_ca.cert)
    strict.load_cert_chain(own.tls_cert, own.tls_key)
    strict.verify_mode = ssl.CERT_REQUIRED
    with pytest.raises(PeerError):
        told(OK, tls=own, context=strict)


def test_one_without_tls_and_one_that_wants_it(tmp_path, ca):
    own = settings(make_certificate(tmp_path, "own", ca))
    with pytest.raises(PeerError):
        told(OK, tls=own, deadline_s=1)  # each waits for the other
    with pytest.raises(PeerError):
        told(OK, context=server_context(own))


def test_a_renewed_certificate_is_the_one_that_counts(tmp_path, ca):
    """From when its file was replaced."""
    own = settings(make_certificate(tmp_path, "own", ca, "shop.example"))
    asking = PeerClient(NAME, files(own), deadline_s=LONG_S)

    async def main():
        async with peer(OK, context=server_context(own)) as (address, _):
            assert await asking.windows(address) == b"hello"
        make_certificate(tmp_path, "own", ca, "shop.example")
        async with peer(OK, context=server_context(own)) as (address, _):
            assert await asking.windows(address) == b"hello"
        own.tls_cert.write_text("no certificate")
        async with peer(OK) as (address, _):
            with pytest.raises(PeerError):
                await asking.windows(address)

    asyncio.run(main())


@pytest.mark.parametrize(
    ("client", "known"),
    [
        ("10.0.0.2", True),
        ("::ffff:10.0.0.2", True),
        ("fd00::3", True),
        ("fd00:0:0:0:0:0:0:3", True),
        ("10.0.0.3", False),
        ("127.0.0.1", False),
        ("", False),
        ("fd00::4", False),
        ("10.0.0.2:8080", False),
    ],
)
def test_who_is_a_peer(client, known):
    assert is_peer(client, ("10.0.0.2:8080", "[fd00::3]:8080")) is known
    assert not is_peer(client, ())
