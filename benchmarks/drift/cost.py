"""Cost of the drift watch: in a loop, and of the gateway's throughput."""

import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from rich.console import Console

from benchmarks.drift.streams import WINDOW, Subject
from benchmarks.gateway import wrk
from benchmarks.gateway.bodies import PICTURES, png
from harness.gateway import PREDICT, gateway
from harness.model_server import flags, model_server
from harness.processes import cpu_s
from vitrine_serving.gateway.telemetry.drift import Watch, Windows

BATCHES = (1, 4, 16, 64)
IN_FLIGHT = 64
_IMAGES = 6_400
_ROUNDS = 15
_WARM_UP_S = 2


def of_a_note(subject: Subject) -> dict[int, float]:
    """Returns microseconds of processor time an image, by how many there are in a batch; the loop
    that does nothing else is taken off, in turn. Needs a running event loop."""
    images, outputs = subject.draw("clean", _IMAGES, np.random.default_rng(0))
    watch = Watch(Windows(WINDOW))

    def took_s(size: int, note: Any) -> float:
        parts = [(images[i : i + size], outputs[i : i + size]) for i in range(0, _IMAGES, size)]
        started = time.thread_time()
        for part in parts:
            note("model", 1, subject.description, *part)
        return time.thread_time() - started

    found = {}
    for size in BATCHES:
        rounds = [took_s(size, watch.note) - took_s(size, lambda *_: None) for _ in range(_ROUNDS)]
        found[size] = 1e6 * statistics.median(rounds) / _IMAGES
    return found


def of_throughput(version: Path, rounds: int, seconds: int, console: Console) -> dict[str, Any]:
    """Loads a gateway that watches and one that does not, in turn, and returns medians: requests/s
    with over without, and processor time of the gateway a request (us), with and without.

    Each round has new gateways: two of the same differ by several per cent for as long as they run.
    """
    wrk.require()
    figures: dict[str, list[tuple[float, float]]] = {"1": [], "0": []}
    with TemporaryDirectory() as name:
        folder = Path(name)
        script = wrk.script(png(PICTURES[0]), folder, "picture")
        told = (*flags(version.parent.parent), "--grpc_max_threads=64")
        with model_server(folder / "log", *told) as server:
            for number in range(rounds):
                for drift in ("1", "0") if number % 2 else ("0", "1"):
                    rate, cpu_us = _load(server.grpc_address, folder, script, drift, seconds)
                    console.print(
                        f"round {number + 1}, VITRINE_DRIFT={drift}: {rate:,.0f} requests/s, "
                        f"{cpu_us:.0f} us of the gateway's processor time a request"
                    )
                    figures[drift].append((rate, cpu_us))
    pairs = list(zip(figures["1"], figures["0"], strict=True))
    return {
        "rounds": rounds,
        "seconds": seconds,
        "ratio": statistics.median(on[0] / off[0] for on, off in pairs),
        "cpu_us": {drift: statistics.median(one[1] for one in figures[drift]) for drift in figures},
    }


def _load(server: str, folder: Path, script: Path, drift: str, seconds: int) -> tuple[float, float]:
    """Returns the requests/s of a new gateway, and its processor time for one (us)."""
    workers = len(os.sched_getaffinity(0))
    with gateway(server, folder / "gateway", drift=drift, workers=workers) as one:
        url = one.url + PREDICT
        wrk.run(url, script, in_flight=IN_FLIGHT, duration_s=_WARM_UP_S)
        before = cpu_s(one.process.pid)
        load = wrk.run(url, script, in_flight=IN_FLIGHT, duration_s=seconds)
        return load.rate, 1e6 * (cpu_s(one.process.pid) - before) / load.requests
