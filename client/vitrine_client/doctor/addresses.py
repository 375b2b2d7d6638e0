"""Addresses of the service on this machine, from the environment: `VITRINE_PORT` moves all ports.

The gateway is on P, the model server on P + 420 (gRPC) and P + 421 (REST), unless
`VITRINE_GRPC_PORT` and `VITRINE_REST_PORT` say otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from vitrine_client.errors import InvalidRequest

HOST = "127.0.0.1"
_PORT, _GRPC_OFFSET, _REST_OFFSET = 8080, 420, 421
_LAST = 65535


@dataclass(frozen=True)
class Addresses:
    """Where a service listens: one address and three ports; with `tls` the gateway's is HTTPS."""

    host: str = HOST
    port: int = _PORT
    grpc_port: int = _PORT + _GRPC_OFFSET
    rest_port: int = _PORT + _REST_OFFSET
    tls: bool = False

    @classmethod
    def chosen(cls, environ: Mapping[str, str]) -> Self:
        """Returns the addresses that the environment chooses. Raises `InvalidRequest` where a port
        is none, or is chosen twice."""
        port = _named_port("VITRINE_PORT", environ, _PORT)
        made = cls(
            environ.get("VITRINE_HOST") or HOST,
            port,
            _named_port("VITRINE_GRPC_PORT", environ, port + _GRPC_OFFSET),
            _named_port("VITRINE_REST_PORT", environ, port + _REST_OFFSET),
            tls=bool(environ.get("VITRINE_TLS_CERT")),
        )
        if len({made.port, made.grpc_port, made.rest_port}) < 3:
            raise InvalidRequest(
                f"The gateway, gRPC and REST need a port each, and have {made.port}, "
                f"{made.grpc_port} and {made.rest_port}"
            )
        return made

    @property
    def url(self) -> str:
        """The gateway's URL, for use on this machine."""
        host = HOST if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    @property
    def model_server(self) -> str:
        """The model server's gRPC address. It listens for this machine alone."""
        return f"{HOST}:{self.grpc_port}"


def _named_port(variable: str, environ: Mapping[str, str], default: int) -> int:
    text = environ.get(variable, "").strip()
    if text and not (text.isascii() and text.isdecimal() and 1 <= int(text[:9]) <= _LAST):
        raise InvalidRequest(f"{variable}={text} is no port; write a number, 1 to {_LAST}")
    port = int(text) if text else default
    if port > _LAST:
        raise InvalidRequest(
            f"VITRINE_PORT={environ.get('VITRINE_PORT')} makes {variable} {port}, which is above "
            f"{_LAST}"
        )
    return port
