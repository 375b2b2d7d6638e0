"""Addresses: the ports of a service, and its addresses for clients.

`VITRINE_PORT=P` moves all ports: the gateway is on P, and for gRPC on P + 1; the model server is on
P + 420 (gRPC) and P + 421 (REST); unless `VITRINE_V2_GRPC_PORT`, `VITRINE_GRPC_PORT` and
`VITRINE_REST_PORT` say otherwise. Commands that serve and clients that ask read the same variables
by the same rule.
"""

import os
import re
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from vitrine_client.errors import InvalidRequest
from vitrine_client.process import local_sockets

HOST = "127.0.0.1"
PORT = 8080
V2_GRPC_OFFSET, GRPC_OFFSET, REST_OFFSET = 1, 420, 421
HIGHEST_PORT = 65_535
MOST_PEERS = 10_000
"""Gateways of one service."""

GRPC_SCHEMES = ("grpc://", "grpcs://")
"""Of servers of the Open Inference Protocol, without and with TLS."""

URL_NAMES = "--url or VITRINE_URL"
"""How a user names another gateway."""

_ALL_INTERFACES = ("0.0.0.0", "::", "")  # noqa: S104 - recognised, not listened on
_HOST_PORT = re.compile(r"(\[[0-9A-Fa-f:.%\w]+\]|[^\s/:\[\]@]+):([0-9]{1,5})", re.ASCII)
_NAME_PORT = re.compile(r"([\w.-]{1,253}):([0-9]{1,5})", re.ASCII)
_HOST_MAYBE_PORT = re.compile(r"(\[[0-9a-f:.]+\]|[^\s:\[\]]+)(:[0-9]{1,5})?", re.ASCII)
_NO_PORT = re.compile(r"[^:\[\]]*:(?![0-9]*$).*", re.DOTALL)
_UNSAFE = re.compile(r"[\s\x00-\x1f?#]|//\.|\.\.")
"""No part of a gateway's URL: blanks, control characters, a query, a fragment, an empty label."""

_LOCAL = (local_sockets.SCHEME, "unix:", "unix-abstract:")
"""Beginnings of addresses on this machine, in whose paths an @ is one."""

_ZONE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?", re.ASCII)
"""https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set"""

_GRPC_URI = re.compile(r"(dns|unix|unix-abstract|ipv4|ipv6|xds):\S+", re.ASCII)
"""https://grpc.github.io/grpc/core/md_doc_naming.html"""

_SERVICE_LINKS = ("tcp://", "udp://", "sctp://")

_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
"""Of origins, in which browsers leave them out."""

V2_GRPC_PORT = "VITRINE_V2_GRPC_PORT"
"""Variable of the port on which the gateway speaks the Open Inference Protocol by gRPC; 0 for
none."""

_OWN_VARIABLES = {
    V2_GRPC_PORT: (V2_GRPC_OFFSET, "the gateway's gRPC"),
    "VITRINE_GRPC_PORT": (GRPC_OFFSET, "gRPC"),
    "VITRINE_REST_PORT": (REST_OFFSET, "REST"),
}

Environment = Mapping[str, str]


@dataclass(frozen=True)
class Addresses:
    """Listening addresses of a service: one address and four ports, of which that of the gateway's
    gRPC may be 0, for none; with `tls` the gateway's are secured by it."""

    host: str = HOST
    port: int = PORT
    grpc_port: int = PORT + GRPC_OFFSET
    rest_port: int = PORT + REST_OFFSET
    v2_grpc_port: int = PORT + V2_GRPC_OFFSET
    tls: bool = False

    @classmethod
    def chosen(
        cls,
        environ: Environment = os.environ,
        *,
        host: str | None = None,
        port: int | None = None,
        grpc_port: int | None = None,
        rest_port: int | None = None,
        v2_grpc_port: int | None = None,
    ) -> Self:
        """Returns the addresses that are given, else named by the environment, else follow from
        the gateway's port. Raises `InvalidRequest` where a port is none, or is named twice."""
        port = port or gateway_port(environ)
        made = cls(
            _named_host(environ) if host is None else unbracketed(host),
            port,
            grpc_port or model_server_port("VITRINE_GRPC_PORT", environ, port),
            rest_port or model_server_port("VITRINE_REST_PORT", environ, port),
            _v2_grpc_port(environ, port) if v2_grpc_port is None else v2_grpc_port,
            tls=bool(environ.get("VITRINE_TLS_CERT")),
        )
        if len({made.port, made.grpc_port, made.rest_port}) < 3:
            raise InvalidRequest(
                f"The gateway, gRPC and REST need a port each, and have {made.port}, "
                f"{made.grpc_port} and {made.rest_port}; give each another with VITRINE_PORT, "
                "VITRINE_GRPC_PORT and VITRINE_REST_PORT"
            )
        if made.v2_grpc_port in (made.port, made.grpc_port, made.rest_port):
            raise InvalidRequest(
                f"The gateway's gRPC would be on port {made.v2_grpc_port}, which the service has "
                f"for something else; give it another with {V2_GRPC_PORT}, or 0 for none"
            )
        return made

    @property
    def url(self) -> str:
        """The gateway's URL, for use on this machine."""
        return _url(self.host, self.port, tls=self.tls)

    @property
    def model_server(self) -> str:
        """The model server's gRPC address. It listens for this machine alone."""
        return f"{HOST}:{self.grpc_port}"

    @property
    def are_default(self) -> bool:
        """Whether clients find the service without being told."""
        plain = Addresses()
        return (self.url, self.model_server) == (plain.url, plain.model_server)


def gateway_url(environ: Environment = os.environ) -> str:
    """Returns the URL of the gateway that the environment names: `VITRINE_URL`, or that of a
    service on this machine. Raises `InvalidRequest` where its port is none."""
    named = environ.get("VITRINE_URL")
    if named:
        return named
    tls = bool(environ.get("VITRINE_TLS_CERT"))
    return _url(_named_host(environ), gateway_port(environ), tls=tls)


def model_servers(environ: Environment = os.environ) -> tuple[str, ...]:
    """Returns the gRPC addresses that the environment names: those in `VITRINE_MODEL_SERVER`, or
    that of a service on this machine. Raises `InvalidRequest` for one that is no address."""
    named = environ.get("VITRINE_MODEL_SERVER")
    if named:
        return checked_model_servers(named)
    own_port = model_server_port("VITRINE_GRPC_PORT", environ, gateway_port(environ))
    return (f"{HOST}:{own_port}",)


def v2_grpc_url(url: str, environ: Environment = os.environ) -> str | None:
    """Returns the address at which the gateway at a URL speaks the Open Inference Protocol by gRPC:
    where it is this machine's, that of `VITRINE_V2_GRPC_PORT`, or the next one after its own. None
    where that is not known, or is off. Raises `InvalidRequest` for a port that is none."""
    if environ.get("VITRINE_URL") or url != gateway_url(environ):
        return None
    port = _v2_grpc_port(environ, gateway_port(environ))
    if not port:
        return None
    tls = bool(environ.get("VITRINE_TLS_CERT"))
    return _url(_named_host(environ), port, tls=tls).replace("http", "grpc", 1)


def gateway_port(environ: Environment = os.environ) -> int:
    """Returns the gateway's port, from 1 to 65535. Raises `InvalidRequest`."""
    return _named_port("VITRINE_PORT", environ) or PORT


def model_server_port(variable: str, environ: Environment, port: int) -> int:
    """Returns the port for gRPC or REST, which `variable` names or which follows from the
    gateway's. Raises `InvalidRequest` where that is above 65535."""
    offset, protocol = _OWN_VARIABLES[variable]
    found = _named_port(variable, environ) or port + offset
    if found > HIGHEST_PORT:
        raise InvalidRequest(
            f"With the gateway on port {port}, {protocol} would be on {port} + {offset}, which is "
            f"above {HIGHEST_PORT}; set {variable}, or take a port up to "
            f"{HIGHEST_PORT - REST_OFFSET}"
        )
    return found


def _v2_grpc_port(environ: Environment, port: int) -> int:
    if environ.get(V2_GRPC_PORT, "").strip() == "0":
        return 0
    return model_server_port(V2_GRPC_PORT, environ, port)


def checked_url(url: str) -> str:
    """Returns a gateway's URL without a slash at its end. Raises `InvalidRequest` where it is
    none."""
    url = url.strip()
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
        good = good and not (parts.query or parts.fragment or _UNSAFE.search(without_password(url)))
    except ValueError:  # a port that is none, or half of an IPv6 address
        good = False
    if not good:
        _, userinfo, _ = _parts(url)
        hint = "; in a password, / is %2F, ? is %3F and # is %23" if userinfo else ""
        shown = without_password(url)
        raise InvalidRequest(f"{shown!r} is not an address; write http://HOST:PORT{hint}")
    return url.rstrip("/")


def checked_v2_url(url: str) -> str:
    """Returns the address of a server of the Open Inference Protocol: that of HTTP, or
    grpc://HOST:PORT, with TLS grpcs://HOST:PORT. Raises `InvalidRequest` where it is neither."""
    scheme, separator, rest = url.strip().partition("://")
    if scheme + separator not in GRPC_SCHEMES:
        return checked_url(url)
    found = _HOST_PORT.fullmatch(rest.rstrip("/"))
    if not (found and 0 < int(found[2]) <= HIGHEST_PORT):
        raise InvalidRequest(
            f"{without_password(url)!r} is not an address; write {scheme}://HOST:PORT"
        )
    return f"{scheme}://{found[0]}"


def without_password(address: str) -> str:
    """Returns an address as it may be shown: without user and password."""
    return split_userinfo(address)[0]


def split_userinfo(url: str) -> tuple[str, str]:
    """Returns a URL as it may be shown, and its `user:password`, empty where it has none."""
    scheme, userinfo, rest = _parts(url)
    return scheme + rest, userinfo


def _parts(url: str) -> tuple[str, str, str]:
    """Returns the scheme of a URL with its separator, the user and password, and the rest. These
    end at the last @ before the path, or where a colon has no port behind it, which is then that of
    a password with a /, a ? or a #, at the last @."""
    before, separator, rest = url.partition("://") if "://" in url else ("", "", url)
    authority = re.split("[/?#]", rest, maxsplit=1)[0]
    if "@" not in authority and _NO_PORT.fullmatch(authority):
        authority = rest
    userinfo, at, _ = authority.rpartition("@")
    return before + separator, userinfo, rest[len(userinfo + at) :]


def checked_model_servers(text: str) -> tuple[str, ...]:
    """Returns gRPC addresses that are separated by commas, one at least. Raises
    `InvalidRequest`."""
    named = tuple(name.strip() for name in text.split(",") if name.strip())
    return tuple(map(checked_model_server, named or (text,)))


def is_local(address: str) -> bool:
    """Says whether an address is a socket's on this machine."""
    return address.startswith(_LOCAL)


def split_zone(address: str) -> tuple[str, str]:
    """Returns the address of a model server without its zone, and the zone, empty where it has
    none."""
    if is_local(address):
        return address, ""
    before, at, zone = address.rpartition("@")
    return (before, zone) if at else (address, "")


def checked_zone(zone: str) -> str:
    """Returns the name of a zone. Raises `InvalidRequest` where it can be none, as Kubernetes has
    them."""
    if not _ZONE.fullmatch(zone):
        raise InvalidRequest(
            f"{zone!r} is no zone; write up to 63 letters, digits, and . _ - among them, such as "
            "zone-a"
        )
    return zone


def checked_model_server(address: str) -> str:
    """Returns the address of a model server, without the zone that HOST:PORT@ZONE has. Raises
    `InvalidRequest` where it is neither HOST:PORT nor one of gRPC's own URIs, such as
    dns:///HOST:PORT, nor ttrpc:PATH, its local socket."""
    return split_zone(checked_zoned_server(address))[0]


def checked_zoned_server(address: str) -> str:
    """Returns the address of a model server, with its zone, as `checked_model_server` takes it."""
    plain, zone = split_zone(address)
    if plain == address:
        return _checked_address(address)
    try:
        checked = _checked_address(plain)
    except InvalidRequest:  # what it says may be a password
        example = f"{Addresses().model_server}@zone-a"
        shown = without_password(address)
        raise InvalidRequest(
            f"{shown!r} is no address of a model server; write HOST:PORT or HOST:PORT@ZONE, such "
            f"as {example}"
        ) from None
    return f"{checked}@{checked_zone(zone)}"


def _checked_address(address: str) -> str:
    if path := local_sockets.path_of(address):
        return f"{local_sockets.SCHEME}{local_sockets.checked_path(path)}"
    found = _HOST_PORT.fullmatch(address)
    if (found and 0 < int(found[2]) <= HIGHEST_PORT) or _GRPC_URI.fullmatch(address):
        return address
    meant = re.sub("[/?#].*", "", without_password(address).partition("://")[2])
    example = meant if _HOST_PORT.fullmatch(meant) else Addresses().model_server
    shown = without_password(address)
    raise InvalidRequest(
        f"{shown!r} is no address of a model server; write HOST:PORT, such as {example}"
    )


def checked_peers(text: str) -> str:
    """Returns the gateways of a service as `VITRINE_PEERS` has them: their number, or one name that
    stands for all, HOST:PORT. Raises `InvalidRequest`."""
    text = text.strip()
    if re.fullmatch("[+-]?[0-9]+", text, re.ASCII):
        if len(text) > 9 or not 1 <= int(text) <= MOST_PEERS:
            raise InvalidRequest(f"expected a number of gateways from 1 to {MOST_PEERS}")
        return str(int(text))
    found = _NAME_PORT.fullmatch(text)
    if not found or not 0 < int(found[2]) <= HIGHEST_PORT:
        raise InvalidRequest(
            "expected the number of gateways, such as 3, or one name that stands for all of them, "
            "HOST:PORT, such as vitrine-peers:8080"
        )
    try:
        socket.inet_aton(found[1])  # 127.1 as well, which resolvers take for an address
    except OSError:
        return text
    raise InvalidRequest(
        f"{found[1]} is the address of one gateway; write the name that stands for all of them, "
        "such as vitrine-peers:8080, or their number"
    )


def checked_origin(text: str) -> str:
    """Returns a web page's origin as browsers send it, or `*` for all. Raises `InvalidRequest` for
    what no browser sends."""
    origin = text.rstrip("/").lower()
    if origin in ("*", "null"):
        return origin
    scheme, _, rest = origin.rpartition("://")
    host = re.split("[/?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    if "*" in host:
        reason = "`*` stands for all, and for no part of a name; write each, such as"
        host = host.replace("*", "www")
    else:
        reason = "is no origin; write"
        host = host.removesuffix(_DEFAULT_PORTS.get(scheme, "-"))
    written = f"{scheme or 'https'}://{_as_sent(host)}"
    if origin != written:
        raise InvalidRequest(f"{without_password(text)!r}: {reason} {written}")
    return origin


def _as_sent(host: str) -> str:
    """Returns a host with its port in ASCII, as browsers send names; else an example."""
    try:
        sent = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        return "example.org"
    return sent if _HOST_MAYBE_PORT.fullmatch(sent) else "example.org"


def bracketed(host: str) -> str:
    """Returns a host as it stands before a port: an IPv6 address in brackets."""
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def unbracketed(host: str) -> str:
    """Returns a host as it stands alone: an IPv6 address without brackets."""
    host = host.strip()
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def is_service_link(value: str) -> bool:
    """Says whether a value is an address that Kubernetes or Docker gave a variable, since a service
    has our name: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
    """
    return value.strip().startswith(_SERVICE_LINKS)


def _url(host: str, port: int, *, tls: bool) -> str:
    host = HOST if host in _ALL_INTERFACES else bracketed(host)
    return f"{'https' if tls else 'http'}://{host}:{port}"


def _named_host(environ: Environment) -> str:
    return unbracketed(environ.get("VITRINE_HOST", "")) or HOST


def _named_port(variable: str, environ: Environment) -> int | None:
    """Returns the port that a variable names, None where it is not set, or set by Kubernetes."""
    text = environ.get(variable, "").strip()
    if not text or is_service_link(text):
        return None
    port = int(text) if re.fullmatch("[0-9]{1,5}", text, re.ASCII) else 0
    if not 0 < port <= HIGHEST_PORT:
        raise InvalidRequest(f"{variable}={text!r} is no port; write a number, 1 to {HIGHEST_PORT}")
    return port
