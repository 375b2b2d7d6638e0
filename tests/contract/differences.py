"""Differences between a real TensorFlow Serving, the table and the embedded server, case by case:
`make contract TFS=...`.

`TFS` is an address (`HOST:PORT` of gRPC, a comma, and that of REST), a binary or an image; by the
words `address`, `binary` and `image` it is the one that the tests find."""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import text_format

from tests.contract import models, server
from tests.contract.case import Case
from tests.contract.cases import CASES
from tests.contract.seen import record, seen
from tests.contract.server import Reply, Server

KINDS = ("address", "binary", "docker")
SHOWN = 300
GROUPS = {
    (False, False): "neither the real nor the embedded server answers as the table says",
    (False, True): "the real server answers otherwise than the table",
    (True, False): "the embedded server answers otherwise than the table",
}
"""By whether the real and the embedded server answer as the table says."""
LEFT_OPEN = "both as the table says, which leaves open what differs"


@dataclass
class Recorded(Server):
    """A server that keeps its last answer as text."""

    last: str = ""

    def call(self, method: str, request: Any, **options: Any) -> Any:
        """Calls a method. Raises `grpc.RpcError`."""
        try:
            response = super().call(method, request, **options)
        except grpc.RpcError as error:
            self.last = f"{error.code().name}: {error.details()}"
            raise
        is_raw = isinstance(response, bytes)
        text = response if is_raw else text_format.MessageToString(response, as_one_line=True)
        self.last = f"OK: {text!r}"
        return response

    def http(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]) -> Reply:
        """Sends an HTTP request."""
        return self._noted(super().http(method, path, body, headers))

    def reply(self, request: bytes) -> Reply:
        """Sends the bytes of an HTTP request."""
        return self._noted(super().reply(request))

    def _noted(self, reply: Reply) -> Reply:
        self.last = f"{reply.status} {reply.content_type}: {reply.body!r}"
        return reply

    def replies(self, sent: bytes) -> list[Reply]:
        """Sends bytes."""
        replies = super().replies(sent)
        self.last = "; ".join(f"{one.status} {one.content_type}: {one.body!r}" for one in replies)
        return replies

    def asked(self, case: Case) -> tuple[str, str]:
        """Returns the answer to a case, and why it is not the table's; nothing where it is."""
        self.last = ""
        try:
            case.run(self)
        except (Exception, pytest.fail.Exception) as error:
            why = str(error) or f"{type(error).__name__}, without words"
        else:
            why = ""
        return self.last.replace(str(self.models), "{base}"), why


@dataclass(frozen=True)
class Compared:
    """What two servers answered to a case, and why that is not the table's."""

    case: Case
    real: tuple[str, str]
    embedded: tuple[str, str]

    @property
    def group(self) -> str:
        """Returns how they differ; nothing where they do not."""
        held = not self.real[1], not self.embedded[1]
        same = self.real[0] == self.embedded[0]
        return GROUPS.get(held, "" if same else LEFT_OPEN)

    def __str__(self) -> str:
        lines = [f"  {self.case.name}  ({seen(self.case) or 'nothing says when it was seen'})"]
        for name, (answer, why) in (("real", self.real), ("embedded", self.embedded)):
            lines += [f"    {name:9}{answer[:SHOWN]}"]
            lines += (
                [f"    {'':9}against the table: {' '.join(why.split())[:SHOWN]}"] if why else []
            )
        return "\n".join(lines)


def real_server(told: str) -> tuple[str, dict[str, str]]:
    """Returns which kind of server `TFS` is, and what the environment has to say of it."""
    if not told:
        there = (kind for kind in KINDS if not server.why_not(kind, os.environ))
        return next(there, "binary"), {}
    if told in ("address", "binary"):
        return told, {}
    if told in ("image", "docker"):
        return "docker", {}
    if re.fullmatch(r"[^/,]+:\d+,[^/,]+:\d+", told):
        grpc_address, rest_address = told.split(",")
        addresses = {"GRPC": grpc_address, "REST": rest_address}
        return "address", {f"VITRINE_CONTRACT_{name}": at for name, at in addresses.items()}
    if shutil.which(told) or told.startswith(("/", ".")):
        return "binary", {"VITRINE_CONTRACT_BINARY": told}
    return "docker", {"VITRINE_CONTRACT_IMAGE": told}


@contextmanager
def asking(kind: str, kinds: Path, folder: Path) -> Iterator[list[Recorded]]:
    """Runs a kind of server: the one that stays as it is, and the one that cases may change,
    unless it is somebody else's."""
    started: list[Server] = []
    try:
        for use in ("steady", "changing")[: 1 if kind == "address" else 2]:
            if kind == "address":
                started.append(server.elsewhere(os.environ, kinds))
                continue
            base = folder / f"{kind}-{use}"
            server.fill(kinds, base)
            may_change = use == "changing"
            command = server.command(kind, base)
            started.append(server.start(command, base, kinds, may_change=may_change))
        for one in started:
            one.await_ready()
        yield [
            Recorded(**{each.name: getattr(one, each.name) for each in fields(one)})
            for one in started
        ]
    finally:
        for one in started:
            one.stop()


def compare(kind: str) -> list[Compared]:
    """Asks both servers every case that the real one can be asked."""
    with tempfile.TemporaryDirectory() as made:
        kinds = Path(made) / "kinds"
        models.export(kinds)
        with asking("embedded", kinds, Path(made)) as ours, asking(kind, kinds, Path(made)) as real:
            pairs = list(zip(real, ours, strict=False))
            cases = [case for case in CASES if not case.before or len(pairs) == 2]
            found = []
            for case in cases:
                one, other = pairs[1 if case.before else 0]
                found.append(Compared(case, one.asked(case), other.asked(case)))
            return found


def version_of(kind: str) -> str:
    """Returns the version that a server says it is; nothing where it cannot be asked."""
    if kind == "address":
        return ""
    command = [*server.command(kind, Path(tempfile.gettempdir())), "--version"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=server.START_S)
    found = re.search(r"(\d+\.\d+\.\d+)", done.stdout + done.stderr)
    return found[1] if found else ""


def main(arguments: list[str]) -> int:
    """Prints the differences. Returns 1 where a server does not answer as the table says."""
    parser = argparse.ArgumentParser(prog="make contract", description=__doc__)
    parser.add_argument("tfs", nargs="?", default="")
    parser.add_argument("--record", action="store_true", help="write seen.txt")
    asked = parser.parse_args(arguments)
    kind, variables = real_server(asked.tfs)
    os.environ.update(variables)
    tried = (kind,) if asked.tfs else KINDS
    if server.why_not(kind, os.environ):
        reason = "; ".join(server.why_not(each, os.environ) for each in tried)
        print(f"skipped, as there is no real TensorFlow Serving: {reason}")
        return 0
    version = version_of(kind)
    found = compare(kind)
    print(f"{len(found)} of {len(CASES)} cases, against {asked.tfs or kind} {version}".rstrip())
    for group in (*GROUPS.values(), LEFT_OPEN):
        different = [each for each in found if each.group == group]
        print(f"\n{len(different)}: {group}", *different, sep="\n")
    print(f"\n{sum(not each.group for each in found)}: the same answer, the table's")
    if asked.record and version:
        held = [each.case.name for each in found if not each.real[1]]
        record(version, held, [case.name for case in CASES if case.name not in held])
    return int(any(each.group in GROUPS.values() for each in found))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
