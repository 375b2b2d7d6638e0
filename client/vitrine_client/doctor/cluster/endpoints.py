"""Endpoints behind the addresses that settings name: each name with all that the DNS has for it."""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from vitrine_client.doctor.installation import Installation
from vitrine_client.doctor.name_service import NoNameService, NoSuchName, is_name
from vitrine_client.errors import InvalidRequest
from vitrine_client.process.addresses import bracketed, checked_model_server

MOST_ASKED = 64
"""Endpoints that are asked: a thread each, so that the wait is that for the slowest."""

_NAMED = re.compile(r"(?:dns:/{0,3})?(?P<host>\[[^\]]+\]|[^/:\[\]@]+):(?P<port>\d+)")
_Asked = TypeVar("_Asked")
_Told = TypeVar("_Told")


@dataclass(frozen=True)
class ServerAddress:
    """Address of a server: HOST:PORT, and the name that led to it, empty where none did."""

    address: str
    name: str = ""


@dataclass(frozen=True)
class Named:
    """An entry of a setting: a host with its port; `is_name` where the DNS is to be asked."""

    host: str
    port: int

    @property
    def is_name(self) -> bool:
        """Whether there is anything to look up."""
        return is_name(self.host)


def model_servers(here: Installation) -> list[str]:
    """Returns the addresses of model servers, without zones. One that is none is left out: the
    check of model servers tells of it."""
    found = []
    for each in here.model_servers:
        with contextlib.suppress(InvalidRequest):
            found.append(checked_model_server(each))
    return found


def named(entries: Iterable[str]) -> list[Named]:
    """Returns the entries that are HOST:PORT, and no sockets."""
    found = (_NAMED.fullmatch(each.strip()) for each in entries)
    return [Named(each["host"], int(each["port"])) for each in found if each]


def endpoints(here: Installation, entries: Iterable[str]) -> list[ServerAddress]:
    """Returns the endpoints of all entries, each once. A name that the DNS has nothing for has
    none: the check of names tells of it. Names are looked up at once, as each may take the longest
    wait."""
    asked = named(entries)
    names = dict.fromkeys(each.host for each in asked if each.is_name)
    known = dict(side_by_side(lambda name: _looked_up(name, here), names))
    found: dict[str, ServerAddress] = {}
    for each in asked:
        for host in known.get(each.host, []) if each.is_name else [each.host]:
            address = f"{bracketed(host)}:{each.port}"
            name = each.host if each.is_name else ""
            found.setdefault(address, ServerAddress(address, name))
    return list(found.values())


def _looked_up(name: str, here: Installation) -> list[str]:
    try:
        found = here.names_service.addresses(name, here.wait_s)
    except (NoSuchName, NoNameService):
        return []
    return of_one_family(found)


def of_one_family(addresses: Sequence[str]) -> list[str]:
    """Returns the addresses of IPv4, those of IPv6 where there are none: of both a server, or a
    ClusterIP, is one."""
    return [each for each in addresses if ":" not in each] or list(addresses)


def side_by_side(
    ask: Callable[[_Asked], _Told], asked: Iterable[_Asked]
) -> Iterator[tuple[_Asked, _Told]]:
    """Yields each of the first `MOST_ASKED` with the answer to it, in their order."""
    chosen = list(asked)[:MOST_ASKED]
    if chosen:
        with ThreadPoolExecutor(len(chosen)) as threads:
            yield from zip(chosen, threads.map(ask, chosen), strict=True)


def told(groups: dict[_Told, list[str]], say: Callable[[_Told], str]) -> str:
    """Returns which addresses say what, the most of one mind first."""
    shown = sorted(groups.items(), key=lambda each: (-len(each[1]), each[1]))
    return "; ".join(f"{say(value)}: {_listed(where)}" for value, where in shown)


def grouped(values: Iterable[tuple[str, _Told]]) -> dict[_Told, list[str]]:
    """Returns the addresses by their values."""
    groups: dict[_Told, list[str]] = {}
    for address, value in values:
        groups.setdefault(value, []).append(address)
    return groups


def _listed(addresses: list[str]) -> str:
    shown = ", ".join(addresses[:4])
    return shown if len(addresses) <= 4 else f"{shown} and {len(addresses) - 4} more"
