"""Zones: model servers of the gateway's own zone are preferred while at least half of them may be
called.

Traffic within a zone is faster, and costs nothing at most clouds. Kubernetes' `trafficDistribution:
PreferSameZone` goes elsewhere only where a zone has no ready endpoint at all (https://kubernetes.io/
docs/reference/networking/virtual-ips/#traffic-distribution), so that one server may have to take
what ten did. Envoy's zone aware routing keeps as much in the zone as leaves all servers about as
busy, for which it has to know how many proxies there are in each (https://www.envoyproxy.io/docs/
envoy/latest/intro/arch_overview/upstream/load_balancing/zone_aware). In between is half: no server
gets more than twice what it had when all of them were well.
"""

from collections.abc import Collection, Sequence
from typing import TypeVar

from vitrine_client.process.addresses import is_local, split_zone
from vitrine_client.process.variables import PREFIX
from vitrine_serving.gateway.upstream.discovery import ServerEndpoint

T = TypeVar("T")


class Zones:
    """Zones of model servers by `addresses`, which are HOST:PORT@ZONE where they have one; `own` is
    the gateway's, empty where it has none. A name's zone is that of all addresses behind it."""

    def __init__(self, own: str, addresses: Sequence[str]) -> None:
        split = [split_zone(each) for each in addresses]
        self.addresses = tuple(address for address, _ in split)
        self._own = own
        self._zones = dict(reversed(split))  # of one that is named twice the first counts

    def is_own(self, endpoint: ServerEndpoint) -> bool:
        """Says whether a server is in the gateway's zone; one on its machine always is."""
        address = endpoint.name or endpoint.address
        return bool(self._own) and (is_local(address) or self._zones.get(address) == self._own)

    def warning(self) -> str:
        """Returns a warning where the own zone has no effect, else an empty text."""
        is_any_own = any(self.is_own(ServerEndpoint(each)) for each in self.addresses)
        if not self._own or is_any_own:
            return ""
        return (
            f"{PREFIX}ZONE={self._own} has no effect: no address in {PREFIX}MODEL_SERVER is in "
            f"that zone; write HOST:PORT@{self._own}"
        )


def preferred(free: list[T], near: Collection[T]) -> list[T]:
    """Returns those of the servers that may be called which are `near`, if they are at least half
    of all that are, else all that may be called."""
    own = [each for each in free if each in near]
    return own if own and 2 * len(own) >= len(near) else free
