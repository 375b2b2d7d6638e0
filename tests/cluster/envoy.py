"""Envoy with a file of ours, as a process: on free ports, and asking a DNS that a test has."""

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from harness.paths import ROOT
from harness.ports import free_port
from harness.processes import running, wait_until_up
from tests.cluster.tools import program

FILES = ROOT / "deploy" / "envoy"
NAME = "pods.test"
"""What the name of the Service is in a test."""


@dataclass(frozen=True)
class Envoy:
    """A running Envoy: its addresses, and where it tells of itself."""

    addresses: tuple[str, ...]
    admin: str
    log: Path

    def healthy(self) -> int:
        """Returns how many endpoints of its cluster it sends calls to."""
        return self._stat("membership_healthy")

    def members(self) -> int:
        """Returns how many endpoints its cluster has."""
        return self._stat("membership_total")

    def _stat(self, name: str) -> int:
        query = f"{self.admin}/stats?format=json&filter=^cluster%5C..*%5C.{name}$"
        with urllib.request.urlopen(query, timeout=10) as answer:
            (found,) = json.load(answer)["stats"]
        return int(found["value"])

    def is_live(self) -> bool:
        """Says whether it has started."""
        try:
            with urllib.request.urlopen(f"{self.admin}/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False


def validated(file: Path) -> "subprocess.CompletedProcess[str]":
    """Has Envoy check a file."""
    command = [program("envoy"), "--mode", "validate", "-c", str(file)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@contextmanager
def envoy(file: Path, folder: Path, *, dns_port: int, port: int) -> Iterator[Envoy]:
    """Runs Envoy with a file of ours, in which only places are others: it listens on free ports,
    and its cluster is what the DNS has for `NAME`, each with `port`."""
    content: dict[str, Any] = yaml.safe_load(file.read_text())
    addresses = tuple(_moved(each) for each in _listened(content))
    admin = f"http://{_moved(content['admin'])}"
    (cluster,) = content["static_resources"]["clusters"]
    (endpoint,) = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"]
    endpoint["endpoint"]["address"]["socket_address"] |= {"address": NAME, "port_value": port}
    cluster["cluster_type"]["typed_config"]["typed_dns_resolver_config"] = _resolver(dns_port)
    chosen, log = folder / file.name, folder / "envoy.log"
    chosen.write_text(yaml.safe_dump(content))
    command = [
        str(program("envoy")),
        "-c",
        str(chosen),
        "--concurrency",
        "1",
        "--disable-hot-restart",
    ]
    with running(command, log) as process:
        started = Envoy(addresses, admin, log)
        wait_until_up(process, log, started.is_live, "Envoy")
        yield started


def _listened(content: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for listener in content["static_resources"]["listeners"]:
        yield listener
        yield from listener.get("additional_addresses", ())


def _moved(place: dict[str, Any]) -> str:
    address = place["address"]["socket_address"]
    address |= {"address": "127.0.0.1", "port_value": free_port()}
    return f"{address['address']}:{address['port_value']}"


def _resolver(port: int) -> dict[str, Any]:
    kind = "envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig"
    return {
        "name": "envoy.network.dns_resolver.cares",
        "typed_config": {
            "@type": f"type.googleapis.com/{kind}",
            "resolvers": [{"socket_address": {"address": "127.0.0.1", "port_value": port}}],
            "dns_resolver_options": {"no_default_search_domain": True},
        },
    }
