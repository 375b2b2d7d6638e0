"""TLS in front of the gateway and towards model servers, from the settings' PEM files."""

import logging
import ssl
from pathlib import Path
from typing import Self

import grpc
from pydantic import model_validator

from vitrine_client.process.variables import PREFIX
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


class Tls:
    """TLS contexts of the files as they are, or as they last were good, which is logged.

    Raises `TlsError` at first. Made before the fork and asked in each worker, so that SIGHUP, which
    starts new workers, renews certificates. gunicorn would go on *without TLS* where its context
    fails, and not at all where the application does: once it was made, this never does.
    """

    def __init__(self, settings: TlsSettings) -> None:
        self._settings = settings
        self._context = server_context(settings)
        self._pems = _model_server_pems(settings)

    def front(self) -> ssl.SSLContext | None:
        """Returns the context of HTTPS in front, None without."""
        try:
            self._context = server_context(self._settings)
        except TlsError as error:
            log.error("%s; what was read before goes on", error)
        return self._context

    def model_servers(self) -> grpc.ChannelCredentials | None:
        """Returns what model servers are called with, None without TLS. Call it after the fork."""
        try:
            self._pems = _model_server_pems(self._settings)
        except TlsError as error:
            log.error("%s; what was read before goes on", error)
        return grpc.ssl_channel_credentials(*self._pems) if self._pems else None


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


def _model_server_pems(settings: TlsSettings) -> Pems | None:
    """Checks them, as gRPC would find out with the first call only, and say little."""
    ca, key, cert = (
        settings.model_server_ca,
        settings.model_server_key,
        settings.model_server_cert,
    )
    if not ca:
        return None
    context = ssl.create_default_context()
    _load_ca(context, "MODEL_SERVER_CA", ca)
    if not cert or not key:
        return ca.read_bytes(), None, None
    _load_pair(context, "MODEL_SERVER", cert, key)
    return ca.read_bytes(), key.read_bytes(), cert.read_bytes()


def _load_pair(context: ssl.SSLContext, kind: str, cert: Path, key: Path) -> None:
    _check_readable(f"{kind}_CERT", cert)
    _check_readable(f"{kind}_KEY", key)
    try:
        # Without a password a key that wants one would have OpenSSL ask at the terminal.
        context.load_cert_chain(cert, key, password="")
    except (ssl.SSLError, ValueError) as error:
        raise TlsError(
            f"{PREFIX}{kind}_CERT={cert} and {PREFIX}{kind}_KEY={key}: expected PEM files of a "
            f"certificate and of its key, without a password ({_reason(error)})"
        ) from error


def _load_ca(context: ssl.SSLContext, name: str, path: Path) -> None:
    _check_readable(name, path)
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise TlsError(
            f"{PREFIX}{name}={path}: expected a PEM file of certificates ({_reason(error)})"
        ) from error


def _check_readable(name: str, path: Path) -> None:
    try:
        path.open("rb").close()
    except OSError as error:
        raise TlsError(f"{PREFIX}{name}={path}: cannot be read ({error.strerror})") from error


def _reason(error: Exception) -> str:
    return (getattr(error, "reason", "") or str(error)).replace("_", " ").lower()
