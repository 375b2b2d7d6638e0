"""Service discovery by DNS: the addresses behind the names of model servers, looked up each second.

A name with several addresses (a headless Service of Kubernetes, a scaled service of Compose) stands
for several servers. gRPC's own resolver would hide which of them took a call.
"""

import asyncio
import contextlib
import ipaddress
import json
import logging
import math
import random
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from vitrine_serving.gateway.shared_memory import Snapshots

log = logging.getLogger(__name__)

EVERY_S = 1.0
"""Seconds between two lookups of a name; a tenth more or less, so that gateways spread theirs."""

MOST_FOUND_BYTES = 1 << 18
"""Room for what was found: some 10,000 addresses."""

_READ_S = 0.2
"""Seconds between two looks of a process at what another has found."""

_CONNECT_S = 0.5
_NAME = re.compile(r"(?:dns:/{0,3})?(?P<host>[^/:\[\]]+):(?P<port>\d+)", re.ASCII)
_NO_SUCH_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
"""Answers that a name has no address. All others tell that nobody knows."""

Found = dict[str, list[str]]
"""Addresses by name."""

Resolve = Callable[[str, int], Sequence[str] | None]
"""Returns the addresses of a host as HOST:PORT; None where that cannot be found out now."""


class ServerEndpoint(NamedTuple):
    """Endpoint of one model server: HOST:PORT or another address of gRPC's, the name that led to it
    if one did, and the name in its certificate if that is another than the address."""

    address: str
    name: str = ""
    server_name: str = ""

    def __str__(self) -> str:
        return f"{self.name} ({self.address})" if self.name else self.address


def resolve(host: str, port: int) -> Sequence[str] | None:
    """Returns the addresses of a host, sorted; those of IPv4, unless only IPv6 is there or listens:
    a server that has both is one."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        return [] if error.errno in _NO_SUCH_NAME else None
    except (OSError, UnicodeError):  # a name that none can be
        return None
    v4 = sorted({str(place[0]) for family, *_, place in found if family is socket.AF_INET})
    v6 = sorted({str(place[0]) for family, *_, place in found if family is socket.AF_INET6})
    if v4 and v6 and not any(_listens(each, port) for each in v4):
        v4 = [] if any(_listens(each, port) for each in v6) else v4
    return [f"{each}:{port}" for each in v4] or [f"[{each}]:{port}" for each in v6]


def _listens(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), _CONNECT_S).close()
    except OSError:
        return False
    return True


class Discovery:
    """Discovery of the endpoints behind `addresses`, in their order.

    One thread of each process looks; of those that share `found`, one at a time asks the DNS, and
    the others read what it has found. What was found stays while the DNS fails.
    """

    def __init__(
        self,
        addresses: Sequence[str],
        server_name: str = "",
        found: Snapshots | None = None,
        resolve: Resolve = resolve,
    ) -> None:
        self._addresses = tuple(addresses)
        self._server_name = server_name
        self._names = {each: place for each in addresses if (place := _host_and_port(each))}
        self._found = found or Snapshots(1, MOST_FOUND_BYTES)
        self._resolve = resolve
        self._stopped = threading.Event()
        self._told: dict[str, int] = {}

    @property
    def has_names(self) -> bool:
        """Whether anything is to be looked up."""
        return bool(self._names)

    def known(self) -> list[ServerEndpoint]:
        """Returns the endpoints that were found last, by whichever process; asks nobody."""
        return self.endpoints(self._read()[1])

    def start(self, changed: Callable[[list[ServerEndpoint]], None]) -> None:
        """Has `changed` called in the running event loop, with all endpoints, when others are
        found."""
        loop = asyncio.get_running_loop()

        def tell(endpoints: list[ServerEndpoint]) -> None:
            if not self._stopped.is_set():
                loop.call_soon_threadsafe(changed, endpoints)

        threading.Thread(target=self._run, args=(tell,), name="discovery", daemon=True).start()

    def stop(self) -> None:
        """Ends the lookups; one that is under way tells nobody."""
        self._stopped.set()

    def endpoints(self, found: Mapping[str, Sequence[str]]) -> list[ServerEndpoint]:
        """Returns all endpoints, with those that were found for the names."""
        all_of_them: dict[str, ServerEndpoint] = {}
        for each in self._addresses:
            if each not in self._names:
                all_of_them.setdefault(each, ServerEndpoint(each, server_name=self._server_name))
            server_name = self._server_name or (self._names[each][0] if each in self._names else "")
            for address in found.get(each, ()):
                all_of_them.setdefault(address, ServerEndpoint(address, each, server_name))
        return list(all_of_them.values())

    def _run(self, tell: Callable[[list[ServerEndpoint]], None]) -> None:
        known: Found | None = None

        def note(found: Found) -> None:
            nonlocal known
            if found != known:
                known = dict(found)
                tell(self.endpoints(found))

        with contextlib.suppress(RuntimeError):  # the loop has ended
            while not self._stopped.is_set():
                found = self.look(EVERY_S * random.uniform(0.8, 1.0), note)  # noqa: S311
                self._log(found)
                self._stopped.wait(_READ_S)

    def look(self, age_s: float = EVERY_S, note: Callable[[Found], None] = lambda _: None) -> Found:
        """Returns the addresses that are known of each name, after a lookup if the last one is
        `age_s` ago and nobody else is at it; `note` gets them after each name, which may take its
        time."""
        with self._found.lock() as is_ours:
            at_s, found = self._read()
            note(found)
            if is_ours and time.monotonic() - at_s >= age_s:
                for name, (host, port) in self._names.items():
                    addresses = self._resolve(host, port)
                    if addresses is not None:
                        found[name] = list(addresses)
                    self._share(found)
                    note(found)
        return found

    def _share(self, found: Found) -> None:
        """Tells the other processes. Where there is no room for it, each has its own."""
        with contextlib.suppress(OSError):
            self._found.write(0, json.dumps([time.monotonic(), found]).encode())

    def _read(self) -> tuple[float, Found]:
        content = self._found.read(0)
        at_s, found = json.loads(content) if content else (-math.inf, {})
        return at_s, found

    def _log(self, found: Found) -> None:
        """Logs numbers of addresses that are others than before; at first one that is none."""
        for name in self._names:
            number = len(found.get(name, ()))
            if number != self._told.get(name, number or None):
                log.warning("%s has %s now", name, _number(number))
            self._told[name] = number


def _number(addresses: int) -> str:
    return {0: "no address", 1: "1 address"}.get(addresses, f"{addresses} addresses")


def _host_and_port(address: str) -> tuple[str, int] | None:
    """Returns the host and port of an address that has a name to look up."""
    found = _NAME.fullmatch(address)
    if not found:
        return None
    try:
        ipaddress.ip_address(found["host"])
    except ValueError:
        return found["host"], int(found["port"])
    return None
