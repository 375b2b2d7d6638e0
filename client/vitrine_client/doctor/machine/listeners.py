"""Listeners: which process listens on a TCP port of this machine."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from vitrine_client.doctor.machine import commands

_LISTEN = "0A"
_PROC = Path("/proc")


@dataclass(frozen=True)
class ListeningProcess:
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


def listener(port: int, environment: Mapping[str, str], limit_s: float) -> ListeningProcess | None:
    """Returns a process that listens on a port, None where it is another user's and can't be seen,
    or there is none."""
    if (_PROC / "net" / "tcp").exists():
        return _by_proc(port)
    if shutil.which("lsof", path=environment.get("PATH")):
        return _by_lsof(port, environment, limit_s)
    return None


def _by_proc(port: int) -> ListeningProcess | None:
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


def _described(folder: Path) -> ListeningProcess | None:
    try:
        words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return None
    return ListeningProcess(int(folder.name), " ".join(words).strip())


def _by_lsof(port: int, environment: Mapping[str, str], limit_s: float) -> ListeningProcess | None:
    command = ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fp"]
    pids = [line[1:] for line in commands.run(command, environment, limit_s).output.split("\n")]
    if not pids or not pids[0].isdecimal():
        return None
    told = commands.run(["ps", "-o", "command=", "-p", pids[0]], environment, limit_s)
    return ListeningProcess(int(pids[0]), told.output.strip())
