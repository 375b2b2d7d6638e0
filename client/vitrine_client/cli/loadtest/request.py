"""Load request: the command line of `vitrine loadtest`, and the plan that follows from it."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import click

from vitrine_client.cli import options, sources
from vitrine_client.cli.gateway import TlsFiles
from vitrine_client.errors import InvalidRequest
from vitrine_client.http.default_model import PREFERRED
from vitrine_client.loadtest import limits
from vitrine_client.loadtest.generator.headers import check_metadata, parsed
from vitrine_client.loadtest.plan import (
    LONGEST_S,
    Closed,
    Load,
    Open,
    Phase,
    Plan,
    Workload,
    WorkloadKind,
)
from vitrine_client.process import addresses
from vitrine_client.process.trust import Trust

IN_FLIGHT = 8
"""Of a closed loop, unless it is told."""

SEATS = 256
"""Of an open loop, unless it is told."""

DURATION_S = 10.0
"""Of one load, unless it is told."""

WARM_UP_S = 1.0
"""Before it, unless it is told; a replay has none."""

_TOO_MUCH = 1_000_000

Steps = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class LoadRequest:
    """Options as they came, each None if it was left out and has no default."""

    pictures: tuple[str, ...]
    model: str | None
    version: int | None
    label: str | None
    url: str
    key: str
    way: Literal["raw", "multipart", "npy", "json"] | None
    batch_size: int
    model_server: str | None
    concurrency: int | None
    rate: Steps | None
    replay: tuple[Path, ...]
    speed: float | None
    arrivals: Literal["poisson", "constant"] | None
    connections: int | None
    seed: int | None
    duration_s: float | None
    warm_up_s: float | None
    ca: str | None
    cert: str | None
    cert_key: str | None
    timeout_s: float
    processes: int | None
    slo: str | None
    sweep: bool
    chaos: str | None
    models_dir: Path
    compare: Path | None
    earlier: Path | None
    json_file: Path | None
    csv_file: Path | None
    html_file: Path | None
    requests_file: Path | None
    headers: tuple[tuple[str, str], ...]
    no_keep_alive: bool
    insecure: bool
    count: int | None
    give_up_s: float | None
    longest_gap_s: float | None
    quiet: bool

    def __post_init__(self) -> None:
        """Raises `click.UsageError` where options do not go together."""
        _check_conflicts(self)

    @property
    def is_told(self) -> bool:
        """Whether it is about one load, which is named, or was in the past."""
        return bool(self.rate or self.concurrency or self.replay or self.earlier)

    @property
    def is_closed(self) -> bool:
        """Whether it is a closed loop, the default."""
        return not (self.rate or self.replay or self.earlier or self.searches)

    @property
    def is_by_chance(self) -> bool:
        """Whether it was told how requests arrive."""
        return self.arrivals is not None or self.seed is not None

    @property
    def searches(self) -> bool:
        """Whether it is about several loads, which are chosen on the way."""
        return self.sweep or (self.slo is not None and not self.is_told)

    @property
    def kind(self) -> WorkloadKind:
        """How images travel, and to whom."""
        if self.replay:
            return "logged"
        if self.model_server is None:
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
        images = [sources.read(name) for name in sources.named(self.pictures)]
        address, userinfo = self.model_server or self.url, ""
        if is_http(address):
            address, userinfo = addresses.split_userinfo(address)
        return Workload(
            kind=self.kind,
            address=address,
            userinfo=userinfo,
            model=self.model or PREFERRED,
            images=tuple(images),
            version=self.version,
            label=self.label,
            batch_size=self.batch_size,
            api_key=self.key,
            headers=self.headers,
            keep_alive=not self.no_keep_alive,
            tls=self._trust(address),
        )

    def _trust(self, address: str) -> Trust | None:
        """Whom to trust, if that is named; for gRPC, the variables of a gateway's TLS are not.
        Raises `click.UsageError` for files that cannot be used, and where there is no TLS."""
        tls = TlsFiles(self.ca, self.cert, self.cert_key)
        if address.startswith("http://"):
            options.refuse_typed("There is no TLS with http://", "ca", "cert", "insecure")
            return None
        tls = tls.typed() if self.kind == "grpc" else tls
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
        if target.kind != "grpc":  # one connection
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
        return Open((), self.arrivals or "poisson", self.connections or SEATS, seed=self.seed or 0)

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
                speed=self.speed or 1.0,
                longest_gap_s=self.longest_gap_s,
                connections=self.connections or SEATS,
            )
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--replay") from error
        for gap in load.gaps if not self.quiet else ():
            how = "" if self.longest_gap_s else "; --longest-gap-s shortens it"
            options.note(f"The log has a gap of {gap}{how}")
        return self.planned(target, load)


def _check_conflicts(asked: LoadRequest) -> None:
    """Raises `click.UsageError` with the remedy where options do not go together."""
    if asked.kind == "grpc":
        try:
            check_metadata(asked.headers)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
    for wrong, text in (
        (bool(asked.pictures or asked.replay) == bool(asked.earlier), "Give PICTURES to send, a "
         "log to --replay FILE, or --result FILE"),
        (asked.replay and (asked.rate or asked.concurrency or asked.duration_s or
         asked.is_by_chance), "--replay sends what is due by its log: leave out --rate, "
         "--concurrency, --duration-s, --arrivals and --seed"),
        (asked.is_closed and (asked.is_by_chance or asked.connections), "--arrivals, "
         "--connections and --seed are those of an open loop: give --rate"),
        (asked.replay and (asked.way or asked.model_server or asked.batch_size > 1 or
         asked.version is not None or asked.label is not None), "--replay asks the gateway for "
         "what is in its log: leave out --as, --batch-size, --model-server, --version and "
         "--label"),
        (asked.speed and not asked.replay, "--speed is that of a --replay"),
        (asked.rate and asked.concurrency, "--rate is an open loop, --concurrency a closed one"),
        (asked.way and asked.model_server, "--as is how pictures travel to the gateway; a model "
         "server is sent pixels"),
        (asked.sweep and asked.is_told, "--sweep chooses its loads: leave out --rate, "
         "--concurrency, --replay and --result"),
        (asked.chaos and asked.searches, "--chaos is for one load: give --rate or --concurrency"),
        (asked.compare and asked.searches, "--compare is for one load: give --rate or "
         "--concurrency"),
        (asked.duration_s and asked.searches, "--duration-s is for one load: give --rate or "
         "--concurrency"),
        (asked.earlier and asked.chaos, "--chaos does nothing to a --result"),
        (asked.batch_size > 1 and asked.kind == "raw", "One picture travels as it is; for "
         "--batch-size say --as multipart, npy or json"),
        (asked.count and (asked.searches or asked.replay or asked.chaos), "-n is for one load of "
         "--rate or --concurrency"),
        (asked.count and asked.warm_up_s, "-n counts from the first request: leave out "
         "--warm-up-s"),
        (asked.count and asked.rate and (len(asked.rate) > 1 or asked.rate[0][0] !=
         asked.rate[0][1]), "-n goes with one rate, and not with a ramp or steps"),
        (asked.longest_gap_s and not asked.replay, "--longest-gap-s is that of a --replay"),
        (asked.requests_file and asked.earlier, "--requests: a --result does not have them"),
        (asked.give_up_s and asked.searches, "--give-up-s is for one load: a search ends by "
         "itself where nobody answers"),
        (asked.kind == "grpc" and (asked.no_keep_alive or asked.insecure), "--no-keep-alive and "
         "--insecure are for HTTP: gRPC has one connection here, and trusts whom --ca names"),
        (asked.outputs.count(Path("-")) > 1, "Only one of --json, --csv, --requests and --html can "
         "be -"),
    ):  # fmt: skip
        if wrong:
            raise click.UsageError(text)


def headers(
    _: click.Context, __: click.Parameter, texts: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Reads `Name: value`, any number of times."""
    try:
        return tuple(map(parsed, texts))
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def rates(_: click.Context, __: click.Parameter, text: str | None) -> Steps | None:
    """Reads `500`, the ramp `100..500`, or several of both as steps, separated by commas; returns
    the rate at the start and at the end of each."""
    if text is None:
        return None
    try:
        steps = tuple(_step(part) for part in text.split(","))
    except ValueError:
        raise click.BadParameter(f"{text!r} is none of 500, 100..500 and 100,200,400") from None
    found = [rate for step in steps for rate in step]
    if not all(0 <= rate < _TOO_MUCH for rate in found) or not any(found):
        raise click.BadParameter(f"Rates are below {_TOO_MUCH:,} requests/s, and not all are 0")
    return steps


def _step(text: str) -> tuple[float, float]:
    start, ramp, end = text.partition("..")
    return float(start), float(end if ramp else start)


def checked_address(text: str) -> str:
    """Returns the address of a model server: HOST:PORT for gRPC, or a URL for REST. Raises
    `InvalidRequest`."""
    check = addresses.checked_url if is_http(text) else addresses.checked_model_server
    return check(text)


def is_http(address: str) -> bool:
    """Says whether an address is a URL, and not HOST:PORT."""
    return address.startswith(("http://", "https://"))


def output(flag: str, name: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option for a file to write; one that can't be written is a usage error."""
    kind = click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path)
    return click.option(flag, name, type=kind, metavar="FILE", help=text)
