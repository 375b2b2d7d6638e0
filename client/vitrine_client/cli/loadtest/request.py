"""Load request: the command line of a load test, and the plan that follows from it."""

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import click

from vitrine_client.cli import options, sources
from vitrine_client.cli.gateway import TlsFiles
from vitrine_client.errors import InvalidRequest
from vitrine_client.http.default_model import PREFERRED
from vitrine_client.loadtest import limits
from vitrine_client.loadtest.generator.headers import check_metadata
from vitrine_client.loadtest.plan import (
    LONGEST_S,
    TIMEOUT_S,
    V2_KINDS,
    Closed,
    Load,
    Open,
    Phase,
    Plan,
    V2Kind,
    Workload,
    WorkloadKind,
)
from vitrine_client.process import addresses
from vitrine_client.process.trust import Trust
from vitrine_client.results.profiles.completion import ProfileLayer

IN_FLIGHT = 8
"""Of a closed loop, unless it is told."""

SEATS = 256
"""Of an open loop, unless it is told."""

DURATION_S = 10.0
"""Of one load, unless it is told."""

WARM_UP_S = 1.0
"""Before it, unless it is told; a replay has none."""

Steps = tuple[tuple[float, float], ...]


Task = Literal["closed", "open", "search", "sweep", "replay", "check"]
"""Kind of load test, as its command is called."""


@dataclass(frozen=True)
class LoadRequest:
    """Options of a load test as they came, as if left out where its command has them not."""

    task: Task
    pictures: tuple[str, ...] = ()
    model: str | None = None
    version: int | None = None
    label: str | None = None
    url: str = ""
    key: str = ""
    way: Literal["raw", "multipart", "npy", "json"] | V2Kind | None = None
    profile: tuple[ProfileLayer, ...] = ()
    batch_size: int = 1
    model_server: str | None = None
    concurrency: int | None = None
    rate: Steps = ()
    replay: tuple[Path, ...] = ()
    speed: float = 1.0
    arrivals: Literal["poisson", "constant"] = "poisson"
    connections: int | None = None
    seed: int = 0
    duration_s: float | None = None
    warm_up_s: float | None = None
    ca: str | None = None
    cert: str | None = None
    cert_key: str | None = None
    timeout_s: float = TIMEOUT_S
    processes: int | None = None
    slo: str | None = None
    swap_model: Path | None = None
    compare: Path | None = None
    earlier: Path | None = None
    json_file: Path | None = None
    csv_file: Path | None = None
    html_file: Path | None = None
    requests_file: Path | None = None
    headers: tuple[tuple[str, str], ...] = ()
    no_keep_alive: bool = False
    insecure: bool = False
    count: int | None = None
    give_up_s: float | None = None
    longest_gap_s: float | None = None
    quiet: bool = False

    def __post_init__(self) -> None:
        """Raises `click.UsageError` where values do not go together."""
        if self.model_server:
            options.refuse_typed("--model-server goes past the gateway", "url")
        if not self.is_v2:
            options.refuse_typed("It is for --as v2", "profile")
        if self.insecure:
            options.refuse_typed("--insecure takes any certificate", "ca")
        if self.kind in ("grpc", "v2-grpc"):
            try:
                check_metadata(self.headers)
            except ValueError as error:
                raise click.UsageError(str(error)) from error
        try:
            for text in _conflicts(self):
                raise click.UsageError(text)
        except InvalidRequest as error:  # of a variable
            raise click.UsageError(str(error)) from error

    @property
    def searches(self) -> bool:
        """Whether it is about several loads, which are chosen on the way."""
        return self.task in ("search", "sweep")

    @property
    def is_v2(self) -> bool:
        """Whether a server of the Open Inference Protocol is asked."""
        return self.way in V2_KINDS

    @property
    def address(self) -> str:
        """The address of the server; by gRPC that of a gateway begins with grpc:// or grpcs://."""
        if self.model_server:
            return self.model_server
        by_grpc = addresses.v2_grpc_url(self.url) if self.kind == "v2-grpc" else None
        return by_grpc or self.url

    @property
    def kind(self) -> WorkloadKind:
        """How images travel, and to whom."""
        if self.replay:
            return "logged"
        if self.model_server is None or self.way in V2_KINDS:
            return self.way or "raw"
        return "rest" if is_http(self.model_server) else "grpc"

    @property
    def unmeasured_s(self) -> float:
        """How long it is to be warmed up."""
        if self.warm_up_s is None:
            return 0.0 if self.replay or self.count else WARM_UP_S
        return self.warm_up_s

    @property
    def outputs(self) -> list[Path]:
        """The files to write, `-` for standard output."""
        files = (self.json_file, self.csv_file, self.html_file, self.requests_file)
        return [path for path in files if path]

    def target(self) -> Workload:
        """Returns who is asked: the preferred model, unless one is named; reads the pictures.
        Raises `OSError` and `click.BadParameter`."""
        names = sources.named(self.pictures)
        address, userinfo = self.address, ""
        if is_http(address):
            address, userinfo = addresses.split_userinfo(address)
        return Workload(
            kind=self.kind,
            address=address,
            userinfo=userinfo,
            model=self.model or PREFERRED,
            images=tuple(map(sources.read, names)),
            names=tuple(names),
            version=self.version,
            label=self.label,
            batch_size=self.batch_size,
            api_key=self.key,
            headers=self.headers,
            keep_alive=not self.no_keep_alive,
            tls=self._trust(address),
            layers=self.profile,
        )

    def _trust(self, address: str) -> Trust | None:
        """Whom to trust, if that is named; for gRPC, the variables of a gateway's TLS are not.
        Raises `click.UsageError` for files that cannot be used, and where there is no TLS."""
        tls = TlsFiles(self.ca, self.cert, self.cert_key)
        if address.startswith(("http://", "grpc://")):
            scheme = address.partition("://")[0]
            options.refuse_typed(f"There is no TLS with {scheme}://", "ca", "cert", "insecure")
            return None
        tls = tls.typed() if "://" not in address else tls
        if not (self.insecure or tls.ca or tls.cert):
            return None
        try:
            trust = Trust.chosen(not self.insecure and (tls.ca or True), tls.certificate)
            trust.context()
        except InvalidRequest as error:
            raise click.UsageError(str(error)) from error
        return trust

    def plan(self, target: Workload) -> Plan:
        """The one load that was asked for. Raises `click.BadParameter` for a log without any."""
        if self.replay:
            return self._replayed(target)
        duration_s = self.duration_s or (LONGEST_S if self.count else DURATION_S)
        if self.rate and self.count:  # by chance they may take longer than that many on average
            most = self.count + 10 * math.sqrt(self.count) + 10
            duration_s = min(duration_s, most / self.rate[0][0])
        if self.rate:
            return self.planned(target, self._open(self.rate, duration_s))
        return self.planned(target, self.closed(self.concurrency or IN_FLIGHT, duration_s))

    def planned(self, target: Workload, load: Load) -> Plan:
        """A plan with this load. Raises `click.UsageError` where this machine cannot have as many
        connections as were asked for; of those that nobody asked for there are less."""
        processes = self.processes or limits.shared(load)
        if not target.is_grpc:  # one connection
            try:
                load, note = limits.fitted(
                    load, processes, told=bool(self.concurrency or self.connections)
                )
            except ValueError as error:
                raise click.UsageError(str(error)) from error
            if note and not self.quiet:
                options.note(note)
        return Plan(
            target,
            load,
            self.unmeasured_s,
            self.timeout_s,
            processes,
            count=self.count,
            give_up_s=self.give_up_s,
        )

    def closed(self, concurrency: int, duration_s: float) -> Closed:
        """A closed loop of which so many seconds are measured."""
        return Closed(concurrency, self.unmeasured_s + duration_s)

    def at_any_rate(self) -> Open:
        """An open loop as it was asked for, up to its rate."""
        return Open((), self.arrivals, self.connections or SEATS, seed=self.seed)

    def _open(self, steps: Steps, duration_s: float) -> Open:
        """The first rate through the warm-up, then each step for an equal share of the duration."""
        each_s = duration_s / len(steps)
        warm_up = Phase(self.unmeasured_s, steps[0][0], steps[0][0])
        measured = tuple(Phase(each_s, start, end) for start, end in steps)
        phases = (warm_up, *measured) if self.unmeasured_s else measured
        return replace(self.at_any_rate(), phases=phases)

    def _replayed(self, target: Workload) -> Plan:
        from vitrine_client.loadtest import replay

        try:
            target, load = replay.replay(
                self.replay,
                target,
                speed=self.speed,
                longest_gap_s=self.longest_gap_s,
                connections=self.connections or SEATS,
            )
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="LOG") from error
        for gap in load.gaps if not self.quiet else ():
            how = "" if self.longest_gap_s else "; --longest-gap-s shortens it"
            options.note(f"The log has a gap of {gap}{how}")
        return self.planned(target, load)


def _conflicts(asked: LoadRequest) -> Iterator[str]:
    """Yields the remedy for each pair of values that do not go together."""
    yield from _v2_conflicts(asked)
    if asked.way and asked.model_server and not asked.is_v2:
        yield "--as is how pictures travel to the gateway; a model server is sent pixels"
    if asked.batch_size > 1 and asked.kind == "raw":
        yield "One picture travels as it is; for --batch-size say --as multipart, npy or json"
    if asked.kind in ("grpc", "v2-grpc") and (asked.no_keep_alive or asked.insecure):
        yield (
            "--no-keep-alive and --insecure are for HTTP: gRPC has one connection here, and trusts "
            "whom --ca names"
        )
    if asked.count and asked.warm_up_s:
        yield "-n counts from the first request: leave out --warm-up-s"
    if asked.count and asked.swap_model:
        yield "--swap-model is half way of a duration: leave out -n"
    if asked.count and (len(asked.rate) > 1 or any(start != end for start, end in asked.rate)):
        yield "-n goes with one rate, and not with a ramp or steps"
    for path, count in Counter(asked.outputs).items():
        if count > 1:
            yield f"Only one of --json, --csv, --requests and --html can be {path}"


def _v2_conflicts(asked: LoadRequest) -> Iterator[str]:
    """Yields the remedy for what does not go with the Open Inference Protocol, or only with it."""
    by_grpc = asked.kind == "v2-grpc"
    if by_grpc and is_http(asked.address):
        yield (
            "--as v2-grpc asks over gRPC: give --url grpc://HOST:PORT, with TLS grpcs://; a "
            "gateway's port of gRPC is the next one after its own, unless VITRINE_V2_GRPC_PORT "
            "says otherwise"
        )
    if asked.url.startswith(addresses.GRPC_SCHEMES) and not (by_grpc or asked.model_server):
        yield f"{asked.url} is an address of gRPC, which --as v2-grpc asks"
    if not asked.is_v2:
        return
    if not by_grpc and not is_http(asked.address):
        yield f"--as {asked.way} asks over HTTP: give --url, or --model-server http://HOST:PORT"
    if asked.label is not None:
        yield "The Open Inference Protocol has no version labels: leave out --label"
    if asked.swap_model:
        yield "--swap-model looks for versions as a gateway lists them: leave out --as"


def is_http(address: str) -> bool:
    """Says whether an address is a URL, and not HOST:PORT."""
    return address.startswith(("http://", "https://"))
