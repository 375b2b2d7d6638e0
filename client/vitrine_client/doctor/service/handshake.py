"""TLS handshake in memory: a test of a certificate and its key, and the time they are valid."""

import ssl
import time
from dataclasses import dataclass
from pathlib import Path

_MOST_TURNS = 10


@dataclass(frozen=True)
class Served:
    """Certificate as a client sees it: the names in it, the seconds until it expires."""

    names: tuple[str, ...]
    left_s: float


def shake_hands(cert: Path, key: Path) -> Served:
    """Has a server with this certificate and a client that trusts it alone meet.

    Raises `ssl.SSLError`, of which `ssl.SSLCertVerificationError` is a certificate out of its
    time; `OSError` where a file can't be read.
    """
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # Without a password a key that wants one would have OpenSSL ask at the terminal.
    server_context.load_cert_chain(cert, key, password="")
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname = False
    client_context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it need not be its own CA
    client_context.load_verify_locations(cert)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_context.wrap_bio(to_server, to_client, server_side=True)
    client = client_context.wrap_bio(to_client, to_server)
    for _ in range(_MOST_TURNS):
        if _is_done(client) & _is_done(server):
            break
    seen = client.getpeercert() or {}
    names = tuple(str(pair[1]) for pair in seen.get("subjectAltName", ()))
    return Served(names, ssl.cert_time_to_seconds(str(seen["notAfter"])) - time.time())


def _is_done(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
