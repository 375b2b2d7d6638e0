"""Namespaces of the pocket cluster: all of it in one set of its own, and a network for each pod.

The set ends with its first process, and with it every process, mount and network in it: nothing is
left over, however the test ends.
"""

import contextlib
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.paths import ROOT

_NETWORK = "10.88."
NODE = _NETWORK + "0.1"
"""Address of the node: probes come from it, and the DNS is there."""

_ROOT = ("unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child=KILL")
_USER = (*_ROOT, "--user", "--map-root-user")
_INSIDE = "POCKET_CLUSTER"
_BRIDGE = "pods"
_RESOLV = """\
nameserver {node}
search default.svc.cluster.local svc.cluster.local cluster.local
options ndots:5 timeout:1 attempts:2
"""


class NoNamespacesError(Exception):
    """Namespaces that this user, or this machine, may not have."""


def unshared() -> tuple[str, ...]:
    """Returns the words that start a command in namespaces of its own. Raises
    `NoNamespacesError`."""
    words = ((_USER, "unprivileged"), (_ROOT, "root"))
    said = []
    for each, who in words:
        trial = ("sh", "-c", "mount -t tmpfs pods /run && ip link add pods type bridge")
        try:
            done = subprocess.run([*each, *trial], capture_output=True, text=True, timeout=30)
        except (FileNotFoundError, subprocess.TimeoutExpired) as error:
            said.append(str(error))
            continue
        if done.returncode == 0:
            return each
        said.append(f"{who}: {done.stderr.strip()}")
    raise NoNamespacesError("no namespaces to be had here: " + "; ".join(said))


@contextlib.contextmanager
def inside(module: str, words: Sequence[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    """Runs a Python module in namespaces of its own, which end with the block, and with this
    process; `options` are those of `Popen`. Raises `NoNamespacesError`."""
    read, write = os.pipe()
    command = [*unshared(), sys.executable, "-m", module, *words]
    environment = os.environ | {_INSIDE: str(read)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=(read,), **options)
    os.close(read)
    try:
        yield process
    finally:
        os.close(write)
        process.wait(30)


def is_inside() -> bool:
    """Says whether this process is the first one of such namespaces."""
    return _INSIDE in os.environ


def number_of(address: str) -> int:
    """Returns the number of a pod by its address."""
    above, below = address.removeprefix(_NETWORK).split(".")
    return int(above) << 8 | int(below)


class Node:
    """Network of the cluster: a bridge, and the names of `NODE`'s DNS for all."""

    def __init__(self, folder: Path) -> None:
        _end_with_parent()
        self._numbers = itertools.count(2)
        asked = Path("/etc/resolv.conf").resolve()
        _mount("-t", "tmpfs", "pods", "/run")  # `ip netns` keeps its names there
        resolv = folder / "resolv.conf"
        resolv.write_text(_RESOLV.format(node=NODE))
        if not asked.exists():  # it was below /run
            asked.parent.mkdir(parents=True)
            asked.touch()
        _mount("--bind", str(resolv), str(asked))
        _ip(
            "link set lo up",
            f"link add {_BRIDGE} type bridge",
            f"link set {_BRIDGE} up",
            f"addr add {NODE}/16 dev {_BRIDGE}",
        )

    def add(self) -> "PodNetwork":
        """Adds a pod's network, with an address that no other has had."""
        return PodNetwork(next(self._numbers))


class PodNetwork:
    """Network namespace of a pod, with one address."""

    def __init__(self, number: int) -> None:
        self.address = _NETWORK + f"{number >> 8}.{number & 255}"
        self._name = f"pod{number}"
        subprocess.run(["ip", "netns", "add", self._name], check=True)
        _ip(
            f"link add veth{number} type veth peer name eth0 netns {self._name}",
            f"link set veth{number} master {_BRIDGE} up",
        )
        _ip(
            "link set lo up",
            f"addr add {self.address}/16 dev eth0",
            "link set eth0 up",
            f"route add default via {NODE}",
            within=self._name,
        )

    @property
    def enter(self) -> tuple[str, ...]:
        """The words that run a command in it, with processes of its own."""
        return (
            *("nsenter", f"--net=/run/netns/{self._name}", "--"),
            *("unshare", "--pid", "--fork", "--mount-proc", "--kill-child=KILL", "--"),
        )

    def remove(self) -> None:
        """Removes the namespace, once no process is in it."""
        subprocess.run(["ip", "netns", "del", self._name], check=True)


def _ip(*lines: str, within: str = "") -> None:
    words = ["ip", *(["-n", within] if within else []), "-batch", "-"]
    subprocess.run(words, input="\n".join(lines), text=True, check=True)


def _mount(*words: str) -> None:
    subprocess.run(["mount", *words], check=True)


def _end_with_parent() -> None:
    """Ends this process, and so the namespaces, when the one that began them is gone."""
    handle = int(os.environ[_INSIDE])

    def wait() -> None:
        os.read(handle, 1)
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
