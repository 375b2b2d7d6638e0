"""One peer in one round: its answers are checked, then it is put under load."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import requests

from benchmarks.gateway import bodies, hop, latency, wrk
from benchmarks.gateway.bodies import BATCH, PICTURES, Body
from benchmarks.gateway.figures import IN_FLIGHT
from benchmarks.gateway.peers.builds import Build
from benchmarks.gateway.peers.peer import Peer, Running
from benchmarks.gateway.vitrine import Vitrine, embedded, gateway
from harness.processes import children_of, cpu_s, name_of, rss_mb
from vitrine_client.model_server import ModelServerClient
from vitrine_serving.gateway.inference.decoding.processes import NAME

AnyPeer = Peer | Build | Vitrine
Expected = dict[bytes, tuple[str, float]]
"""For each picture its label and how probable that is."""

BATCHES_IN_FLIGHT = 8
_WARM_UP_S = 1
_TOLERANCE = 1e-3


class WrongAnswerError(Exception):
    """A peer answers something else than the model."""


def expected(version: Path) -> Expected:
    """Returns what the model server answers for each sample, asked by itself."""
    with (
        TemporaryDirectory() as folder,
        embedded(version, Path(folder)) as (address, _),
        ModelServerClient(address) as client,
    ):
        found = [client.predict(picture, "mlp") for picture in PICTURES]
    return {
        picture: (one.label, one.probability) for picture, one in zip(PICTURES, found, strict=True)
    }


def run(
    peer: AnyPeer,
    cache: Path,
    version: Path,
    right: Expected,
    duration_s: int,
    say: Callable[[str], None],
) -> dict[str, float]:
    """Returns a peer's figures. Raises `NotStartedError` or `WrongAnswerError`."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        say("starting")
        with peer.start(cache, version, folder) as running:
            check(peer, running.url, right)
            figures = {"start_s": running.start_s} | _loads(peer, running, folder, duration_s, say)
            figures |= _memory(running)
            if running.grpc_address:
                figures |= _hop(running, folder, say)
    return figures


def _loads(
    peer: AnyPeer, running: Running, folder: Path, duration_s: int, say: Callable[[str], None]
) -> dict[str, float]:
    wire, batch = peer.wire, bodies.batch()
    sent: list[tuple[str, Body, int]] = [
        (f"rate_{number}", wire.single(PICTURES[0]), number) for number in IN_FLIGHT
    ]
    sent.append(("images", wire.batch(batch), BATCHES_IN_FLIGHT))
    if wire.array:
        sent.append(("images_npy", wire.array(batch), BATCHES_IN_FLIGHT))
    figures: dict[str, float] = {"errors": 0}
    for figure, body, in_flight in sent:
        say(f"{figure.replace('_', ', ')}, {in_flight} in flight")
        _ask(running.url, body)  # when that is answered, so is what the last load left behind
        script = wrk.script(body, folder, figure)
        # Each is warmed up for itself: some learn from a heavy load to wait under a light one.
        wrk.run(running.url, script, in_flight=in_flight, duration_s=_WARM_UP_S)
        before_s, gateway_before_s = _cpu_s(running)
        load = wrk.run(running.url, script, in_flight=in_flight, duration_s=duration_s)
        all_s, gateway_s = _cpu_s(running)
        figures["errors"] += load.errors
        if figure.startswith("images"):
            figures[figure] = BATCH * load.rate
        else:
            figures |= single(in_flight, load, all_s - before_s, gateway_s - gateway_before_s)
            say(f"latency, {in_flight} in flight")
            seen = latency.closed_loop(
                running.url, body, in_flight=in_flight, duration_s=duration_s
            )
            figures[f"p50_{in_flight}_ms"] = seen.percentile_ms(50)
            figures[f"p99_{in_flight}_ms"] = seen.percentile_ms(99)
    return figures


def _cpu_s(running: Running) -> tuple[float, float]:
    """Returns the processor time of all of a server's processes, and of its gateway's."""
    gateway_s = cpu_s(running.gateway) if running.gateway else 0.0
    return sum(map(cpu_s, running.pids)), gateway_s


def single(in_flight: int, load: wrk.Load, all_s: float, gateway_s: float) -> dict[str, float]:
    """Returns the figures of a load of single pictures during which the processes took `all_s` of
    processor time, those of the gateway `gateway_s` of it; 0 where there are none, or none of ours.
    """
    figures = {f"rate_{in_flight}": load.rate}
    if not load.requests:
        return figures
    took_s = {"": all_s, "gateway_": gateway_s, "generator_": load.cpu_s}
    for part, each_s in took_s.items():
        if each_s:
            figures[f"{part}cpu_{in_flight}_us"] = 1e6 * each_s / load.requests
    if all_s:
        figures[f"per_cpu_s_{in_flight}"] = load.requests / all_s
    return figures


def _memory(running: Running) -> dict[str, float]:
    figures = {}
    if running.pids:
        figures["memory_mb"] = sum(sum(rss_mb(pid)) for pid in running.pids)
    if running.gateway:
        workers = [pid for pid in children_of(running.gateway) if name_of(pid) != NAME]
        figures["gateway_mb"] = sum(rss_mb(running.gateway))
        figures["worker_mb"] = max(rss_mb(pid)[0] for pid in workers)
    return figures


def _hop(running: Running, folder: Path, say: Callable[[str], None]) -> dict[str, float]:
    say("direct, and through the gateway")
    direct_ms, gateway_ms = hop.measure(running.url, running.grpc_address)
    figures = {"direct_ms": direct_ms, "gateway_ms": gateway_ms}
    figures["added_ms"] = gateway_ms - direct_ms
    say("another gateway's start")
    with gateway(running.grpc_address, folder, running.environment) as (_, start_s, _):
        figures["gateway_start_s"] = start_s
    return figures


def check(peer: AnyPeer, url: str, right: Expected) -> None:
    """Sends each sample by itself and all in a batch. Raises `WrongAnswerError`."""
    wire, batch = peer.wire, bodies.batch()
    asked = [(wire.single(picture), [picture]) for picture in PICTURES]
    asked.append((wire.batch(batch), batch))
    if wire.array:
        asked.append((wire.array(batch), batch))
    for body, pictures in asked:
        predictions = wire.read(_ask(url, body))
        given = [(one["label"], one["probabilities"][one["label"]]) for one in predictions]
        _compare(given, [right[picture] for picture in pictures])


def _ask(url: str, body: Body) -> requests.Response:
    try:
        answer = requests.post(url, body.content, headers=body.headers, timeout=60)
    except requests.RequestException as error:
        raise WrongAnswerError(str(error)) from error
    if answer.status_code != 200:
        raise WrongAnswerError(f"{answer.status_code}: {answer.text[:500]}")
    return answer


def _compare(given: list[tuple[str, float]], right: list[tuple[str, float]]) -> None:
    same = len(given) == len(right) and all(
        label == wanted and abs(probability - share) < _TOLERANCE
        for (label, probability), (wanted, share) in zip(given, right, strict=True)
    )
    if not same:
        raise WrongAnswerError(f"It answers {given}, which should be {right}")
