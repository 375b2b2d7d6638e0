"""Three gateways behind a name, in a network of their own, which share out a rate limit.

A real resolver, a DNS server and gateways of two processes, under 90 requests a second; prints how
many a second were admitted, as JSON: by all three, from 3 s after one was killed, and while the DNS
is dead.

`unshare --mount --net python -m tests.e2e.peers_in_dns FOLDER`, by root.
"""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import requests

from harness.dns import Dns, DnsName
from harness.fake_model_server import FakeModelServer, classifying
from harness.gateway import PREDICT, gateway
from harness.paths import PICTURE
from tests.e2e.names_in_dns import HOSTS, SETTLED_S, ask_this_machine

NAME, PORT = "gateways.test", 8080
LIMIT, OFFERED = 30, 90
MEASURED_S = 6.0


class Load:
    """Requests at a steady rate to `hosts`, one after the other; notes when each was admitted."""

    def __init__(self, hosts: tuple[str, ...]) -> None:
        self.hosts = hosts
        self.admitted: list[float] = []
        self.has_ended = threading.Event()
        self._session = requests.Session()

    def run(self) -> None:
        """Sends until it is told to end."""
        at_s, n = time.monotonic(), 0
        with ThreadPoolExecutor(64) as threads:
            while not self.has_ended.wait(max(0.0, at_s - time.monotonic())):
                threads.submit(self._send, self.hosts[n % len(self.hosts)])
                at_s, n = at_s + 1 / OFFERED, n + 1

    def rate(self, after_s: float) -> float:
        """Waits, and then returns the admitted requests a second in a time as it was measured."""
        time.sleep(after_s)
        began_s, before = time.monotonic(), len(self.admitted)
        time.sleep(MEASURED_S)
        return (len(self.admitted) - before) / (time.monotonic() - began_s)

    def _send(self, host: str) -> None:
        headers = {"Content-Type": "image/png"}
        url = f"http://{host}:{PORT}{PREDICT}"
        with contextlib.suppress(requests.RequestException):
            if self._session.post(url, PICTURE, headers=headers, timeout=30).status_code == 200:
                self.admitted.append(time.monotonic())


def main(folder: Path) -> None:
    """Prints the three rates."""
    ask_this_machine(folder)
    dns = DnsName(NAME)
    dns.hosts = HOSTS
    Dns(dns.lookup)
    settings = {"port": PORT, "rate_limit": LIMIT, "peers": f"{NAME}:{PORT}"}
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(FakeModelServer(classifying()))
        running = [
            stack.enter_context(gateway(server.address, workers=2, host=host, **settings))
            for host in HOSTS
        ]
        load = Load(HOSTS)
        sending = threading.Thread(target=load.run)
        sending.start()
        rates = [load.rate(SETTLED_S)]
        for pid in (running[2].process.pid, *running[2].workers):
            os.kill(pid, signal.SIGKILL)
        load.hosts = dns.hosts = HOSTS[:2]
        rates.append(load.rate(SETTLED_S))
        dns.hosts = None
        rates.append(load.rate(SETTLED_S))
        load.has_ended.set()
        sending.join()
        print(json.dumps(rates))
        sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
