"""Peer client: asks another gateway for its windows, in little time and for few bytes."""

import asyncio
import re
import ssl
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final, NamedTuple

from vitrine_serving.file_stamp import FileStamp, file_stamp
from vitrine_serving.gateway.telemetry.drift.peers.document import MOST_BYTES

PATH: Final = "/internal/drift-windows"
"""Where a gateway answers its windows to its peers."""

DEADLINE_S = 2.0
"""Seconds that a peer has in all; one that takes longer is asked again in the next round."""

_HEAD_BYTES = 16_384
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")
_LENGTH = re.compile(rb"^content-length:[ \t]*(\d{1,9})[ \t]*\r$", re.MULTILINE | re.IGNORECASE)
_PEM = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)

_REFUSED = {
    403: "it does not count this gateway among its peers",
    404: "it is older, or runs without VITRINE_PEERS or with VITRINE_DRIFT=0",
}


class PeerError(Exception):
    """A peer did not tell its windows; the message says why."""


class PeerTls(NamedTuple):
    """PEM files of TLS in front of this gateway: its certificate and key, and the authority of its
    clients' certificates, if they have to show some."""

    cert: Path
    key: Path
    client_ca: Path | None = None


class PeerClient:
    """Client of the gateways behind `name`, HOST:PORT; this one listens on `host`.

    With `tls` in front of this gateway, it takes those for peers that show its own certificate, or
    one for the name that it trusts; it shows its own where clients have to show one.
    """

    def __init__(
        self,
        name: str,
        tls: PeerTls | None = None,
        host: str = "",
        *,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._deadline_s = deadline_s
        self.name = name
        self._server_name = name.rpartition(":")[0]
        self._source = _own_address(host)
        self._trust = _Trust(tls) if tls else None

    async def windows(self, address: str) -> bytes:
        """Returns the document of the gateway at an address, HOST:PORT. Raises `PeerError`."""
        try:
            async with asyncio.timeout(self._deadline_s):
                return await self._asked(address)
        except TimeoutError:
            raise PeerError(f"it did not answer in {self._deadline_s:.0f} s") from None
        except ssl.SSLError as error:
            said = getattr(error, "verify_message", "") or error.reason or str(error)
            raise PeerError(f"no TLS with it: {said.replace('_', ' ').lower()}") from None
        except OSError as error:
            raise PeerError(f"it cannot be reached ({error.strerror or error})") from None
        except (EOFError, ValueError, asyncio.LimitOverrunError):
            raise PeerError("its answer is no HTTP of a gateway") from None

    async def _asked(self, address: str) -> bytes:
        if not self._trust:
            return await self._got(address, None)
        try:
            return await self._got(address, self._trust.same(), wanted=self._trust.certificate)
        except _OtherCertificateError:
            return await self._got(address, self._trust.named())

    async def _got(
        self, address: str, context: ssl.SSLContext | None, *, wanted: bytes | None = None
    ) -> bytes:
        """Returns the document; if a certificate is `wanted`, from whom shows it. Raises
        `_OtherCertificateError`."""
        text, _, port = address.rpartition(":")
        host = text.strip("[]")
        source = self._source if self._source and _alike(self._source, host) else ""
        reader, writer = await asyncio.open_connection(
            *(host, int(port)),
            limit=_HEAD_BYTES,
            ssl=context,
            server_hostname=self._server_name if context else None,
            local_addr=(source, 0) if source else None,
        )
        try:
            if wanted is not None:
                shown = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
                if not shown or shown != wanted:
                    raise _OtherCertificateError
            writer.write(
                f"GET {PATH} HTTP/1.1\r\nHost: {self.name}\r\nAccept: application/json\r\n"
                "User-Agent: vitrine-gateway\r\nConnection: close\r\n\r\n".encode()
            )
            return await _answer(reader)
        finally:
            writer.transport.abort()


class _OtherCertificateError(Exception):
    """The peer shows another certificate than this gateway's."""


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    status, length = _STATUS.match(head), _LENGTH.search(head)
    if not status or not length:
        raise ValueError
    if status[1] != b"200":
        code = int(status[1])
        raise PeerError(f"it answers {code}: {_REFUSED.get(code, 'no windows')}")
    if int(length[1]) > MOST_BYTES:
        raise PeerError(f"it answers {int(length[1])} bytes, and {MOST_BYTES} are read at most")
    return await reader.readexactly(int(length[1]))


def is_peer(client: str, addresses: Iterable[str]) -> bool:
    """Says whether a client's IP address is that of one of the gateways, HOST:PORT each."""
    found = _parsed(client)
    return found is not None and any(
        found == _parsed(each.rpartition(":")[0].strip("[]")) for each in addresses
    )


@lru_cache(4096)
def _parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    return found.ipv4_mapped or found if isinstance(found, IPv6Address) else found


def _alike(source: str, host: str) -> bool:
    """Says whether an address may be the source of packets to another: one of the loopback
    reaches nobody else, as where a proxy beside the gateway has the address of both."""
    own, other = ip_address(source), ip_address(host)
    return own.version == other.version and own.is_loopback == other.is_loopback


def _own_address(host: str) -> str:
    """Returns the address that this gateway listens on, by which its peers know it; "" where it
    listens on all or by a name, and that by which a peer is reached is the one."""
    try:
        return "" if ip_address(host).is_unspecified else host
    except ValueError:
        return ""


class _Trust:
    """TLS contexts towards peers, made of the files in front, again whenever these have changed.
    Raise `OSError` for files that are broken, as while they are written."""

    def __init__(self, tls: PeerTls) -> None:
        self._tls = tls
        self._stamps: list[FileStamp | None] = []
        self._same = self._named = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.certificate = b""
        """This gateway's own, as DER."""

    def same(self) -> ssl.SSLContext:
        """Returns the context for a peer that shows this gateway's own certificate, which is to be
        compared: the handshake proves that it has the key."""
        self._look()
        return self._same

    def named(self) -> ssl.SSLContext:
        """Returns the context for a peer with a certificate for the name of all."""
        self._look()
        return self._named

    def _look(self) -> None:
        tls = self._tls
        stamps = [file_stamp(each) for each in tls if each]
        if stamps == self._stamps:
            return
        named, same = ssl.create_default_context(), ssl.create_default_context()
        named.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        same.check_hostname, same.verify_mode = False, ssl.CERT_NONE
        for trusted in (tls.cert, tls.client_ca):
            if trusted:
                named.load_verify_locations(trusted)
        if tls.client_ca:
            for context in (named, same):
                context.load_cert_chain(tls.cert, tls.key, password="")
        self.certificate = _first_certificate(tls.cert)
        self._named, self._same, self._stamps = named, same, stamps


def _first_certificate(path: Path) -> bytes:
    found = _PEM.search(path.read_text("ascii", "replace"))
    return ssl.PEM_cert_to_DER_cert(found[0]) if found else b""
