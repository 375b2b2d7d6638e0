"""Name service: DNS as this machine asks it, and how `resolv.conf` has it search."""

import ipaddress
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from vitrine_client.process.addresses import unbracketed

_NO_SUCH_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
_MOST_NDOTS = 15


class NoSuchName(Exception):
    """A name without an address: the DNS knows none."""


class NoNameService(Exception):
    """DNS lookup without an answer: nobody knows whether the name has addresses."""


@dataclass(frozen=True)
class ResolverConfig:
    """Resolver configuration of `resolv.conf`: servers, domains to try, names that are whole."""

    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    ndots: int = 1

    @classmethod
    def read(cls, path: Path) -> "ResolverConfig":
        """Reads a file as of resolv.conf(5); one that is not there says nothing."""
        try:
            lines = [line.split() for line in path.read_text(errors="replace").splitlines()]
        except OSError:
            return cls()
        servers = tuple(words[1] for words in lines if words[:1] == ["nameserver"] and words[1:])
        searches = [tuple(words[1:]) for words in lines if words[:1] in (["search"], ["domain"])]
        options = [each for words in lines if words[:1] == ["options"] for each in words[1:]]
        dots = [each.partition(":")[2] for each in options if each.startswith("ndots:")]
        ndots = int(dots[-1]) if dots and dots[-1].isdecimal() else 1
        return cls(servers, searches[-1] if searches else (), min(ndots, _MOST_NDOTS))

    def lookups(self, name: str) -> tuple[str, ...]:
        """Returns the names that a lookup of a name tries, in their order."""
        if name.endswith("."):
            return (name,)
        searched = tuple(f"{name}.{domain.rstrip('.')}." for domain in self.search)
        whole = (f"{name}.",)
        return (*whole, *searched) if name.count(".") >= self.ndots else (*searched, *whole)

    def wasted(self, name: str) -> int:
        """Returns how many lookups of a name inside the cluster fail before the one that finds
        it: each is sent twice, for IPv4 and for IPv6."""
        services = [each.rstrip(".") for each in self.search if each.startswith("svc.")]
        tried = self.lookups(name)
        found = [
            number
            for number, each in enumerate(tried)
            for domain in services[:1]
            if _is_service(each.rstrip("."), domain)
        ]
        return min(found, default=0)


def _is_service(name: str, domain: str) -> bool:
    """Whether a name is NAME.NAMESPACE.svc.DOMAIN."""
    return name.endswith(f".{domain}") and name.removesuffix(f".{domain}").count(".") == 1


def _addresses(name: str) -> list[str]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return sorted({str(place[0]) for *_, place in found})


def _name_of(address: str) -> str:
    return socket.getnameinfo((address, 0), socket.NI_NAMEREQD)[0]


@dataclass(frozen=True)
class NameService:
    """Lookups, each of them bounded. `forward` returns the addresses of a name and `reverse` the
    name of an address, and both raise `socket.gaierror`."""

    forward: Callable[[str], Sequence[str]] = _addresses
    reverse: Callable[[str], str] = _name_of
    config: Path = Path("/etc/resolv.conf")

    def addresses(self, name: str, wait_s: float) -> list[str]:
        """Returns the addresses of a name. Raises `NoSuchName` or `NoNameService`."""
        return list(_bounded(self.forward, unbracketed(name), wait_s))

    def name_of(self, address: str, wait_s: float) -> str:
        """Returns the name that the DNS has for an address, empty where it has none."""
        try:
            return str(_bounded(self.reverse, unbracketed(address), wait_s))
        except (NoSuchName, NoNameService):
            return ""

    def resolver(self) -> ResolverConfig:
        """Returns how names are looked up here."""
        return ResolverConfig.read(self.config)


def is_name(host: str) -> bool:
    """Says whether a host is a name, and no address."""
    try:
        ipaddress.ip_address(unbracketed(host))
    except ValueError:
        return True
    return False


def _bounded(look: Callable[[str], Sequence[str]], subject: str, wait_s: float) -> Sequence[str]:
    """The C library waits for as long as resolv.conf says, which may be a minute."""
    outcome: list[Sequence[str] | Exception] = []

    def run() -> None:
        try:
            outcome.append(look(subject))
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True, name=f"lookup of {subject}")
    thread.start()
    thread.join(wait_s)
    if not outcome:
        raise NoNameService(f"no answer within {wait_s:g} s")
    (found,) = outcome
    if isinstance(found, socket.gaierror) and found.errno in _NO_SUCH_NAME:
        raise NoSuchName(str(found.strerror)) from found
    if isinstance(found, UnicodeError):  # no name can be so
        raise NoSuchName(str(found)) from found
    if isinstance(found, OSError):
        raise NoNameService(found.strerror or str(found)) from found
    if isinstance(found, Exception):
        raise found
    return found
