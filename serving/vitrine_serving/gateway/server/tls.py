"""TLS in front of the gateway and towards model servers, from the settings' PEM files."""

import logging
import ssl
from pathlib import Path
from typing import Self

import grpc
from pydantic import model_validator

from vitrine_client.process.variables import PREFIX
from vitrine_serving.file_stamp import FileStamp, file_stamp
from vitrine_serving.gateway.settings_part import SettingsPart

log = logging.getLogger(__name__)


class TlsSettings(SettingsPart):
    """PEM files in front and towards model servers."""

    tls_cert: Path | None = None
    """PEM file of the gateway's certificate; turns HTTPS on."""
    tls_key: Path | None = None
    """PEM file of the key to it."""
    tls_client_ca: Path | None = None
    """PEM file of whose certificates clients must show."""
    model_server_ca: Path | None = None
    """PEM file of whom to trust for the model servers; turns TLS on."""
    model_server_cert: Path | None = None
    """PEM file of the certificate that model servers are shown."""
    model_server_key: Path | None = None
    """PEM file of the key to that certificate."""

    @property
    def scheme(self) -> str:
        """The scheme of the gateway's URLs."""
        return "https" if self.tls_cert else "http"

    @model_validator(mode="after")
    def _has_pairs(self) -> Self:
        for kind in ("tls", "model_server"):
            if bool(getattr(self, f"{kind}_cert")) != bool(getattr(self, f"{kind}_key")):
                pair = f"{PREFIX}{kind.upper()}_CERT and {PREFIX}{kind.upper()}_KEY"
                raise ValueError(f"{pair} go together; set both or none")
        if self.tls_client_ca and not self.tls_cert:
            raise ValueError(f"{PREFIX}TLS_CLIENT_CA needs {PREFIX}TLS_CERT")
        if self.model_server_cert and not self.model_server_ca:
            raise ValueError(f"{PREFIX}MODEL_SERVER_CERT needs {PREFIX}MODEL_SERVER_CA")
        return self


class TlsError(ValueError):
    """A PEM file cannot be used; the message names its setting."""


Pems = tuple[bytes, bytes | None, bytes | None]
"""CA, key and certificate chain, as gRPC takes them."""


FrontPems = tuple[bytes, bytes, bytes | None]
"""Key, certificate chain and the CA of clients' certificates, if those are asked for."""


class Tls:
    """TLS contexts of the files as they last were good.

    The master makes it and reads the files again: when it looks, and before each fork. Workers have
    what it had at theirs, so that SIGHUP, which starts new workers, renews certificates, and nobody
    goes back to older ones than the last that were good. Raises `TlsError` at first. gunicorn would
    go on *without TLS* where its context fails, and not at all where the application does: once it
    was made, this never does.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._stamps = self._stamps_now()
        self._context, self._front = _front(settings)
        self._pems = _model_server_pems(settings)

    def front(self) -> ssl.SSLContext | None:
        """Returns the context of HTTPS in front, None without."""
        return self._context

    def front_pems(self) -> FrontPems | None:
        """Returns key, certificates and clients' CA of gRPC in front, None without TLS."""
        return self._front

    def model_servers(self) -> grpc.ChannelCredentials | None:
        """Returns what model servers are called with, None without TLS. Call it after the fork."""
        return grpc.ssl_channel_credentials(*self._pems) if self._pems else None

    def renew(self) -> None:
        """Reads the files again; those that are broken are logged."""
        for error in self._read():
            log.error("%s; what was read before goes on", error)

    def look(self) -> None:
        """Reads the files again if they have changed. Those that are broken may just be written,
        and are nobody's business before they are to be used."""
        stamps = self._stamps_now()
        if stamps != self._stamps:
            self._stamps = stamps  # before reading: what changes meanwhile is seen next time
            self._read()

    def _read(self) -> list[TlsError]:
        errors = []
        try:
            self._context, self._front = _front(self._settings)
        except TlsError as error:
            errors.append(error)
        try:
            self._pems = _model_server_pems(self._settings)
        except TlsError as error:
            errors.append(error)
        return errors

    def _stamps_now(self) -> list[FileStamp | None]:
        named = self._settings.model_dump().values()
        return [file_stamp(path) for path in named if path]


def server_context(settings: TlsSettings) -> ssl.SSLContext | None:
    """Returns the context of HTTPS in front: TLS 1.2 at least, client certificates if they are
    asked for. None without a certificate. Raises `TlsError`.
    """
    if not settings.tls_cert or not settings.tls_key:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load_pair(context, "TLS", settings.tls_cert, settings.tls_key)
    if settings.tls_client_ca:
        _load_ca(context, "TLS_CLIENT_CA", settings.tls_client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _front(settings: TlsSettings) -> tuple[ssl.SSLContext | None, FrontPems | None]:
    """Returns TLS in front, for HTTP and for gRPC, of the same files."""
    before = _front_contents(settings)
    context = server_context(settings)
    if _front_contents(settings) != before:
        raise TlsError(f"{PREFIX}TLS_CERT, _KEY or _CLIENT_CA is being written just now")
    return context, before


def _front_contents(settings: TlsSettings) -> FrontPems | None:
    if not settings.tls_cert or not settings.tls_key:
        return None
    cert = _content("TLS_CERT", settings.tls_cert)
    key, ca = _content("TLS_KEY", settings.tls_key), settings.tls_client_ca
    return key, cert, _content("TLS_CLIENT_CA", ca) if ca else None


def _model_server_pems(settings: TlsSettings) -> Pems | None:
    """Checks them, as gRPC would find out with the first call only, and say little."""
    if not settings.model_server_ca:
        return None
    found = _check_pems(settings, settings.model_server_ca)
    if _check_pems(settings, settings.model_server_ca) != found:
        raise TlsError(f"{PREFIX}MODEL_SERVER_CA, _CERT or _KEY is being written just now")
    return found


def _check_pems(settings: TlsSettings, ca: Path) -> Pems:
    """Returns the files after they were checked; a second time the same, they are what was."""
    key, cert = settings.model_server_key, settings.model_server_cert
    context = ssl.create_default_context()
    _load_ca(context, "MODEL_SERVER_CA", ca)
    if not cert or not key:
        return _content("MODEL_SERVER_CA", ca), None, None
    _load_pair(context, "MODEL_SERVER", cert, key)
    return (
        _content("MODEL_SERVER_CA", ca),
        _content("MODEL_SERVER_KEY", key),
        _content("MODEL_SERVER_CERT", cert),
    )


def _load_pair(context: ssl.SSLContext, kind: str, cert: Path, key: Path) -> None:
    _content(f"{kind}_CERT", cert)
    _content(f"{kind}_KEY", key)
    try:
        # Without a password a key that wants one would have OpenSSL ask at the terminal.
        context.load_cert_chain(cert, key, password="")
    except (OSError, ValueError) as error:  # ssl.SSLError, or it is gone since it was read
        raise TlsError(
            f"{PREFIX}{kind}_CERT={cert} and {PREFIX}{kind}_KEY={key}: expected PEM files of a "
            f"certificate and of its key, without a password ({_reason(error)})"
        ) from error


def _load_ca(context: ssl.SSLContext, name: str, path: Path) -> None:
    _content(name, path)
    try:
        context.load_verify_locations(path)
    except OSError as error:  # ssl.SSLError, or it is gone since it was read
        raise TlsError(
            f"{PREFIX}{name}={path}: expected a PEM file of certificates ({_reason(error)})"
        ) from error


def _content(name: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TlsError(f"{PREFIX}{name}={path}: cannot be read ({error.strerror})") from error


def _reason(error: Exception) -> str:
    return (getattr(error, "reason", "") or str(error)).replace("_", " ").lower()
