"""Open Inference Protocol: binary tensors beside Triton's, and beside our own road of arrays.

`python -m benchmarks.open_inference`.

All are sent by wrk, in turn: float32 rows as Triton's clients send them by default, to the service
and to Triton with the same model, and the same rows as uint8 in .npy to `:predict`. Answers are
probabilities alone, as binary data, where a client can choose.
"""

import json
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import numpy as np
import requests
from rich.console import Console
from rich.table import Table

from benchmarks import results
from benchmarks.gateway import wrk
from benchmarks.gateway.bodies import BATCH, PICTURES, Body, levels, npy
from benchmarks.gateway.peers import environments
from benchmarks.gateway.peers.frameworks import PEERS
from benchmarks.gateway.peers.peer import WireFormat
from benchmarks.published import newest_version
from harness.processes import cpu_s
from harness.service import started_service
from vitrine_client.open_inference import http_bodies
from vitrine_client.open_inference.messages import RequestedOutput, V2Request, V2Tensor

IN_FLIGHT = (1, 16, 64)
ROWS = (1, BATCH)
INFER, PREDICT = "/v2/models/mlp/infer", "/v1/models/mlp:predict"

_TRITON = "triton"
_WARM_UP_S = 1
_QUEUED = 2 * BATCH * IN_FLIGHT[-1]
"""Images that may wait: more than are ever in flight, so that none is shed."""


class Road(NamedTuple):
    """Road to a server: its name, where it is asked, what is sent for a number of rows, and the
    processes that answer."""

    name: str
    url: str
    body: Callable[[int], Body]
    pid: int


def binary(rows: int) -> Body:
    """Returns a request with rows as binary data, as tritonclient.http sends it."""
    made = levels(_pictures(rows)).astype(np.float32) / np.float32(255)
    images = V2Tensor("images", "FP32", made)
    wanted = [RequestedOutput("probabilities", {"binary_data": True})]
    content, parts = http_bodies.write_request(V2Request([images], wanted), is_binary=True)
    head = json.dumps(content).encode()
    length = {"Inference-Header-Content-Length": str(len(head))}
    return Body("application/octet-stream", b"".join((head, *parts)), length)


def array(rows: int) -> Body:
    """Returns a request with rows as .npy."""
    return npy(_pictures(rows))


def _pictures(count: int) -> list[bytes]:
    return [PICTURES[number % len(PICTURES)] for number in range(count)]


@contextmanager
def roads(version: Path, folder: Path, console: Console) -> Iterator[list[Road]]:
    """Runs the service, and Triton where it can be had."""
    triton = replace(
        next(each for each in PEERS if each.name == _TRITON),
        wire=WireFormat(INFER, single=lambda _: binary(1)),
    )
    triton = replace(triton, variables={**triton.variables, "PEER_TENSORS": "1"})
    why_not = triton.prepare(environments.CACHE, console)
    (folder / "triton").mkdir()
    with started_service(
        version.parent.parent, folder / "log", models="mlp", max_queued_images=_QUEUED
    ) as service:
        pid = service.process.pid
        ours = [
            Road("v2", service.url + INFER, binary, pid),
            Road("npy", service.url + PREDICT, array, pid),
        ]
        if why_not:
            console.print(f"[yellow]Without Triton: {why_not}[/]")
            yield ours
            return
        with triton.start(environments.CACHE, version, folder / "triton") as peer:
            yield [*ours, Road(_TRITON, peer.url, binary, peer.pids[0])]


def check(found: list[Road]) -> None:
    """Raises `ClickException` unless all that speak the protocol answer the same."""
    answers = {}
    for road in found:
        body = road.body(BATCH)
        answer = requests.post(road.url, body.content, headers=body.headers, timeout=60)
        if answer.status_code != 200:
            raise click.ClickException(f"{road.name}: {answer.status_code} {answer.text[:300]}")
        if road.body is binary:
            length = int(answer.headers["Inference-Header-Content-Length"])
            answers[road.name] = np.frombuffer(answer.content[length:], np.float32)
    first, *others = answers.values()
    if any(each.shape != first.shape or abs(each - first).max() > 1e-5 for each in others):
        raise click.ClickException(f"They do not answer the same: {answers}")


def measure(road: Road, rows: int, in_flight: int, duration_s: int, folder: Path) -> list[float]:
    """Returns requests a second, and the processor time of one, in us. Raises `ClickException`
    where one was not answered 200."""
    script = wrk.script(road.body(rows), folder, f"{road.name}-{rows}")
    wrk.run(road.url, script, in_flight=in_flight, duration_s=_WARM_UP_S)
    before_s = cpu_s(road.pid)
    load = wrk.run(road.url, script, in_flight=in_flight, duration_s=duration_s)
    if load.errors or not load.requests:
        raise click.ClickException(f"{road.name} failed {load.errors} of {load.requests} requests")
    return [load.rate, 1e6 * (cpu_s(road.pid) - before_s) / load.requests]


@click.command()
@click.option("--models-dir", default="models", show_default=True)
@click.option("--rounds", default=3, show_default=True, type=click.IntRange(1))
@click.option("--seconds", default=3, show_default=True, type=click.IntRange(1), help="Of each.")
def main(models_dir: str, rounds: int, seconds: int) -> None:
    """Compare binary tensors over v2 with Triton, and with arrays as .npy."""
    wrk.require()
    console, figures = Console(), dict[str, list[list[float]]]()
    version = newest_version(models_dir)
    with TemporaryDirectory() as name, roads(version, Path(name), console) as found:
        check(found)
        for number in range(rounds):
            for rows in ROWS:
                for in_flight in IN_FLIGHT:
                    for road in found if number % 2 else found[::-1]:
                        console.print(f"{number + 1}: {road.name}, {rows} x {in_flight}", end="\r")
                        seen = measure(road, rows, in_flight, seconds, Path(name))
                        figures.setdefault(f"{road.name} {rows} {in_flight}", []).append(seen)
    show(figures, [road.name for road in found], console)
    console.print(f"Written: {results.write('open_inference', figures)}")


def show(figures: dict[str, list[list[float]]], names: list[str], console: Console) -> None:
    """Prints medians, and the medians of each round's ratios."""
    table = Table("rows", "in flight", box=None, header_style="dim")
    for name in names:
        table.add_column(f"{name}: 1/s", justify="right")
        table.add_column("us", justify="right")
    others = [each for each in names if each != "v2"]
    for each in others:
        table.add_column(f"v2 / {each}", justify="right")
    for rows in ROWS:
        for in_flight in IN_FLIGHT:
            seen = {name: figures[f"{name} {rows} {in_flight}"] for name in names}
            cells = [str(rows), str(in_flight)]
            for name in names:
                rates, costs = zip(*seen[name], strict=True)
                cells += [f"{statistics.median(rates):,.0f}", f"{statistics.median(costs):,.0f}"]
            for each in others:
                pairs = zip(seen["v2"], seen[each], strict=True)
                ratios = [one[0] / other[0] for one, other in pairs]
                cells.append(f"{statistics.median(ratios):.2f}")
            table.add_row(*cells)
    console.print(table)


if __name__ == "__main__":
    main()
