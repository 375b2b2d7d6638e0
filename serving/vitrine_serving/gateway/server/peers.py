"""Peers: the gateways of one service, as a number or as the DNS has them now."""

import ipaddress
import socket
from collections.abc import Callable
from typing import Annotated

from vitrine_client.process.addresses import checked_peers
from vitrine_serving.gateway.settings_part import SettingsPart, by
from vitrine_serving.gateway.shared_memory import Snapshots
from vitrine_serving.gateway.upstream.discovery import (
    MOST_FOUND_BYTES,
    Discovery,
    Resolve,
    ServerEndpoint,
    resolve,
)


class PeersSettings(SettingsPart):
    """Gateways of the same service."""

    peers: Annotated[str, by(checked_peers)] = "1"
    """Gateways that share the clients of this service, itself among them: their number, or a name
    with the address of each, HOST:PORT, looked up each second. Rate limits are shared out among
    them, and drift is looked for in the images of all, if they have a name."""

    @property
    def name(self) -> str:
        """The name that stands for all gateways, empty where their number is given."""
        return "" if self.peers.isdecimal() else self.peers


class Peers:
    """Peers of this gateway, which listens on `host`. Make it before the fork: the processes share
    what was `found`, of which one at a time asks the DNS.

    A gateway counts itself, also while the DNS does not have it: records follow a gateway that
    begins or ends with seconds of lag, in which it has clients. Before the first answer it takes
    itself for the only one: the others have their shares, and one that the DNS leaves alone must
    not refuse what it could serve. Where the DNS fails later, what it said last holds.
    """

    def __init__(
        self,
        settings: PeersSettings | None = None,
        host: str = "",
        *,
        found: Snapshots | None = None,
        resolve: Resolve = resolve,
        is_local: Callable[[str], bool] | None = None,
    ) -> None:
        text = (settings or PeersSettings()).peers
        is_number = text.isdecimal()
        self._is_local = is_local or (lambda address: _is_here(address, host))
        self._name = "" if is_number else text
        self._discovery = None
        if self._name:
            found = found or Snapshots(1, MOST_FOUND_BYTES)
            self._discovery = Discovery([self._name], found=found, resolve=resolve)
        self._count = int(text) if is_number else 1
        self._addresses: tuple[str, ...] = ()
        self._others: tuple[str, ...] = ()
        self._changed: Callable[[], None] = lambda: None

    @property
    def count(self) -> int:
        """Number of gateways, this one among them: 1 or more."""
        return self._count

    @property
    def addresses(self) -> tuple[str, ...]:
        """Addresses behind the name, HOST:PORT, sorted; none where a number was given, or before
        the first answer of the DNS."""
        return self._addresses

    @property
    def others(self) -> tuple[str, ...]:
        """Addresses without those of this gateway."""
        return self._others

    def start(self, changed: Callable[[], None] = lambda: None) -> None:
        """Follows the DNS from now on; `changed` is called in the running event loop at once, and
        when another number of gateways, or others, are there."""
        self._changed = changed
        if self._discovery:
            self._note(self._discovery.known())
            self._discovery.start(self._note)
        else:
            changed()

    def stop(self) -> None:
        """Ends the lookups."""
        if self._discovery:
            self._discovery.stop()

    def _note(self, endpoints: list[ServerEndpoint]) -> None:
        self._addresses = tuple(each.address for each in endpoints)
        self._others = tuple(each for each in self._addresses if not self._is_local(_ip(each)))
        self._count = len(self._others) + 1
        self._changed()


def _ip(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")


def _is_here(address: str, host: str) -> bool:
    """Says whether a gateway that listens on `host` is reached at an IP address. Where that is
    another than the one it listens on, it may be any of this machine's: of all, or of a proxy that
    goes on to the loopback."""
    asked, own = ipaddress.ip_address(address), _parsed(host)
    if (
        own
        and not own.is_unspecified
        and (asked == own or not own.is_loopback or asked.is_loopback)
    ):
        return asked == own
    family = socket.AF_INET if asked.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.bind((address, 0))  # as only one of this machine's can be
    except OSError:
        return False
    return True


def _parsed(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:  # a name, such as localhost
        return None
