"""Access control: API keys and rate limits, checked before a request's body is read."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from math import ceil
from pathlib import Path
from typing import Annotated

from vitrine_client.errors import Unauthorized
from vitrine_client.process.addresses import checked_origin
from vitrine_serving.gateway.access.keys import Keys
from vitrine_serving.gateway.access.rate_limit import RateLimiter, RateLimitSettings
from vitrine_serving.gateway.http.routes import Route
from vitrine_serving.gateway.settings_part import Names, SettingsPart, each
from vitrine_serving.gateway.shedding import RateLimited

Address = IPv4Address | IPv6Address


def _checked_network(network: str) -> str:
    try:
        ip_network(network, strict=False)
    except ValueError:
        raise ValueError(f"{network!r} is no network; write 10.0.0.0/8, say") from None
    return network


class AccessSettings(SettingsPart):
    """Clients that may ask."""

    keys_file: Path | None = None
    """File of API keys; predictions then need one."""
    trusted_proxies: Annotated[Names, each(_checked_network)] = ()
    """Networks of proxies whose X-Forwarded-For is believed, separated by commas."""
    cors_origins: Annotated[Names, each(checked_origin)] = ()
    """Origins whose pages may ask, separated by commas; `*` for all."""


@dataclass(frozen=True, slots=True)
class Admission:
    """A request that may pass: its key's name, "" without one, and headers for its answer."""

    name: str = ""
    headers: list[tuple[str, str]] = field(default_factory=list)


_FREE = Admission()


class Guard:
    """Asks for a key and counts requests, as the settings say.

    Make it before the fork: what the limiter counts then holds for all processes. Raises
    `KeysFileError` for a keys file that cannot be used.
    """

    def __init__(
        self,
        access: AccessSettings,
        rates: RateLimitSettings,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limiter = (
            RateLimiter(rates.rate_limit, rates.rate_burst, now=now) if rates.rate_limit else None
        )
        self._policy = _policy(self._limiter) if self._limiter else ""
        self._keys = Keys(access.keys_file, now=now) if access.keys_file else None
        self._proxies = [ip_network(each, strict=False) for each in access.trusted_proxies]
        self._needless = not (self._limiter or self._keys)

    def look(self) -> None:
        """Reads the keys again if their file has changed, whether or not somebody asks."""
        if self._keys:
            self._keys.look()

    def share(self, peers: int) -> None:
        """Lets so many gateways, this one among them, admit together what each client may have."""
        if self._limiter:
            self._limiter.share(peers)

    def admit(self, headers: Mapping[str, str], peer: str, route: Route) -> Admission:
        """Lets a request pass, by its headers (names in lower case), peer and route. All that have
        no route are guarded, so that no way of writing an address (`/%761/models`) leads past.

        Raises `Unauthorized` without a key that is known, `RateLimited` above the rate of its key,
        or of its address where it has no such key.
        """
        if self._needless or route.public:
            return _FREE
        key = _key_in(headers) if self._keys else ""
        name = self._keys.name_of(key) if self._keys and key else None
        limits = self._count(f"key {name}" if name else self._address(headers, peer))
        if self._keys and not name:
            raise _unauthorized(key, limits)
        return Admission(name or "", limits)

    def _count(self, identity: str) -> list[tuple[str, str]]:
        """draft-ietf-httpapi-ratelimit-headers-11, sections 3 and 4: the policy is the same in a
        sequence of answers, whoever gives them, and so that of all gateways together. What is left
        is this one's, which may change; a client that heeds it nowhere has too much."""
        if self._limiter is None:
            return []
        decision = self._limiter.take(identity)
        # After a refusal `t` is the time until the next request: Retry-After may not end before it.
        after_s = decision.reset_s if decision.allowed else decision.retry_after_s
        headers = [
            ("RateLimit-Policy", self._policy),
            ("RateLimit", f'"default";r={decision.remaining};t={ceil(after_s)}'),
        ]
        if decision.allowed:
            return headers
        raise RateLimited(
            f"Too many requests; the next may come in {after_s:.2g} s",
            retry_after_s=after_s,
            headers=tuple(headers),
        )

    def _address(self, headers: Mapping[str, str], peer: str) -> str:
        """Returns the client's IP address, or the network of a client with IPv6."""
        forwarded = headers.get("x-forwarded-for", "") if self._proxies else ""
        if not forwarded and ":" not in peer:
            return peer  # most often; nothing to parse
        here = _parsed(peer)
        if here is None:
            return peer
        client = here
        for text in reversed(forwarded.split(",") if forwarded else ()):
            if not self._is_proxy(client):
                break
            before = _parsed(text.strip()[:64])
            if before is None:  # a proxy that writes something else: better one limit for all
                return _bucket(here)
            client = before
        return _bucket(client)

    def _is_proxy(self, address: Address) -> bool:
        return any(address in network for network in self._proxies)


def _policy(limiter: RateLimiter) -> str:
    return f'"default";q={limiter.limit};w={ceil(limiter.window_s)}'


def _key_in(headers: Mapping[str, str]) -> str:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return key.strip()
    return headers.get("x-api-key", "").strip()


def _unauthorized(key: str, limits: list[tuple[str, str]]) -> Unauthorized:
    """RFC 6750, section 3: the challenge tells a wrong key from none."""
    challenge = 'Bearer error="invalid_token"' if key else "Bearer"
    message = (
        "This API key is not known here; check it, or ask those who run the gateway for one"
        if key
        else "This gateway wants an API key; send it as `Authorization: Bearer <key>` or "
        "`X-API-Key: <key>`"
    )
    return Unauthorized(message, headers=(("WWW-Authenticate", challenge), *limits))


@lru_cache(4096)
def _parsed(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped  # as who listens on `::` sees IPv4: all of one /64
    return address


def _bucket(address: Address) -> str:
    """A client with IPv6 has a /64 to itself at least, and could use a new address each time."""
    return f"{int(address) >> 64:x}::/64" if address.version == 6 else str(address)
