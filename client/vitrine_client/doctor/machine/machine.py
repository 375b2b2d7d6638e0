"""Checks of the machine: platform, processors, memory, disk, file descriptors, clock."""

import os
import platform
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation, is_writable, nearest_directory
from vitrine_client.process import processors
from vitrine_client.store.layout import quoted

_GB = 1e9
_MB = 1e6
_LITTLE, _TOO_LITTLE = 1000 * _MB, 100 * _MB
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
_FEWEST_FILES = 256
_CONNECTIONS = 1000
_BESIDE = 128  # descriptors that a gateway's process has for all else


def check_platform(_: Installation) -> Iterator[Finding]:
    """Looks at the operating system and the processor."""
    yield from examined_platform(platform.system(), platform.machine(), platform.libc_ver()[0])
    yield from examined_processor(Path("/proc/cpuinfo"))


def examined_platform(system: str, machine: str, libc: str) -> Iterator[Finding]:
    """Yields findings on a platform, as the module `platform` calls it."""
    where = f"{system} on {machine}"
    if system not in ("Linux", "Darwin"):
        yield problem(
            "platform",
            f"{where}, where the service does not run",
            "use Linux, macOS, or on Windows the Windows Subsystem for Linux (WSL)",
        )
    elif system == "Darwin" and machine == "x86_64":
        yield note(
            "platform",
            f"{where}, for which there is no TensorFlow 2.20",
            "the client and the gateway run; train and serve in containers (docs/containers.md)",
        )
    elif system == "Linux" and libc != "glibc":
        yield note(
            "platform",
            f"{where} without glibc, for which there is no TensorFlow",
            "take a distribution with glibc, such as Debian, for training and the model server",
        )
    else:
        yield ok("platform", where)


def examined_processor(cpuinfo: Path) -> Iterator[Finding]:
    """Yields a problem where a file like Linux' /proc/cpuinfo has a processor without AVX."""
    if not cpuinfo.exists():
        return
    flags = [line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")]
    if flags and "avx" not in flags[0].split():
        yield problem(
            "processor",
            'has no AVX, without which TensorFlow ends with "Illegal instruction"',
            "train and serve on another machine; on a virtual one, have the host pass its "
            "processor through",
        )


def check_memory(_: Installation) -> Iterator[Finding]:
    """Looks at processors, memory, and the limit on a process's addresses."""
    total = memory_bytes()
    seen = f"{processors.usable()} processors, {total / _GB:.1f} GB of memory"
    if total < 1.5 * _GB:
        yield problem(
            "memory",
            f"{seen}, too little for TensorFlow",
            "give the machine, or the container, 2 GB and more; 4 GB to train",
        )
    elif total < 3.5 * _GB:
        yield note("memory", f"{seen}: enough to serve, little to train", "4 GB are better")
    else:
        yield ok("memory", seen)
    addresses = resource.getrlimit(resource.RLIMIT_AS)[0]
    if addresses != resource.RLIM_INFINITY and addresses < 8 * _GB:
        yield problem(
            "address space",
            f"limited to {addresses / _GB:.1f} GB for each process, too little for TensorFlow",
            "`ulimit -v unlimited`, in the shell that starts the service",
        )


def memory_bytes() -> int:
    """Of the machine, or of the container that this is."""
    found = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for limit in map(Path, _CGROUP_LIMITS):
        try:
            found.append(int(limit.read_text()))
        except (OSError, ValueError):  # there is no such limit, or it is "max"
            continue
    return min(found)


def check_disk(here: Installation) -> Iterator[Finding]:
    """Looks at the room where the service and training write."""
    yield from _temporary(here)
    for name, path in (
        ("disk of the environment", here.prefix),
        ("disk of models", here.models_dir),
        ("disk of the cache", here.cache),
        ("disk of temporary files", here.temporary),
    ):
        yield from examined_disk(name, path)


def examined_disk(name: str, path: Path) -> Iterator[Finding]:
    """Yields findings on the file system in which a directory is, or would be."""
    there = nearest_directory(path)
    free = shutil.disk_usage(there).free
    told = os.statvfs(there)
    seen = f"{free / _GB:.1f} GB free at {there}"
    if free < _TOO_LITTLE:
        yield problem(name, f"{free / _MB:.0f} MB free at {there}", f"make room in {there}")
    elif told.f_files and not told.f_favail:
        yield problem(
            name, f"no inode free at {there}", f"remove files in {there}: it has too many"
        )
    elif free < _LITTLE:
        yield note(
            name,
            f"{free / _MB:.0f} MB free at {there}",
            "everything takes about 3 GB: 2.6 for .venv, the rest for models and data",
        )
    else:
        yield ok(name, seen)


def _temporary(here: Installation) -> Iterator[Finding]:
    chosen = here.path("TMPDIR")
    if chosen and not (chosen.is_dir() and is_writable(chosen)):
        yield problem(
            "TMPDIR",
            f"names {chosen}, which is no directory that can be written",
            f"make it, or `unset TMPDIR`; {here.temporary} is used meanwhile",
        )


def check_shared_memory(here: Installation) -> Iterator[Finding]:
    """Checks /dev/shm, where the gateway's workers have the files of their heartbeats."""
    folder = here.shared_memory
    name = f"shared memory {folder}"
    if not folder.is_dir():
        seen = f"is not there, so that the gateway's heartbeats are on the disk of {here.temporary}"
        linux = "`mount -t tmpfs tmpfs /dev/shm`, as root, has them in memory"
        yield note(name, seen, linux) if sys.platform == "linux" else ok(name, seen)
        return
    if not is_writable(folder):
        yield problem(name, "cannot be written", f"`chmod 1777 {quoted(folder)}`, as root")
        return
    yield ok(name, "can be written")


def check_descriptors(here: Installation) -> Iterator[Finding]:
    """Looks at how many files and connections a process may have: a gateway and a load test raise
    their own soft limit, so the hard one counts."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        yield ok("file descriptors", "unlimited")
        return
    text = here.environment.get("VITRINE_CONNECTIONS", "")
    wanted = int(text) if text.isascii() and text.isdecimal() else _CONNECTIONS
    seen = f"{hard} for each process at most"
    todo = (
        f"raise the hard limit of {hard}: /etc/security/limits.conf, LimitNOFILE= of systemd, or "
        f"docker run --ulimit nofile={wanted + _BESIDE}"
    )
    if hard < _FEWEST_FILES:
        yield problem("file descriptors", f"{seen}: too few for a gateway or a load test", todo)
    elif hard < wanted + _BESIDE:
        yield note(
            "file descriptors", f"{seen}, and a gateway's process takes {wanted} connections", todo
        )
    else:
        yield ok("file descriptors", seen)


def check_clock(_: Installation) -> Iterator[Finding]:
    """Looks whether the clock is plausible: TLS and logs depend on it."""
    return examined_clock(time.time(), Path(__file__))


def examined_clock(now_s: float, installed: Path) -> Iterator[Finding]:
    """Yields findings on a clock that shows `now_s`, in seconds since 1970, where the
    file `installed` is there already."""
    shown = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now_s))
    if now_s < installed.stat().st_mtime - 86_400:
        yield problem(
            "clock",
            f"{shown}, which is before this program was installed; TLS fails with such a clock",
            "set the clock, best with a time service: `timedatectl set-ntp true`",
        )
    else:
        yield ok("clock", shown)
