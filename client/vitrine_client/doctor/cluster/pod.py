"""Check of a pod: links of services in its variables, directories, limits."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from vitrine_client.doctor.finding import Finding, note, ok, problem
from vitrine_client.doctor.installation import Installation
from vitrine_client.process import processors
from vitrine_client.process.addresses import is_service_link
from vitrine_client.process.variables import PREFIX, is_of_a_service

_MB = 1e6
_WORKERS, _DECODERS = 2, 2
_WORKER_MB, _DECODER_MB, _MASTER_MB = 75, 150, 40
"""Memory of a worker, of a decoding process at most (docs/benchmarks.md, docs/operations.md), and
of the master."""

_LITTLE_ROOM = 8 * _MB
_MUCH_THROTTLED = 0.05


def check_links(here: Installation) -> Iterator[Finding]:
    """Looks for variables that Kubernetes made of a Service whose name begins like ours."""
    links = sorted(
        name
        for name, value in here.environment.items()
        if name.startswith(PREFIX) and (is_service_link(value) or is_of_a_service(name))
    )
    if not links:
        yield ok("service links", "none among our variables")
        return
    known = [name for name in links if is_service_link(here.environment[name])]
    told = (known or links)[:2]
    shown = ", ".join(f"{name}={here.environment[name]}" for name in told)
    left = len(links) - len(told)
    more = f" and {left} more" if left else ""
    seen = f"{shown}{more} are Kubernetes' for a Service; they count as not set"
    yield note("service links", seen, "`enableServiceLinks: false` in the pod's spec")


def check_directories(here: Installation) -> Iterator[Finding]:
    """Looks at the two directories that a gateway writes to, whose root is best read-only."""
    for name, path, todo in (
        ("/tmp", here.temporary_root, "emptyDir: {medium: Memory, sizeLimit: 64Mi}"),  # noqa: S108
        ("/dev/shm", here.shared_memory, "emptyDir: {medium: Memory, sizeLimit: 64Mi}"),  # noqa: S108
    ):
        mounted = f"mount an emptyDir at {name}: `{todo}`"
        if not path.is_dir():
            yield problem(f"directory {name}", "is not there", mounted)
        elif not _is_writable(path):
            yield problem(f"directory {name}", "cannot be written", mounted)
        else:
            yield _room(name, path)


def _is_writable(path: Path) -> bool:
    """Says whether a file can be made, and then is gone: by the modes root may everywhere."""
    try:
        tempfile.TemporaryFile(dir=path).close()
    except OSError:
        return False
    return True


def _room(name: str, path: Path) -> Finding:
    told = os.statvfs(path)
    free = told.f_bavail * told.f_frsize
    seen = f"can be written, {free / _MB:,.0f} MB free"
    if free < _LITTLE_ROOM:
        return problem(f"directory {name}", seen, f"raise the `sizeLimit` of the volume at {name}")
    return ok(f"directory {name}", seen)


def check_limits(here: Installation) -> Iterator[Finding]:
    """Compares the limits of the container with the needs of `VITRINE_WORKERS` processes."""
    workers = _count(here, "VITRINE_WORKERS", _WORKERS)
    groups = here.control_groups
    cores = processor_limit(groups)
    own = processors.usable()
    if cores is not None and cores < workers:
        seen = f"{cores:g} processors at most, and VITRINE_WORKERS is {workers}"
        todo = (
            f"`VITRINE_WORKERS={max(1, int(cores))}`, or `limits.cpu: {workers}`, or no limit of "
            "processors: a request beside it is enough, and nothing is throttled"
        )
        yield problem("limit of processors", seen, todo)
    elif own < workers:
        seen = f"{own} processors, and VITRINE_WORKERS is {workers}"
        yield note("limit of processors", seen, f"`VITRINE_WORKERS={own}`")
    else:
        shown = "no limit" if cores is None else f"{cores:g} at most"
        yield ok("limit of processors", f"{shown}, VITRINE_WORKERS is {workers}")
    yield from _throttled(groups)
    yield from _memory(here, workers)


def _count(here: Installation, variable: str, usual: int) -> int:
    """Returns a number, or the usual one: another check tells of values that are none."""
    text = here.environment.get(variable, "")
    return int(text) if text.isascii() and text.isdecimal() and int(text) else usual


def processor_limit(groups: Path) -> float | None:
    """Returns the processors of a container, None without a limit: `cpu.max` of cgroup v2, or the
    quota and period of v1."""
    try:
        quota, period = (groups / "cpu.max").read_text().split()
    except (OSError, ValueError):
        try:
            quota = (groups / "cpu" / "cpu.cfs_quota_us").read_text()
            period = (groups / "cpu" / "cpu.cfs_period_us").read_text()
        except OSError:
            return None
    try:
        return int(quota) / int(period) if int(quota) > 0 else None
    except (ValueError, ZeroDivisionError):  # "max"
        return None


def memory_limit(groups: Path) -> int | None:
    """Returns the bytes of a container, None without a limit."""
    for path in (groups / "memory.max", groups / "memory" / "memory.limit_in_bytes"):
        try:
            limit = int(path.read_text())
        except (OSError, ValueError):  # there is none, or it is "max"
            continue
        return limit if limit < 1 << 60 else None  # v1 has a number for none
    return None


def _counters(path: Path) -> dict[str, int]:
    try:
        pairs = (line.split() for line in path.read_text().splitlines())
        return {name: int(value) for name, value in pairs}
    except (OSError, ValueError):
        return {}


def _throttled(groups: Path) -> Iterator[Finding]:
    stat = _counters(groups / "cpu.stat") or _counters(groups / "cpu" / "cpu.stat")
    periods, throttled = stat.get("nr_periods", 0), stat.get("nr_throttled", 0)
    if periods and throttled / periods > _MUCH_THROTTLED:
        seen = f"this container was held back in {throttled / periods:.0%} of the time it ran"
        todo = "leave `limits.cpu` out, or raise it: requests wait meanwhile, and p99 shows it"
        yield problem("throttling", seen, todo)


def _memory(here: Installation, workers: int) -> Iterator[Finding]:
    groups, limit = here.control_groups, memory_limit(here.control_groups)
    decoders = _count(here, "VITRINE_DECODING_PROCESSES", _DECODERS)
    need = _MB * (_MASTER_MB + _WORKER_MB * workers + _DECODER_MB * decoders)
    killed = _counters(groups / "memory.events").get("oom_kill", 0)
    name = "limit of memory"
    todo = (
        f"`limits.memory: {need / _MB * 1.1:.0f}M` or more; or fewer VITRINE_WORKERS "
        f"({_WORKER_MB} MB each) or VITRINE_DECODING_PROCESSES (up to {_DECODER_MB})"
    )
    if killed:
        seen = f"{killed} processes were killed, as this container had used its memory up"
        yield problem(name, seen, todo)
    if limit is not None and limit < need:
        seen = (
            f"{limit / _MB:,.0f} MB, and {workers} workers with {decoders} decoding processes take "
            f"up to {need / _MB:,.0f}"
        )
        yield problem(name, seen, todo)
    elif not killed:
        shown = "no limit" if limit is None else f"{limit / _MB:,.0f} MB"
        yield ok(name, f"{shown}; up to {need / _MB:,.0f} MB are taken")
