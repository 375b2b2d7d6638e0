"""One peer in one round: its answers are checked, then it is put under load."""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import requests

from benchmarks.gateway import bodies, hop, latency, wrk
from benchmarks.gateway.bodies import BATCH, PICTURES, Body
from benchmarks.gateway.figures import IN_FLIGHT
from benchmarks.gateway.peers import Peer, Running
from benchmarks.gateway.vitrine import GATEWAY, Vitrine, embedded
from harness.processes import cpu_s, rss_mb
from vitrine_client.model_server import ModelServerClient

AnyPeer = Peer | Vitrine
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
        found = [client.predict(picture) for picture in PICTURES]
    return {
        picture: (one.label, one.probability) for picture, one in zip(PICTURES, found, strict=True)
    }


def run(
    peer: AnyPeer,
    venvs: Path,
    version: Path,
    right: Expected,
    duration_s: int,
    say: Callable[[str], None],
) -> dict[str, float]:
    """Returns a peer's figures. Raises `NotStartedError` or `WrongAnswerError`."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        say("starting")
        with peer.start(venvs, version, folder) as running:
            check(peer, running.url, right)
            figures = {"start_s": running.start_s} | _loads(peer, running, folder, duration_s, say)
            figures |= _memory(running)
            if running.grpc_address:
                say("direct, and through the gateway")
                direct_ms, gateway_ms = hop.measure(running.url, running.grpc_address)
                figures |= {"direct_ms": direct_ms, "gateway_ms": gateway_ms}
                figures["added_ms"] = gateway_ms - direct_ms
    return figures


def _loads(
    peer: AnyPeer, running: Running, folder: Path, duration_s: int, say: Callable[[str], None]
) -> dict[str, float]:
    batch = bodies.batch()
    sent: list[tuple[str, Body, int]] = [
        (f"rate_{number}", peer.single(PICTURES[0]), number) for number in IN_FLIGHT
    ]
    sent.append(("images", bodies.form(batch), BATCHES_IN_FLIGHT))
    if peer.takes_npy:
        sent.append(("images_npy", bodies.npy(batch), BATCHES_IN_FLIGHT))
    figures: dict[str, float] = {"errors": 0}
    for figure, body, in_flight in sent:
        say(f"{figure.replace('_', ', ')}, {in_flight} in flight")
        _ask(running.url, body)  # when that is answered, so is what the last load left behind
        script = wrk.script(body, folder, figure)
        # Each is warmed up for itself: some learn from a heavy load to wait under a light one.
        wrk.run(running.url, script, in_flight=in_flight, duration_s=_WARM_UP_S)
        before = {part: cpu_s(pid) for part, pid in running.pids.items()}
        load = wrk.run(running.url, script, in_flight=in_flight, duration_s=duration_s)
        cpu = {part: cpu_s(pid) - before[part] for part, pid in running.pids.items()}
        figures["errors"] += load.errors
        if figure.startswith("images"):
            figures[figure] = BATCH * load.rate
        else:
            figures |= _single(in_flight, load, cpu)
            say(f"latency, {in_flight} in flight")
            seen = latency.closed_loop(
                running.url, body, in_flight=in_flight, duration_s=duration_s
            )
            figures[f"p50_{in_flight}_ms"] = seen.percentile_ms(50)
            figures[f"p99_{in_flight}_ms"] = seen.percentile_ms(99)
    return figures


def _single(in_flight: int, load: wrk.Load, cpu: dict[str, float]) -> dict[str, float]:
    figures = {f"rate_{in_flight}": load.rate}
    if load.requests:
        figures[f"cpu_{in_flight}_us"] = 1e6 * sum(cpu.values()) / load.requests
        if GATEWAY in cpu:
            figures[f"gateway_cpu_{in_flight}_us"] = 1e6 * cpu[GATEWAY] / load.requests
    return figures


def _memory(running: Running) -> dict[str, float]:
    parts = {part: rss_mb(pid) for part, pid in running.pids.items()}
    figures = {"memory_mb": sum(map(sum, parts.values()))}
    if GATEWAY in parts:
        figures["gateway_mb"] = sum(parts[GATEWAY])
        figures["worker_mb"] = max(parts[GATEWAY][1:])  # the first is gunicorn's master
    return figures


def check(peer: AnyPeer, url: str, right: Expected) -> None:
    """Sends each sample by itself and all in a batch. Raises `WrongAnswerError`."""
    for picture in PICTURES:
        _compare(_ask(url, peer.single(picture)), [right[picture]])
    batch = bodies.batch()
    wanted = [right[picture] for picture in batch]
    _compare(_ask(url, bodies.form(batch)), wanted)
    if peer.takes_npy:
        _compare(_ask(url, bodies.npy(batch)), wanted)


def _ask(url: str, body: Body) -> Any:
    try:
        answer = requests.post(
            url, body.content, headers={"Content-Type": body.content_type}, timeout=60
        )
    except requests.RequestException as error:
        raise WrongAnswerError(str(error)) from error
    if answer.status_code != 200:
        raise WrongAnswerError(f"{answer.status_code}: {answer.text[:500]}")
    return answer.json()


def _compare(answer: Any, right: list[tuple[str, float]]) -> None:
    predictions = answer if isinstance(answer, list) else answer["predictions"]
    given = [(one["label"], one["probabilities"][one["label"]]) for one in predictions]
    same = len(given) == len(right) and all(
        label == wanted and abs(probability - share) < _TOLERANCE
        for (label, probability), (wanted, share) in zip(given, right, strict=True)
    )
    if not same:
        raise WrongAnswerError(f"It answers {given}, which should be {right}")
