"""Rate limits that gateways share out among them: together they admit what one would."""

import asyncio
import contextlib
import re
import time
from collections.abc import Iterator

import httpx
import pytest

from harness.direct import asking
from tests.serving.asked_gateway import FakeServers
from tests.serving.asking import until
from tests.serving.clock import Clock
from vitrine_serving.gateway.access.rate_limit import RateLimiter
from vitrine_serving.gateway.application import TASKS, Gateway, create_app
from vitrine_serving.gateway.server.peers import Peers, PeersSettings
from vitrine_serving.gateway.settings import Settings
from vitrine_serving.gateway.shared_state import SharedState

RATE, OFFERED = 30, 90
FOLLOWED_S = 3.0
"""Seconds within which a limiter has to know that a gateway has gone."""


class Service:
    """Rate limiters of several gateways, whose clients are dealt out evenly, in a time of their
    own."""

    def __init__(self, gateways: int, burst: int = 0, rate: float = RATE) -> None:
        self.clock = Clock()
        self.limiters = [RateLimiter(rate, burst, slots=1, now=self.clock) for _ in range(gateways)]
        self.know(gateways)

    def know(self, peers: int) -> None:
        for each in self.limiters:
            each.share(peers)

    def admitted(self, seconds: float) -> int:
        """Requests that pass while `OFFERED` come each second, to one after the other."""
        passed = 0
        for n in range(round(seconds * OFFERED)):
            self.clock.s += 1 / OFFERED
            passed += self.limiters[n % len(self.limiters)].take("client").allowed
        return passed


@pytest.mark.parametrize("gateways", [1, 2, 3, 7, 10])
def test_gateways_admit_the_limit_in_sum(gateways):
    """Burst and rate, of however many: each has its part, also of less than a request."""
    service = Service(gateways)
    assert service.admitted(10) == pytest.approx(RATE + 10 * RATE, abs=2 * gateways)
    assert service.admitted(60) == pytest.approx(60 * RATE, rel=0.01)


def test_the_others_take_over_the_share_of_one_that_is_killed():
    """The rate is admitted again once they know of it, and nobody has another burst by that."""
    service = Service(3)
    service.admitted(20)
    del service.limiters[0]
    assert service.admitted(FOLLOWED_S) == pytest.approx(FOLLOWED_S * RATE * 2 / 3, abs=3)
    service.know(2)
    assert service.admitted(1) == pytest.approx(RATE, abs=2)
    assert service.admitted(30) == pytest.approx(30 * RATE, rel=0.01)


def test_a_new_one_brings_no_more_than_its_own_burst():
    service = Service(2)
    service.admitted(20)
    service.limiters.append(RateLimiter(RATE, slots=1, now=service.clock))
    service.know(3)
    assert service.admitted(10) == pytest.approx(RATE / 3 + 10 * RATE, abs=4)


@pytest.mark.parametrize("burst", [0, 1, 7, 100])
@pytest.mark.parametrize(("before", "after"), [(3, 2), (2, 3), (1, 9), (9, 1)])
def test_a_used_up_bucket_stays_so(burst, before, after):
    """However often peers come and go, there is no more than the part of one request that was
    left, which is one or more where a single gateway has the whole rate."""
    clock = Clock()
    limiter = RateLimiter(RATE, burst, slots=1, now=clock)
    limiter.share(before)
    while limiter.take("client").allowed:
        pass
    passed = 0
    for _ in range(100):
        for peers in (after, before):
            limiter.share(peers)
            passed += limiter.take("client").allowed
    assert passed < max(before / after, 1)


def test_an_unused_part_stays_a_part():
    """Half of the burst that is left is half of the new one."""
    limiter = RateLimiter(1, 12, slots=1, now=Clock())
    for _ in range(6):
        limiter.take("client")
    limiter.share(3)
    assert [limiter.take("client").allowed for _ in range(3)] == [True, True, False]


def test_each_gateway_admits_one_at_least():
    """A burst of one is no half request; the next may come when the whole rate has room for all."""
    service = Service(3, burst=1, rate=0.1)
    assert [each.take("client").allowed for each in service.limiters] == [True] * 3
    decisions = [each.take("client") for each in service.limiters]
    assert [(each.allowed, each.retry_after_s) for each in decisions] == [(False, 30)] * 3
    service.clock.s += 30
    assert [each.take("client").allowed for each in service.limiters] == [True] * 3


class Balancer:
    """Requests to gateways, more of them than they admit; counts those that were admitted."""

    def __init__(self, *clients: httpx.AsyncClient) -> None:
        self.clients = list(clients)
        self.admitted = 0

    async def rate(self, seconds: float) -> float:
        """Returns the admitted requests a second, from a moment at which all gateways refuse to
        another one: however slow this machine is, what came up meanwhile was asked for."""
        await self._use_up()
        await self._use_up()  # what came up while the bursts were used up
        began_s, before = time.monotonic(), self.admitted
        while time.monotonic() < began_s + seconds:
            await asyncio.sleep(1 / OFFERED)
            await self._use_up()
        return (self.admitted - before) / (time.monotonic() - began_s)

    async def _use_up(self) -> None:
        for client in self.clients:
            while (await client.get("/v1/models/mlp")).status_code == 200:
                self.admitted += 1


class Dns:
    """DNS of the gateways' name."""

    def __init__(self, *records: str) -> None:
        self.records = list(records)

    def __call__(self, host: str, port: int) -> list[str]:
        return self.records


@contextlib.contextmanager
def gateway(dns: Dns, own: str, **settings: object) -> Iterator[Gateway]:
    """A gateway that is at an address of its own."""
    made = Settings(models=("mlp",), drift=False, **settings)
    shared = SharedState(made, TASKS)
    shared.peers = Peers(PeersSettings(peers="gateways:80"), own, resolve=dns)
    app = create_app(made, FakeServers(), shared)
    app.start()
    try:
        yield app
    finally:
        shared.peers.stop()


def known(app: Gateway) -> float:
    """Returns the number of gateways that one tells of in its metrics."""
    (found,) = re.findall("^vitrine_peers (.+)$", app.metrics.render()[0].decode(), re.MULTILINE)
    return float(found)


ADDRESSES = ("127.0.0.2:80", "127.0.0.3:80", "127.0.0.4:80")


def test_three_gateways_and_then_two():
    """By the DNS: the rate is admitted, and again after one was killed. Each has a burst that lasts
    for as long as this machine may be busy; time passes between two looks, hence a tenth."""

    async def main() -> None:
        dns = Dns(*ADDRESSES)
        settings = {"rate_limit": RATE, "rate_burst": 10 * RATE}
        with contextlib.ExitStack() as stack:
            apps = [
                stack.enter_context(gateway(dns, own.partition(":")[0], **settings))
                for own in ADDRESSES
            ]
            balancer = Balancer(*map(asking, apps))
            await until(lambda: all(known(each) == 3 for each in apps), "three")
            assert await balancer.rate(2) == pytest.approx(RATE, rel=0.1)
            dns.records.pop()
            balancer.clients.pop()
            await until(lambda: all(known(each) == 2 for each in apps[:2]), "two")
            assert await balancer.rate(2) == pytest.approx(RATE, rel=0.1)

    asyncio.run(main())


def test_what_a_client_is_told():
    """The policy is that of the service, and stays as gateways come and go; what is left, and when
    to come again, is what this gateway has: a client that heeds it is refused by none."""

    async def main() -> None:
        with gateway(Dns(*ADDRESSES), "127.0.0.2", rate_limit=0.5, rate_burst=6) as app:
            await until(lambda: known(app) == 3, "three")
            client = asking(app)
            answers = [await client.get("/v1/models/mlp") for _ in range(3)]
        assert [each.status_code for each in answers] == [200, 200, 429]
        assert {each.headers["RateLimit-Policy"] for each in answers} == {'"default";q=6;w=12'}
        told = [each.headers["RateLimit"] for each in answers]
        assert told == ['"default";r=1;t=6', '"default";r=0;t=12', '"default";r=0;t=6']
        assert answers[-1].headers["Retry-After"] == "6"

    asyncio.run(main())
