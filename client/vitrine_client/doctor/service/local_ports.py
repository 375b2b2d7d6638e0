"""Check of ports: free, used by this service, or taken by somebody else."""

import errno
import shutil
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from vitrine_client.doctor.finding import Finding, ok, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.doctor.machine import commands
from vitrine_client.doctor.machine.software import installed_version
from vitrine_client.doctor.service import gateway, model_server, probe
from vitrine_client.errors import InvalidRequest
from vitrine_client.process.addresses import HOST, V2_GRPC_PORT, Addresses

_LISTEN = "0A"
_PROC = Path("/proc")


@dataclass(frozen=True)
class _Use:
    """Purpose of a port, and the variable that moves it."""

    what: str
    variable: str
    host: str
    port: int

    @property
    def name(self) -> str:
        return f"port {self.port} ({self.what})"


def check(here: Installation) -> Iterator[Finding]:
    """Looks at the ports that `vitrine-serve up` listens on."""
    if not installed_version("vitrine-serving"):
        yield ok("ports", "vitrine-serving is not installed, so that none is needed")
        return
    try:
        chosen = Addresses.chosen(here.environment)
    except InvalidRequest as error:
        todo = (
            "`export VITRINE_PORT=9080`, say, and unset VITRINE_GRPC_PORT, VITRINE_REST_PORT and "
            f"{V2_GRPC_PORT}"
        )
        yield problem("ports", str(error), todo)
        return
    own_grpc = _Use("gateway, gRPC", V2_GRPC_PORT, chosen.host, chosen.v2_grpc_port)
    uses = (
        _Use("gateway", "VITRINE_PORT", chosen.host, chosen.port),
        *((own_grpc,) if own_grpc.port else ()),
        _Use("model server, gRPC", "VITRINE_GRPC_PORT", HOST, chosen.grpc_port),
        _Use("model server, REST", "VITRINE_REST_PORT", HOST, chosen.rest_port),
    )
    for use in uses:
        yield _examined(use, here)


def _examined(use: _Use, here: Installation) -> Finding:
    try:
        _bind(use)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _taken(use, here)
        return _refused(use, error)
    return ok(use.name, "free")


def _bind(use: _Use) -> None:
    """As the service does, at the address that it listens on."""
    found = socket.getaddrinfo(use.host, use.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        trial.bind(address)


def _refused(use: _Use, error: OSError) -> Finding:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        seen = f"VITRINE_HOST={use.host} is no address of this machine ({error.strerror})"
        return problem("VITRINE_HOST", seen, "`export VITRINE_HOST=127.0.0.1`, or 0.0.0.0 for all")
    if error.errno in (errno.EACCES, errno.EPERM):
        todo = f"`export {use.variable}=…` above 1023, with a proxy in front if it must be lower"
        return problem(use.name, "is for root alone", todo)
    return problem(use.name, f"cannot be used ({error.strerror})", f"`export {use.variable}=…`")


def _taken(use: _Use, here: Installation) -> Finding:
    found = _listener(use.port, here.environment, here.wait_s)
    if (found and found.is_ours) or _answers_as_ours(use, here):
        return ok(use.name, f"in use by this service{f', {found}' if found else ''}")
    who = str(found) if found else "a process that this user can't see"
    look = (
        f"`sudo ss -ltnp 'sport = :{use.port}'` shows it"
        if (_PROC / "net").is_dir()
        else (f"`sudo lsof -iTCP:{use.port}` shows it")
    )
    end = f"end it (`kill {found.pid}`)" if found else f"end it: {look}"
    other = use.port + 1000 if use.port < 60_000 else use.port - 1000
    todo = f"{end}, or take another: `export {use.variable}={other}`"
    return problem(use.name, f"taken by {who}", todo)


def _answers_as_ours(use: _Use, here: Installation) -> bool:
    """Asks where the command does not tell, as with a container's port."""
    try:
        if use.variable == "VITRINE_PORT":
            scheme = "https" if here.names("VITRINE_TLS_CERT") else "http"
            reply = probe.get(f"{scheme}://{HOST}:{use.port}/healthz", here.wait_s)
            return gateway.is_ours(reply)
        if use.variable == "VITRINE_REST_PORT":
            reply = probe.get(f"http://{HOST}:{use.port}/v1/models/-", here.wait_s)
            return reply.status == 404 and "error" in reply.json()
    except (requests.RequestException, OSError, InvalidRequest):
        return False
    return model_server.answers(f"{HOST}:{use.port}", here.wait_s)


@dataclass(frozen=True)
class _Listener:
    """A process, and the command that it runs."""

    pid: int
    command: str

    @property
    def is_ours(self) -> bool:
        """Whether it is a gateway or an embedded model server."""
        return "vitrine_serving" in self.command or "vitrine-model-server" in self.command

    def __str__(self) -> str:
        shown = self.command if len(self.command) <= 60 else f"{self.command[:60]}…"
        return f"process {self.pid} ({shown})"


def _listener(port: int, environment: Mapping[str, str], limit_s: float) -> _Listener | None:
    """Returns a process that listens on a port, None where it is another user's and can't be seen,
    or there is none."""
    if (_PROC / "net" / "tcp").exists():
        return _by_proc(port)
    if shutil.which("lsof", path=environment.get("PATH")):
        return _by_lsof(port, environment, limit_s)
    return None


def _by_proc(port: int) -> _Listener | None:
    sockets = {f"socket:[{inode}]" for inode in _inodes(port)}
    for folder in _PROC.glob("[0-9]*"):
        if any(target in sockets for target in _targets(folder / "fd")):
            return _described(folder)
    return None


def _inodes(port: int) -> Iterator[str]:
    """Reads tables as of proc_net_tcp(5): local address, state and inode are columns 1, 3 and 9."""
    for name in ("tcp", "tcp6"):
        try:
            lines = (_PROC / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue
        for columns in map(str.split, lines):
            if columns[3] == _LISTEN and int(columns[1].rpartition(":")[2], 16) == port:
                yield columns[9]


def _targets(descriptors: Path) -> Iterator[str]:
    try:
        for each in descriptors.iterdir():
            yield str(each.readlink())
    except OSError:  # another user's, or it has ended
        return


def _described(folder: Path) -> _Listener | None:
    try:
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    return _Listener(int(folder.name), " ".join(words).strip())


def _by_lsof(port: int, environment: Mapping[str, str], limit_s: float) -> _Listener | None:
    command = ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fp"]
    pids = [line[1:] for line in commands.run(command, environment, limit_s).output.split("\n")]
    if not pids or not pids[0].isdecimal():
        return None
    told = commands.run(["ps", "-o", "command=", "-p", pids[0]], environment, limit_s)
    return _Listener(int(pids[0]), told.output.strip())
