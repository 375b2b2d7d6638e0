"""Gateway options: which gateway a command asks, with which key and certificates, for how long."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from vitrine_client.cli import options
from vitrine_client.client import Client
from vitrine_client.errors import InvalidRequest
from vitrine_client.process.addresses import without_password

if TYPE_CHECKING:
    from vitrine_client.model_server import ModelServerClient


C = TypeVar("C", bound=Client)


@dataclass(frozen=True)
class TlsFiles:
    """Files that a command names: of the CAs to trust, the certificate to show and its key."""

    ca: str | None = None
    cert: str | None = None
    key: str | None = None

    def __post_init__(self) -> None:
        if self.key and not self.cert:
            raise click.UsageError(
                f"--cert-key ({options.variable('cert_key')}) is the key to a certificate: give "
                f"--cert, too ({options.variable('cert')})"
            )

    @property
    def certificate(self) -> str | tuple[str, str] | None:
        """The certificate as clients take it."""
        return (self.cert, self.key) if self.cert and self.key else self.cert

    def typed(self) -> "TlsFiles":
        """Returns the files that are on the command line, and not in a variable."""
        kept = [options.was_typed(name) for name in ("ca", "cert", "cert_key")]
        values = (self.ca, self.cert, self.key)
        return TlsFiles(*(value if was else None for value, was in zip(values, kept, strict=True)))


@dataclass(frozen=True)
class GatewayOptions:
    """Gateway options as they were given."""

    url: str
    key: str
    timeout_s: float
    tls: TlsFiles

    def client(self) -> Client:
        """Returns a client. Values that make no sense are wrong usage."""
        return self.client_of_kind(Client)

    def client_of_kind(self, kind: type[C]) -> C:
        """Returns a client of a kind. Values that make no sense are wrong usage."""
        if not self.url.startswith("https:"):
            options.refuse_typed(
                f"{without_password(self.url)} has no TLS", "ca", "cert", "cert_key"
            )
        try:
            return kind(
                self.url,
                timeout_s=self.timeout_s,
                api_key=self.key,
                verify=self.tls.ca or True,
                cert=self.tls.certificate,
            )
        except InvalidRequest as error:
            raise click.UsageError(str(error)) from error

    def model_server(self, address: str) -> "ModelServerClient":
        """Returns a client of a model server; the variables of a gateway's TLS are none of its.
        Values that make no sense are wrong usage."""
        tls = self.tls.typed()
        with options.needs("grpc", "--model-server"):
            from vitrine_client.model_server import ModelServerClient
        try:
            return ModelServerClient(
                address, timeout_s=self.timeout_s, verify=tls.ca, cert=tls.certificate
            )
        except InvalidRequest as error:
            raise click.UsageError(str(error)) from error


Command = Callable[..., Any]


def tls_flags(prefix: str, key: str, of: str) -> Callable[[Command], Command]:
    """Returns the decorator that adds `--ca`, `--cert` and `--cert-key` to a command; their
    variables begin with `prefix`, and the key's ends with `key`."""
    file = functools.partial(click.option, show_envvar=True, metavar="FILE")
    pem = functools.partial(file, type=click.Path(dir_okay=False))
    ca_text = f"CA to trust, {of}: a PEM file, or a directory as OpenSSL has them."
    ca = file("--ca", type=click.Path(), envvar=f"{prefix}CA", help=ca_text)
    cert_text = "Certificate to show, a PEM file, with its key unless --cert-key has that."
    cert = pem("--cert", envvar=f"{prefix}CERT", help=cert_text)
    cert_key = pem("--cert-key", envvar=f"{prefix}{key}", help="Key to --cert, a PEM file.")
    return lambda command: ca(cert(cert_key(command)))


gateway_tls_flags = tls_flags("VITRINE_", "CERT_KEY", "of an https:// gateway")
_server_tls_flags = tls_flags("VITRINE_MODEL_SERVER_", "KEY", "of a model server with TLS")


def _as_one_argument(command: Command) -> Command:
    @functools.wraps(command)
    def with_tls(
        *args: Any, ca: str | None, cert: str | None, cert_key: str | None, **rest: Any
    ) -> Any:
        return command(*args, tls=TlsFiles(ca, cert, cert_key), **rest)

    return with_tls


def gateway_tls(command: Command) -> Command:
    """Adds the files of a gateway's TLS to a command, as one argument `tls`."""
    return gateway_tls_flags(_as_one_argument(command))


def model_server_tls(command: Command) -> Command:
    """Adds those of a model server's."""
    return _server_tls_flags(_as_one_argument(command))


def gateway_options(command: Command) -> Command:
    """Adds the options to a command, as one argument `gateway`."""

    @functools.wraps(command)
    def with_gateway(
        *args: Any, url: str, key: str, timeout_s: float, tls: TlsFiles, **rest: Any
    ) -> Any:
        return command(*args, gateway=GatewayOptions(url, key, timeout_s, tls), **rest)

    return options.url(options.key(gateway_tls(options.timeout_s(with_gateway))))
