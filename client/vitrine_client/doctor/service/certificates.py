"""Checks of certificates: CAs that variables name, the gateway's own certificate and key."""

import ssl
import stat
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.process import trust
from vitrine_client.store.layout import quoted
from vitrine_client.store.shared_files import content_of

_CA_FILES = {
    "VITRINE_CA": "the clients",
    "REQUESTS_CA_BUNDLE": "the clients and downloads",
    "CURL_CA_BUNDLE": "the clients and downloads",
    "SSL_CERT_FILE": "the clients and pip",
    "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH": "gRPC",
    "VITRINE_MODEL_SERVER_CA": "the gateway",
    "VITRINE_TLS_CLIENT_CA": "the gateway",
}
_NEEDED_BY = {
    "VITRINE_TLS_CLIENT_CA": "VITRINE_TLS_CERT",
    "VITRINE_MODEL_SERVER_CERT": "VITRINE_MODEL_SERVER_CA",
}
_SOON_DAYS = 14
_MOST_TURNS = 10
_DAY_S = 86_400
_KEY_IS_PRIVATE = "whoever has the key can pose as the gateway"


def check_authorities(here: Installation) -> Iterator[Finding]:
    """Looks at the files of trusted CAs that the environment names."""
    named = {name: here.environment[name] for name in _CA_FILES if here.names(name)}
    findings = []
    for name, value in named.items():
        directory_too = name in (trust.OWN, *trust.OTHERS[:2])
        if wrong := _wrong_authorities(Path(value), directory_too=directory_too):
            seen = f"names {value}, which {wrong}; {_CA_FILES[name]} cannot use TLS with it"
            todo = f"name a PEM file of certificates, or `unset {name}`"
            findings.append(problem(name, seen, todo))
    directory = here.path("SSL_CERT_DIR")
    if directory and not any(Path(each).is_dir() for each in str(directory).split(":")):
        todo = "name a directory of certificates, or `unset SSL_CERT_DIR`"
        findings.append(problem("SSL_CERT_DIR", f"names {directory}, which is no directory", todo))
    yield from findings
    if not findings:
        yield ok("trusted CAs", ", ".join(named) or "the defaults")


def _wrong_authorities(path: Path, *, directory_too: bool) -> str:
    if path.is_dir():
        return "" if directory_too else "is a directory"
    try:
        content_of(path)
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except ssl.SSLError:  # an OSError as well
        return "is no PEM file of certificates"
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return ""


def check_own(here: Installation) -> Iterator[Finding]:
    """Looks at the certificates that the gateway shows clients and model servers."""
    findings = []
    for variable, needed in _NEEDED_BY.items():
        if here.names(variable) and not here.names(needed):
            todo = f"`export {needed}=…`, or `unset {variable}`"
            findings.append(problem(variable, f"does nothing without {needed}", todo))
    for kind in ("VITRINE_TLS", "VITRINE_MODEL_SERVER"):
        cert, key = here.path(f"{kind}_CERT"), here.path(f"{kind}_KEY")
        if cert and key:
            findings += _examined_pair(kind, cert, key)
        elif cert or key:
            there, absent = ("CERT", "KEY") if cert else ("KEY", "CERT")
            todo = f"`export {kind}_{absent}=…`, or unset both"
            seen = f"is set, and {kind}_{absent} is not"
            findings.append(problem(f"{kind}_{there}", seen, todo))
    yield from findings
    if not findings:
        yield ok("TLS", "off: no VITRINE_TLS_CERT")


def _examined_pair(kind: str, cert: Path, key: Path) -> Iterator[Finding]:
    for name, path in ((f"{kind}_CERT", cert), (f"{kind}_KEY", key)):
        try:
            content_of(path)
        except OSError as error:
            seen = f"{path} cannot be read ({error.strerror})"
            yield problem(name, seen, "name a file that you may read, or `chmod` that one")
            return
    yield from _examined_validity(f"{kind}_CERT", cert, key)
    mode = stat.S_IMODE(key.stat().st_mode)
    if mode & 0o077:
        seen = f"{key} may be read by others (mode {mode:03o}): {_KEY_IS_PRIVATE}"
        yield problem(f"{kind}_KEY", seen, f"`chmod 600 {quoted(key)}`")


def _examined_validity(name: str, cert: Path, key: Path) -> Iterator[Finding]:
    try:
        served = _shake_hands(cert, key)
    except ssl.SSLCertVerificationError as error:
        seen = f"{cert}: {error.verify_message}"
        yield problem(name, seen, "have it renewed, name the new one, and send the gateway SIGHUP")
        return
    except (ssl.SSLError, ValueError) as error:
        reason = (getattr(error, "reason", "") or str(error)).replace("_", " ").lower()
        todo = "name PEM files of a certificate and of its key, without a password"
        if reason == "key values mismatch":
            todo = "the key is another certificate's; name the two that were made together"
        yield problem(name, f"{cert} and {key}: {reason}", todo)
        return
    days = served.left_s / _DAY_S
    seen = f"{cert}, for {', '.join(served.names) or 'no name'}, {days:.0f} more days"
    if days < _SOON_DAYS:
        yield note(name, seen, "have it renewed before that")
    else:
        yield ok(name, seen)


@dataclass(frozen=True)
class _Served:
    """Certificate as a client sees it: the names in it, the seconds until it expires."""

    names: tuple[str, ...]
    left_s: float


def _shake_hands(cert: Path, key: Path) -> _Served:
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
    return _Served(names, ssl.cert_time_to_seconds(str(seen["notAfter"])) - time.time())


def _is_done(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
