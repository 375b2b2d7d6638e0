"""TLS trust: the certificate authorities that a client believes, and the certificate it shows.

The same for all clients and commands. Authorities are those that are named in the call (`--ca`),
else by `VITRINE_CA`, else all that the variables of other libraries name (`OTHERS`), else
certifi's. A certificate is the one that is named (`--cert`, `--cert-key`), else that of
`VITRINE_CERT` and `VITRINE_CERT_KEY`.
"""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from requests.utils import DEFAULT_CA_BUNDLE_PATH

from vitrine_client.errors import InvalidArgument, InvalidRequest

OWN = "VITRINE_CA"
OWN_CERTIFICATE = ("VITRINE_CERT", "VITRINE_CERT_KEY")
_CA_VARIABLES = (OWN, "VITRINE_MODEL_SERVER_CA")
OTHERS = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
"""Those of requests and curl, and OpenSSL's, which has `SSL_CERT_DIR` as well."""

HINT = f"--ca, {OWN} or `verify` name the CA to trust"
CERTIFICATE_HINT = (
    "it wants a client's certificate: --cert and --cert-key, VITRINE_CERT and VITRINE_CERT_KEY, or "
    "`cert` name one"
)
"""How a user names them: of a command, in the environment and in Python."""

StrPath = str | os.PathLike[str]
Certificate = StrPath | tuple[StrPath, StrPath] | None
"""PEM file of a certificate and its key, or one of each."""


@dataclass(frozen=True)
class Trust:
    """Trust for TLS: `authorities` are PEM files, or directories as OpenSSL has them, each with
    the variable that names it, if one does. `key` is None where it is in `cert`."""

    authorities: tuple[tuple[str, str], ...]
    cert: str | None = None
    key: str | None = None
    verified: bool = True

    @classmethod
    def chosen(
        cls,
        verify: "Verify" = True,
        cert: Certificate = None,
        environ: Mapping[str, str] = os.environ,
        variables: tuple[str, str] = OWN_CERTIFICATE,
    ) -> "Trust":
        """Returns the trust that is named, or else that of the environment, whose certificate and
        key are in `variables`. `verify` False trusts anybody. Raises `InvalidRequest` for a key
        without a certificate, and `InvalidArgument`, which is one, for what are no files."""
        if isinstance(verify, Trust):
            return verify
        found = _authorities(environ) if isinstance(verify, bool) else _named(verify, environ)
        shown, key = _certificate(environ, *variables) if cert is None else _pair(cert)
        return cls(found, shown, key, verify is not False)

    @staticmethod
    def for_session(verify: "Verify", cert: Certificate) -> dict[str, Any]:
        """Returns the named trust as requests takes it, None for a session's own."""
        if isinstance(verify, Trust):
            verify = verify.verified and verify.authorities[0][1]
        named = verify if isinstance(verify, bool) else _path(verify, "verify")
        shown, key = (None, None) if cert is None else _pair(cert)
        return {"verify": None if named is True else named, "cert": (shown, key) if key else shown}

    def context(self) -> ssl.SSLContext:
        """Returns a client's context. Raises `InvalidRequest` with the file that cannot be used."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # As curl has it: what is named may also be a server's own certificate, without its CA.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if self.verified:
            for variable, authority in self.authorities:
                _load(context, variable, authority)
        else:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.cert:
            self._show(context, self.cert)
        return context

    def _show(self, context: ssl.SSLContext, cert: str) -> None:
        files = f"{cert} and {self.key}" if self.key else cert
        try:
            # Without a password a key that wants one would have OpenSSL ask at the terminal.
            context.load_cert_chain(cert, self.key, password="")
        except (ssl.SSLError, ValueError) as error:
            raise InvalidRequest(
                f"{files}: expected PEM files of a certificate and of its key, without a password "
                f"({getattr(error, 'reason', None) or error})"
            ) from error
        except OSError as error:
            raise InvalidRequest(f"{files} cannot be read ({error.strerror})") from error


Verify = bool | StrPath | Trust
"""Whom to trust: a PEM file of CAs, the usual ones, anybody (False), or an earlier choice."""


def _authorities(environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    if own := environ.get(OWN):
        return ((OWN, own),)
    found = [(name, environ[name]) for name in OTHERS if environ.get(name)]
    # OpenSSL's own rules: several directories may be named, and those that are not there count for
    # nothing.
    named = environ.get("SSL_CERT_DIR", "").split(os.pathsep)
    found += [("SSL_CERT_DIR", each) for each in named if each and Path(each).is_dir()]
    return tuple(dict.fromkeys(found)) or (("", DEFAULT_CA_BUNDLE_PATH),)


def _load(context: ssl.SSLContext, variable: str, authority: str) -> None:
    try:
        if Path(authority).is_dir():
            context.load_verify_locations(capath=authority)
        else:
            context.load_verify_locations(cafile=authority)
    except OSError as error:
        named = f"{variable}={authority}" if variable else authority
        todo = f"name a PEM file of CAs there, or unset {variable}" if variable else HINT
        wrong = f"cannot be read ({error.strerror})"
        if isinstance(error, ssl.SSLError):
            wrong = "is no PEM file of certificates"
        raise InvalidRequest(f"{named} {wrong}; {todo}") from error


def _named(verify: StrPath, environ: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Returns what is named, with the variable that has the same: commands pass on theirs."""
    path = _path(verify, "verify")
    return ((next((name for name in _CA_VARIABLES if environ.get(name) == path), ""), path),)


def _certificate(
    environ: Mapping[str, str], cert_variable: str, key_variable: str
) -> tuple[str | None, str | None]:
    cert, key = environ.get(cert_variable) or None, environ.get(key_variable) or None
    if key and not cert:
        raise InvalidRequest(
            f"{key_variable} is the key to {cert_variable}, which is not set; set that, too, or "
            f"unset {key_variable}"
        )
    return cert, key


def _pair(cert: StrPath | tuple[StrPath, StrPath]) -> tuple[str, str | None]:
    if not isinstance(cert, tuple):
        return _path(cert, "cert"), None
    if len(cert) != 2:
        raise InvalidArgument(f"cert is a file, or a pair of a certificate and its key, not {cert}")
    return _path(cert[0], "cert"), _path(cert[1], "cert")


def _path(path: StrPath, argument: str) -> str:
    try:
        return os.fsdecode(path)
    except TypeError as error:
        raise InvalidArgument(f"{argument} names PEM files by their paths, not {path!r}") from error
