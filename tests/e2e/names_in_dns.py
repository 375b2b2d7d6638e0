"""A name with several model servers behind it, in a network of its own.

A real resolver, a DNS server and a gateway of two processes, under 100 requests a second; prints
what became of them as JSON.

`unshare --mount --net python -m tests.e2e.names_in_dns FOLDER [SLOWER]`, by root: it has its own
`/etc/resolv.conf` there, and nothing else sees that.
"""

import asyncio
import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from harness.dns import Dns, DnsName
from harness.fake_model_server import FakeModelServer, classifying
from harness.gateway import PREDICT, gateway
from harness.paths import PICTURE

NAME, PORT = "models.test", 8500
HOSTS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
RATE = 100
THREADS = 256
"""More than wait at a time while there is no server: the gateway gives it a moment to come."""

SETTLED_S = 3.0
"""Seconds after a change from which on it has to be in effect."""

STEPS = ((2, 4.0), (3, 4.5), (1, 4.5), (0, 4.0), (2, 4.5), (None, 6.0), (3, 4.5))
"""How many addresses the name has, None where the DNS is dead; and for how many seconds."""


class Load:
    """Requests at a steady rate, each in a thread; `answers` are when each was sent, and its
    status, 0 for none."""

    def __init__(self, url: str) -> None:
        self.answers: list[tuple[float, int]] = []
        self._url = url

    async def run(self, until_s: float) -> None:
        loop = asyncio.get_running_loop()
        at_s, out = time.monotonic(), []
        with requests.Session() as session, ThreadPoolExecutor(THREADS) as threads:
            while at_s < until_s:
                await asyncio.sleep(max(0.0, at_s - time.monotonic()))
                out.append(loop.run_in_executor(threads, self._send, session))
                at_s += 1 / RATE
            await asyncio.gather(*out)

    def _send(self, session: requests.Session) -> None:
        at_s, status = time.monotonic(), 0
        with contextlib.suppress(requests.RequestException):
            headers = {"Content-Type": "image/png"}
            status = session.post(self._url, PICTURE, headers=headers, timeout=30).status_code
        self.answers.append((at_s, status))


def steps(
    url: str, dns: DnsName, servers: list[FakeModelServer], slower: float
) -> Iterator[dict[str, object]]:
    """Goes through the steps; yields what became of each, once it was to be in effect."""

    async def one(number: int | None, for_s: float) -> dict[str, object]:
        began_s = time.monotonic()
        dns.hosts = None if number is None else HOSTS[:number]
        load = asyncio.create_task(load_of.run(began_s + for_s))
        await asyncio.sleep(SETTLED_S)
        before = [len(each.calls) for each in servers]
        await load
        shares = [len(each.calls) - n for each, n in zip(servers, before, strict=True)]
        failed = [status for at_s, status in load_of.answers if at_s >= began_s and status != 200]
        return {"addresses": number, "shares": shares, "failed": failed}

    load_of = Load(url)
    for number, for_s in STEPS:
        yield asyncio.run(one(number, for_s * slower))


def ask_this_machine(folder: Path) -> None:
    """Has resolvers ask the DNS server of this machine, whose network is this process' own."""
    resolv = folder / "resolv.conf"
    resolv.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "--bind", str(resolv), "/etc/resolv.conf"], check=True)


def main(folder: Path, slower: float = 1.0) -> None:
    """Prints a JSON list, an entry a step; each lasts `slower` times as long."""
    ask_this_machine(folder)
    dns = DnsName(NAME)
    dns.hosts = HOSTS[:2]
    Dns(dns.lookup)
    with contextlib.ExitStack() as stack:
        servers = [FakeModelServer(classifying(), port=PORT, host=host) for host in HOSTS]
        for each in servers:
            stack.enter_context(each)
        running = stack.enter_context(gateway(f"{NAME}:{PORT}", workers=2))
        print(json.dumps(list(steps(running.url + PREDICT, dns, servers, slower))))


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(float, sys.argv[2:]))
