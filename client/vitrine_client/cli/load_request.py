"""Load request: the command line of `vitrine loadtest`, and the plan that follows from it."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import click

from vitrine_client import addresses
from vitrine_client.cli import options, sources
from vitrine_client.cli.gateway import Tls
from vitrine_client.client import Client
from vitrine_client.default_model import PREFERRED
from vitrine_client.loadtest.plan import Closed, Kind, Load, Open, Phase, Plan, Replay, Target
from vitrine_client.trust import Trust

IN_FLIGHT = 8
"""Of a closed loop, unless it is told."""

SEATS = 256
"""Of an open loop, unless it is told."""

DURATION_S = 10.0
"""Of one load, unless it is told."""

WARM_UP_S = 1.0
"""Before it, unless it is told; a replay has none."""

_RATE_A_PROCESS, _CONNECTIONS_A_PROCESS = 3000, 64
"""What one process of the generator is given to do, where there are cores for more."""

_TOO_MUCH = 1_000_000

Steps = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class LoadRequest:
    """The options as they came, each None if it was left out and has no default."""

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
    quiet: bool

    def __post_init__(self) -> None:
        """Raises `click.UsageError` where options do not go together."""
        for wrong, text in (
            (bool(self.pictures or self.replay) == bool(self.earlier), "Give PICTURES to send, a "
             "log to --replay FILE, or --result FILE"),
            (self.replay and (self.rate or self.concurrency or self.duration_s or
             self.is_by_chance), "--replay sends what is due by its log: leave out --rate, "
             "--concurrency, --duration-s, --arrivals and --seed"),
            (self.is_closed and (self.is_by_chance or self.connections), "--arrivals, "
             "--connections and --seed are those of an open loop: give --rate"),
            (self.replay and (self.way or self.model_server or self.batch_size > 1 or
             self.version is not None or self.label is not None), "--replay asks the gateway for "
             "what is in its log: leave out --as, --batch-size, --model-server, --version and "
             "--label"),
            (self.speed and not self.replay, "--speed is that of a --replay"),
            (self.rate and self.concurrency, "--rate is an open loop, --concurrency a closed one"),
            (self.way and self.model_server, "--as is how pictures travel to the gateway; a model "
             "server is sent pixels"),
            (self.sweep and self.is_told, "--sweep chooses its loads: leave out --rate, "
             "--concurrency, --replay and --result"),
            (self.chaos and self.searches, "--chaos is for one load: give --rate or --concurrency"),
            (self.compare and self.searches, "--compare is for one load: give --rate or "
             "--concurrency"),
            (self.duration_s and self.searches, "--duration-s is for one load: give --rate or "
             "--concurrency"),
            (self.earlier and self.chaos, "--chaos does nothing to a --result"),
            (self.batch_size > 1 and self.kind == "raw", "One picture travels as it is; for "
             "--batch-size say --as multipart, npy or json"),
            (self.outputs.count(Path("-")) > 1, "Only one of --json, --csv and --html can be -"),
        ):  # fmt: skip
            if wrong:
                raise click.UsageError(text)

    @property
    def is_told(self) -> bool:
        """Whether it is about one load, which is named, or was in the past."""
        return bool(self.rate or self.concurrency or self.replay or self.earlier)

    @property
    def is_closed(self) -> bool:
        """Whether it is a closed loop, which is what is measured unless something else is told."""
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
    def kind(self) -> Kind:
        """How images travel, and to whom."""
        if self.replay:
            return "logged"
        if self.model_server is None:
            return self.way or "raw"
        return "rest" if _is_http(self.model_server) else "grpc"

    @property
    def unmeasured_s(self) -> float:
        """How long it is to be warmed up."""
        if self.warm_up_s is None:
            return 0.0 if self.replay else WARM_UP_S
        return self.warm_up_s

    @property
    def outputs(self) -> list[Path]:
        """The files to write, `-` for standard output."""
        return [path for path in (self.json_file, self.csv_file, self.html_file) if path]

    def target(self) -> Target:
        """Returns who is asked: the preferred model, unless one is named; reads the pictures.
        Raises `OSError` and `click.BadParameter`."""
        images = [sources.read(name) for name in sources.named(self.pictures)]
        address, userinfo = self.model_server or self.url, ""
        if _is_http(address):
            address, userinfo = addresses.split_userinfo(address)
        return Target(
            kind=self.kind,
            address=address,
            userinfo=userinfo,
            tls=self._trust(),
            model=self.model or PREFERRED,
            images=tuple(images),
            version=self.version,
            label=self.label,
            batch_size=self.batch_size,
            api_key=self.key,
        )

    def _trust(self) -> Trust | None:
        """Whom to trust, if that is named; for gRPC, the variables of a gateway's TLS are not."""
        tls = Tls(self.ca, self.cert, self.cert_key)
        tls = tls.typed() if self.kind == "grpc" else tls
        named = tls.ca or tls.cert
        return Trust.chosen(tls.ca or True, tls.certificate) if named else None

    def of_served_model(self, target: Target) -> Target:
        """Returns the target with the service's own default model, where none was named; asks for
        it once. Raises `VitrineError` where nobody answers."""
        if self.model is not None or self.replay:
            return target
        told = options.note if not self.quiet else lambda _: None
        if target.kind != "grpc":
            asked: dict[str, Any] = {"timeout_s": self.timeout_s, "api_key": self.key}
            with Client(target.url, verify=target.tls or True, **asked) as client:
                return replace(target, model=options.default_model(client.status, told))
        with options.needs("grpc", "--model-server"):
            from vitrine_client.model_server import ModelServerClient
        with ModelServerClient(
            target.address, timeout_s=self.timeout_s, verify=target.tls
        ) as server:
            return replace(target, model=options.default_model(server.status, told))

    def plan(self, target: Target) -> Plan:
        """The one load that was asked for. Raises `click.BadParameter` for a log without any."""
        if self.replay:
            return self._replayed(target)
        duration_s = self.duration_s or DURATION_S
        if self.rate:
            return self.planned(target, self._open(self.rate, duration_s))
        return self.planned(target, self.closed(self.concurrency or IN_FLIGHT, duration_s))

    def planned(self, target: Target, load: Load) -> Plan:
        """A plan with this load."""
        processes = self.processes or shared(load)
        return Plan(target, load, self.unmeasured_s, self.timeout_s, processes)

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

    def _replayed(self, target: Target) -> Plan:
        from vitrine_client.loadtest import replay

        try:
            target, load = replay.replay(
                self.replay, target, speed=self.speed or 1.0, connections=self.connections or SEATS
            )
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--replay") from error
        return self.planned(target, load)


def shared(load: Load) -> int:
    """Returns among how many processes to share a load: at most half of the cores, since what is
    measured may need the others."""
    if isinstance(load, Closed):
        wanted = load.concurrency / _CONNECTIONS_A_PROCESS
    elif isinstance(load, Replay):
        wanted = len(load.due_s) / load.duration_s / _RATE_A_PROCESS
    else:
        rates = [rate for one in load.phases for rate in (one.rate, one.end_rate)]
        wanted = max(rates, default=0) / _RATE_A_PROCESS
    return max(1, min(math.ceil(wanted), (os.cpu_count() or 1) // 2))


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
    check = addresses.checked_url if _is_http(text) else addresses.checked_model_server
    return check(text)


def _is_http(address: str) -> bool:
    return address.startswith(("http://", "https://"))


def output(flag: str, name: str, text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """An option for a file to write; one that can't be written is a usage error."""
    kind = click.Path(dir_okay=False, writable=True, allow_dash=True, path_type=Path)
    return click.option(flag, name, type=kind, metavar="FILE", help=text)
