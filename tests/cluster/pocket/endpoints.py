"""Endpoints of Services, as others come to know them: some seconds later.

A pod is an endpoint while it is ready; from the moment on in which it is to end, it is none. Those
who look, by DNS or through the balancer of a ClusterIP, see what was so `lag_s` ago, be it that a
pod came or that one left.
"""

import time
from bisect import bisect_right
from collections.abc import Sequence

from tests.cluster.pocket.manifests import Service

DOMAIN = ".default.svc.cluster.local"


class Endpoints:
    """Addresses of a Service's endpoints, over time."""

    def __init__(self, service: Service, lag_s: float) -> None:
        self.service = service
        self._lag_s = lag_s
        self._at_s: list[float] = []
        self._addresses: list[tuple[str, ...]] = []

    def update(self, addresses: Sequence[str]) -> None:
        """Says which endpoints there are from now on."""
        if not self._addresses or tuple(addresses) != self._addresses[-1]:
            self._addresses.append(tuple(addresses))
            self._at_s.append(time.monotonic())

    def seen(self) -> tuple[str, ...]:
        """Returns those that others see now."""
        index = bisect_right(self._at_s, time.monotonic() - self._lag_s)
        return self._addresses[index - 1] if index else ()


class Names:
    """Names of Services in the DNS. That of a ClusterIP has its endpoints' addresses as well: its
    balancer is played by the client, which picks one of them."""

    def __init__(self, endpoints: Sequence[Endpoints]) -> None:
        self._endpoints = {each.service.name: each for each in endpoints}

    def lookup(self, name: str) -> tuple[str, ...]:
        """Returns the addresses of a name."""
        short, found, _ = name.partition(DOMAIN)
        endpoints = self._endpoints.get(short) if found else None
        return endpoints.seen() if endpoints else ()
