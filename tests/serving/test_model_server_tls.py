"""TLS and mTLS to the model servers, with certificates made for the test."""

import asyncio
from dataclasses import dataclass

import grpc
import pytest

from harness.certificates import Certificate, make_ca, make_certificate
from harness.fake_model_server import FakeModelServer
from harness.forgetful_proxy import forgetful_proxy
from tests.serving.asking import ask, to
from vitrine_client.errors import Unavailable


@dataclass(frozen=True)
class Pki:
    """An authority with what it signed, and one that nobody trusts with its."""

    ca: Certificate
    server: Certificate  # for 127.0.0.1
    named: Certificate  # for models.internal
    gateway: Certificate
    other_ca: Certificate
    impostor: Certificate


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    folder = tmp_path_factory.mktemp("pki")
    ca, other_ca = make_ca(folder, "ca"), make_ca(folder, "other")
    return Pki(
        ca,
        make_certificate(folder, "server", ca),
        make_certificate(folder, "named", ca, "models.internal"),
        make_certificate(folder, "gateway", ca),
        other_ca,
        make_certificate(folder, "impostor", other_ca),
    )


def serving(own: Certificate, clients: Certificate | None = None) -> FakeModelServer:
    """A server with a certificate; with `clients` it wants theirs, signed by that authority."""
    pair = (own.key.read_bytes(), own.cert.read_bytes())
    roots = clients and clients.cert.read_bytes()
    credentials = grpc.ssl_server_credentials([pair], roots, require_client_auth=bool(clients))
    return FakeModelServer(credentials=credentials)


def trusting(ca: Certificate, own: Certificate | None = None) -> grpc.ChannelCredentials:
    """What a gateway calls with."""
    key, cert = (own.key.read_bytes(), own.cert.read_bytes()) if own else (None, None)
    return grpc.ssl_channel_credentials(ca.cert.read_bytes(), key, cert)


def asked(server: FakeModelServer, **options) -> bytes:
    """The answer of a server to one call."""

    async def main() -> bytes:
        async with to(server, **options) as servers:
            return await ask(servers)

    with server:
        return asyncio.run(main())


def test_tls(pki):
    """A server whose certificate is for its address is asked."""
    assert asked(serving(pki.server), credentials=trusting(pki.ca)) == b"hello"


def test_far_away(pki):
    """TCP, TLS and HTTP/2 take four round trips together, half a second each."""

    async def main(server):
        async with (
            forgetful_proxy(server.port, 0.5) as proxy,
            to(proxy.address, credentials=trusting(pki.ca)) as servers,
        ):
            assert await ask(servers) == b"hello"

    with serving(pki.server) as server:
        asyncio.run(main(server))


def test_a_name_of_its_own(pki):
    """A certificate may be for another name than the address, if that one is expected."""
    options = {"credentials": trusting(pki.ca), "server_name": "models.internal"}
    assert asked(serving(pki.named), **options) == b"hello"


def test_mtls(pki):
    """A server that wants a certificate is shown one."""
    server = serving(pki.server, clients=pki.ca)
    assert asked(server, credentials=trusting(pki.ca, pki.gateway)) == b"hello"


WRONG = {
    "wrong CA": (lambda pki: (serving(pki.server), trusting(pki.other_ca)), "signed by the CA"),
    "wrong name": (lambda pki: (serving(pki.named), trusting(pki.ca)), "for another name"),
    "no TLS there": (lambda pki: (FakeModelServer(), trusting(pki.ca)), "does not speak TLS"),
    "no TLS here": (lambda pki: (serving(pki.server), None), "it may want TLS"),
    "no certificate": (
        lambda pki: (serving(pki.server, clients=pki.ca), trusting(pki.ca)),
        "a certificate that it trusts",
    ),
    "untrusted certificate": (
        lambda pki: (serving(pki.server, clients=pki.ca), trusting(pki.ca, pki.impostor)),
        "a certificate that it trusts",
    ),
}


@pytest.mark.parametrize(("made", "hint"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_said(pki, made, hint):
    """Nothing is sent to whom we do not trust or who does not trust us, and the error says why."""
    server, credentials = made(pki)
    with pytest.raises(Unavailable, match=f"{server.address} is not answering: .*{hint}"):
        asked(server, credentials=credentials, max_attempts=2)
    assert server.calls == []


def test_what_is_wrong_is_remembered(pki):
    """Once the server is left alone, the error still says what is wrong with it."""

    async def main(server):
        options = {"credentials": trusting(pki.other_ca), "breaker_failures": 1}
        async with to(server, **options) as servers:
            for _ in range(2):
                with pytest.raises(Unavailable, match="not signed by the CA"):
                    await ask(servers)

    with serving(pki.server) as server:
        asyncio.run(main(server))
