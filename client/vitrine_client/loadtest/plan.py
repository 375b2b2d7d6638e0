"""Plan of a load test: the workload, and the open or closed loop that sends it."""

import dataclasses
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any, Literal

from vitrine_client.http import protocol
from vitrine_client.process import addresses
from vitrine_client.process.trust import Trust
from vitrine_client.results.profiles.completion import ProfileLayer

V2Kind = Literal["v2", "v2-binary", "v2-grpc"]
WorkloadKind = Literal["raw", "multipart", "npy", "json", "rest", "grpc", "logged"] | V2Kind
"""How images travel: to the gateway as one picture, as a form, as an array or as JSON; to a model
server as JSON or over gRPC. "logged" is as they did before, of a `Replay`. To any server of the
Open Inference Protocol they travel as JSON, as binary data, or over gRPC."""

KINDS: tuple[WorkloadKind, ...] = ("raw", "multipart", "npy", "json", "rest", "grpc")

V2_KINDS: tuple[V2Kind, ...] = ("v2", "v2-binary", "v2-grpc")

LONGEST_S = 86_400.0
"""Of a load that ends after a number of requests."""

TIMEOUT_S = 10.0
"""For one answer, unless it is told."""


@dataclass(frozen=True)
class Workload:
    """Workload: the system under test, and the requests to send.

    `address` is a URL, for "grpc" HOST:PORT, for "v2-grpc" either, beginning with grpc:// or
    grpcs://. `images` are the files as they are, and `names` those
    of them that have one, for messages; each request has `batch_size` of them, the next ones in
    turn (one, for "raw"). `headers` are sent with each, for
    "grpc" as metadata. Without `keep_alive` each request has a connection of its own. `userinfo` is
    the `user:password` of the address, which is without; `tls` is whom to trust, unless the
    environment says so. `layers` say how pictures are made for a model of the Open Inference
    Protocol.
    """

    kind: WorkloadKind
    address: str
    model: str
    images: tuple[bytes, ...] = dataclasses.field(repr=False)
    version: int | None = None
    label: str | None = None
    batch_size: int = 1
    api_key: str = dataclasses.field(default="", repr=False)
    headers: tuple[tuple[str, str], ...] = dataclasses.field(default=(), repr=False)
    keep_alive: bool = True
    userinfo: str = dataclasses.field(default="", repr=False)
    tls: Trust | None = dataclasses.field(default=None, repr=False)
    names: tuple[str, ...] = dataclasses.field(default=(), repr=False)
    layers: tuple[ProfileLayer, ...] = dataclasses.field(default=(), repr=False)

    @property
    def is_grpc(self) -> bool:
        """Whether all requests go over one connection of gRPC's."""
        return self.kind in ("grpc", "v2-grpc")

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Headers that calls of gRPC have as metadata."""
        if self.kind != "v2-grpc":
            return self.headers
        return (*protocol.key_headers(self.api_key).items(), *self.headers)

    @property
    def url(self) -> str:
        """The address as clients take it: with user and password."""
        at = f"://{self.userinfo}@" if self.userinfo else "://"
        return self.address.replace("://", at, 1)


@dataclass(frozen=True)
class Closed:
    """Closed loop: `concurrency` requests in flight, each sent when one was answered."""

    concurrency: int
    duration_s: float


@dataclass(frozen=True)
class Phase:
    """Phase of an open loop: the arrival rate in requests/s at its start and at its end, in between
    along a line."""

    duration_s: float
    rate: float
    end_rate: float


@dataclass(frozen=True)
class Open:
    """Open loop: requests are due by the clock, whatever becomes of those before.

    "constant" spaces them evenly, "poisson" is as many independent users make them
    (exponential gaps, by `seed`). Who is due while `connections` requests are in flight waits, and
    its latency counts from when it was due; still unsent `Plan.timeout_s` later, it is dropped.
    """

    phases: tuple[Phase, ...]
    arrivals: Literal["constant", "poisson"] = "poisson"
    connections: int = 256
    seed: int = 0

    @property
    def duration_s(self) -> float:
        """Seconds of all phases together."""
        return sum(phase.duration_s for phase in self.phases)

    @property
    def requests(self) -> float:
        """How many requests are due, on average."""
        return sum(phase.duration_s * (phase.rate + phase.end_rate) / 2 for phase in self.phases)


@dataclass(frozen=True)
class Replay:
    """Replay, an open loop of requests that came before: due as they came, from the first of them
    on.

    The n-th of `due_s`, which ascend from 0, is of `requests[turns[n]]`, as it travels. `files` say
    where that is from, and `speed` how much faster it is than it was. `left_out` are lines of them
    that are not sent: how many, and why. `gaps` say where nothing is sent for long.
    """

    requests: tuple[bytes, ...] = dataclasses.field(repr=False)
    turns: tuple[int, ...] = dataclasses.field(repr=False)
    due_s: tuple[float, ...] = dataclasses.field(repr=False)
    files: tuple[str, ...]
    speed: float = 1.0
    left_out: dict[str, int] = dataclasses.field(default_factory=dict)
    gaps: tuple[str, ...] = ()
    connections: int = 256

    @property
    def duration_s(self) -> float:
        """Seconds from the first to the last, and a gap as most are between others; a second where
        there is none."""
        usual_s = median(b - a for a, b in pairwise(self.due_s)) if len(self.due_s) > 1 else 0.0
        return (self.due_s[-1] + usual_s) or 1.0


Load = Closed | Open | Replay


@dataclass(frozen=True)
class Plan:
    """Plan of a load test. The first `warm_up_s` seconds of the load are sent, and not counted;
    they are part of its duration. It ends before that after `count` requests, and where nobody
    answered for `give_up_s` seconds."""

    target: Workload
    load: Load
    warm_up_s: float = 1.0
    timeout_s: float = TIMEOUT_S
    processes: int = 1
    count: int | None = None
    give_up_s: float | None = None

    def described(self) -> dict[str, Any]:
        """Returns the plan as JSON has it: without images' bytes and secrets: keys,
        passwords and the values of headers. What is not as usual is only there where it was asked
        for."""
        content = dataclasses.asdict(self)
        target, trust = content["target"], self.target.tls
        target["images"] = len(target["images"])
        target["address"] = addresses.without_password(target["address"])
        for name in ("api_key", "userinfo", "tls", "headers", "keep_alive", "names", "layers"):
            del target[name]
        if self.target.headers:
            target["headers"] = sorted(name for name, _ in self.target.headers)
        if not self.target.keep_alive:
            target["keep_alive"] = False
        if trust and not trust.verified:
            target["insecure"] = True
        for name in ("count", "give_up_s"):
            if content[name] is None:
                del content[name]
        content["load"]["loop"] = "closed" if isinstance(self.load, Closed) else "open"
        if isinstance(self.load, Replay):
            for name in ("requests", "turns", "due_s"):
                del content["load"][name]
            if not self.load.gaps:
                del content["load"]["gaps"]
            content["load"] |= {"replayed": len(self.load.due_s), "arrivals": "replay"}
        return content
