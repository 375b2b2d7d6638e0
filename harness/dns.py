"""DNS server for tests: answers A records as it is told, over UDP."""

import socket
import struct
import threading
from collections.abc import Callable, Sequence

Lookup = Callable[[str], Sequence[str] | None]
"""Returns the addresses of a name in lower case, none where there is no such name; None: the server
does not answer."""

_NO_ERROR, _NO_SUCH_NAME = 0x8580, 0x8583
"""Flags of an authoritative answer."""
_TTL_S = 1
_A, _IN = 1, 1


class DnsName:
    """Name whose A records are `hosts`; while they are None, the DNS is dead."""

    def __init__(self, name: str) -> None:
        self.hosts: tuple[str, ...] | None = ()
        self._name = name

    def lookup(self, name: str) -> tuple[str, ...] | None:
        """Returns the addresses of any name: there is no other."""
        return self.hosts if name == self._name or self.hosts is None else ()


class Dns:
    """DNS server in a thread of its own; each answer is what `lookup` says then."""

    def __init__(self, lookup: Lookup, host: str = "127.0.0.1", port: int = 53) -> None:
        self._lookup = lookup
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((host, port))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, name="dns", daemon=True).start()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(2048)
            answer = self._answer(query)
            if answer:
                self._socket.sendto(answer, client)

    def _answer(self, query: bytes) -> bytes:
        """RFC 1035, section 4: one question, and the name's records by a pointer to it."""
        labels, at = [], 12
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode().lower())
            at += query[at] + 1
        (kind,) = struct.unpack_from(">H", query, at + 1)
        known = self._lookup(".".join(labels))
        if known is None:
            return b""
        hosts = known if kind == _A else ()  # a name without AAAA records exists all the same
        flags = _NO_ERROR if known else _NO_SUCH_NAME
        head = query[:2] + struct.pack(">HHHHH", flags, 1, len(hosts), 0, 0)
        records = [
            struct.pack(">HHHIH", 0xC00C, _A, _IN, _TTL_S, 4) + socket.inet_aton(host)
            for host in hosts
        ]
        return head + query[12 : at + 5] + b"".join(records)
